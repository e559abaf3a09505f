"""Mistakes in an application's first lines: each is refused at once, with its remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from tests.adapters.suite import SECRET, make_body

from coffrify_webhooks import ConfigurationError, Receiver, Router, asgi, sign, wsgi
from coffrify_webhooks.endpoint import endpoint
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks_django.conf import DjangoReceiver
from coffrify_webhooks_flask.configuration import ConfiguredReceiver

TAKE_A_RECEIVER: dict[str, Callable[[Any], object]] = {
    "Flask": lambda given: CoffrifyWebhooks(Flask("shop"), given),
    "Flask, initialised later": lambda given: CoffrifyWebhooks(receiver=given),
    "Starlette": webhook_route,
    "FastAPI": webhook_router,
    "ASGI": lambda given: asgi.CoffrifyWebhooksMiddleware(Starlette(), given),
    "WSGI": lambda given: wsgi.CoffrifyWebhooksMiddleware(Flask("shop"), given),
}


@pytest.mark.parametrize("given", [SECRET, [SECRET], {"secrets": SECRET}, "/hooks/coffrify"])
@pytest.mark.parametrize("name", TAKE_A_RECEIVER)
def test_what_is_no_receiver_is_refused_and_not_repeated(name: str, given: Any) -> None:
    """A secret, settings or a path in its place: else each delivery would be answered 500."""
    call = TAKE_A_RECEIVER[name]
    with pytest.raises(ConfigurationError, match=r"give Receiver\(secrets=") as raised:
        call(given)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("given", [SECRET, [SECRET]])
def test_flask_settings_that_are_no_dict_are_refused(given: Any) -> None:
    """Also beside a path, which is put into them."""
    app = Flask("shop")
    app.config["COFFRIFY_WEBHOOKS"] = given
    for path in ("/webhooks/coffrify", "/hooks"):
        with pytest.raises(ConfigurationError, match="must be a dict"):
            CoffrifyWebhooks(app, path=path)


def test_what_is_no_flask_application_is_named() -> None:
    """Such as a receiver in the application's place."""
    wrong: Any = Receiver(SECRET, store="memory:")
    with pytest.raises(ConfigurationError, match="app must be a Flask application, not Receiver"):
        CoffrifyWebhooks(wrong)


def _register_for_nothing() -> None: ...


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"handlers": [_register_for_nothing]}, "give the full names of the modules"),
        ({"handlers": ".webhooks"}, "give the full names of the modules"),
        ({"handlers": [""]}, "give the full names of the modules"),
        ({"handlers": "no_such_webhooks.py"}, "name an importable module, without .py"),
        (
            {"secrets": SECRET.encode()},
            "secrets must be a str, a Secret, or a list of them, not bytes",
        ),
        ({"store": "webhooks.db"}, "a URL without a scheme; use"),
        ({"store": "sqlite://webhooks.db"}, "three slashes before a file in the working directory"),
        ({"dispatcher": "celery"}, "a URL without a scheme; use"),
    ],
)
def test_an_option_of_another_form_names_the_right_one(
    options: dict[str, Any], remedy: str
) -> None:
    """What people write who read the page on a Friday."""
    with pytest.raises(ConfigurationError) as raised:
        Receiver(**{"secrets": SECRET, "store": "memory:", **options})
    assert remedy in str(raised.value)


FRAMEWORKS: dict[str, tuple[type[Receiver], str]] = {
    "Flask": (ConfiguredReceiver, 'app.config["COFFRIFY_WEBHOOKS"]'),
    "Django": (DjangoReceiver, "settings.COFFRIFY_WEBHOOKS"),
}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("PATH", "hooks"),
        ("MAX_BODY", "10MB"),
        ("TOLERANCE", 0),
        ("SCHEMES", ["stripe"]),
        ("RETENTION", 1),
        ("RETRIES", 3),
        ("STRICT", "yes"),
        ("NAME", ""),
        ("ROUTER", "shop"),
        ("EVENTS", 5),
        ("OBSERVERS", 5),
        ("HANDLERS", 5),
        ("HANDLERS", "no_such_webhooks"),
        ("STORE", 5),
        ("DISPATCHER", 5),
        ("SECRETS", SECRET.encode()),
    ],
)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_mistake_in_a_frameworks_settings_is_named_as_there(
    name: str, option: str, value: Any, tmp_path: Path
) -> None:
    """By the setting, not by an argument of a Receiver that the user never made."""
    kind, setting = FRAMEWORKS[name]
    settings = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": Router(), option: value}
    if option == "EVENTS":
        del settings["ROUTER"]
    with pytest.raises(ConfigurationError) as raised:
        endpoint(settings, folder=tmp_path, kind=kind)
    assert str(raised.value).startswith(f'{setting}["{option}"]')
    assert "Receiver(" not in str(raised.value)
    assert f"{option.lower()}=" not in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_atomic_handler_without_a_database_is_told_the_frameworks_setting(
    name: str, tmp_path: Path
) -> None:
    """The answer names the stores that can, and where one is set."""
    kind, setting = FRAMEWORKS[name]
    router = Router()
    router.on("*", atomic=True)(lambda event: None)
    settings = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": router}
    receiver = endpoint(settings, folder=tmp_path, kind=kind).receiver
    body = make_body()
    reply = receiver.receive(body, sign(body, SECRET))
    assert reply.outcome == "misconfigured"
    named = f'a DjangoStore or a SQLStore, {setting} = {{"STORE": ...}}, or drop atomic=True'
    assert named in str(reply.error)
