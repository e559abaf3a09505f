"""The code of a receiver for an endpoint, for each framework, to be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.http.url_path import DEFAULT_PATH, UrlPath

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox.records import Endpoint

__all__ = ["Snippet", "event_type_for", "snippets"]


class Snippet(NamedTuple):
    """A receiver in one framework."""

    name: str
    """The extra of the package too."""
    title: str
    code: str


_TYPED = "transfer.created"
_FLASK = """\
# app.py
from flask import Flask

from coffrify_webhooks.flask import CoffrifyWebhooks
{imports}

app = Flask(__name__)
CoffrifyWebhooks(app{path})


@on("{type}")
def handle(event: {event}) -> None:
    print(event.type, event.id, flush=True)
"""
_DJANGO = """\
# settings.py
INSTALLED_APPS = [
    ...,
    "coffrify_webhooks.django",
    "shop",  # an app of yours
]
MIDDLEWARE = [
    "coffrify_webhooks.django.CoffrifyWebhooksMiddleware",  # first
    ...,
]
{setting}
# shop/webhooks.py
{imports}


@on("{type}")
def handle(event: {event}) -> None:
    print(event.type, event.id, flush=True)
"""
_STARLETTE = """\
# app.py
from starlette.applications import Starlette

from coffrify_webhooks.starlette import webhook_route
{imports}

app = Starlette(routes=[webhook_route({only_path})])


@on("{type}")
async def handle(event: {event}) -> None:
    print(event.type, event.id, flush=True)
"""
_FASTAPI = """\
# app.py
from fastapi import FastAPI

from coffrify_webhooks.fastapi import webhook_router
{imports}

app = FastAPI()
app.include_router(webhook_router({only_path}))


@on("{type}")
async def handle(event: {event}) -> None:
    print(event.type, event.id, flush=True)
"""
_ANY = """\
# app.py
from coffrify_webhooks.{server} import CoffrifyWebhooksMiddleware
{imports}

from shop import application  # yours

app = CoffrifyWebhooksMiddleware(application{path})


@on("{type}")
def handle(event: {event}) -> None:
    print(event.type, event.id, flush=True)
"""
_ALL = (
    ("flask", "Flask", _FLASK),
    ("django", "Django", _DJANGO),
    ("starlette", "Starlette", _STARLETTE),
    ("fastapi", "FastAPI", _FASTAPI),
    ("asgi", "Any ASGI application", _ANY),
    ("wsgi", "Any WSGI application", _ANY),
)


def event_type_for(endpoint: Endpoint) -> str:
    """Return a type that an endpoint subscribes to."""
    return _TYPED if endpoint.wants(_TYPED) else endpoint.events[0]


def snippets(endpoint: Endpoint) -> list[Snippet]:
    """Return the code for an endpoint: at its path, for the first type that it subscribes to."""
    path = _path_of(endpoint.url)
    event_type = event_type_for(endpoint)
    event, imports = "Event", "from coffrify_webhooks import Event, on"
    if event_type == _TYPED:
        event = "TransferCreated"
        imports = "from coffrify_webhooks import on\nfrom coffrify_webhooks.events import " + event
    option = "" if path == DEFAULT_PATH else f"path={path!r}".replace("'", '"')
    setting = f'COFFRIFY_WEBHOOKS = {{"PATH": "{path}"}}\n' if option else ""
    return [
        Snippet(
            name,
            title,
            code.format(
                imports=imports,
                type=event_type,
                event=event,
                path=option and f", {option}",
                only_path=option,
                setting=setting,
                server=name,
            ),
        )
        for name, title, code in _ALL
    ]


def _path_of(url: str) -> str:
    """Return the path of an endpoint; the usual one if its own cannot be a receiver's."""
    path = unquote(urlsplit(url).path).rstrip("/")
    try:
        UrlPath(path)
    except ConfigurationError:
        return DEFAULT_PATH
    return DEFAULT_PATH if '"' in path or "'" in path else path
