"""What `--app` may name: a Receiver, and whatever has just one."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from coffrify_webhooks import ConfigurationError, Receiver
from coffrify_webhooks.applications.endpoints import receivers_in
from coffrify_webhooks.cli.application import receiver_of

HEAD = """
from coffrify_webhooks import Receiver, Router
mine = Receiver("a-secret-for-tests", name="mine", store="memory:", router=Router())
HELD = {"it": mine}
"""
FLASK = """
from flask import Flask, current_app
from coffrify_webhooks.flask import CoffrifyWebhooks, CoffrifyWebhooksMiddleware
"""
STARLETTE = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from coffrify_webhooks.starlette import CoffrifyWebhooksMiddleware, webhook_route
"""
FASTAPI = """
from fastapi import APIRouter, FastAPI
from coffrify_webhooks.fastapi import webhook_router
"""
OTHER = "other = Receiver('b-secret-of-tests', store='memory:')"
TWO = "CoffrifyWebhooks(app, other, '/two')"
PROGRAMS = {
    "receiver": "receiver = mine",
    "flask": f"{FLASK}app = Flask('shop'); CoffrifyWebhooks(app, mine)",
    "extension": f"{FLASK}webhooks = CoffrifyWebhooks(Flask('shop'), mine)",
    "extension_alone": f"{FLASK}webhooks = CoffrifyWebhooks(receiver=mine)",
    "wsgi": f"{FLASK}app = CoffrifyWebhooksMiddleware(Flask('shop'), mine)",
    "flask_wrapped": f"""{FLASK}
from werkzeug.middleware.proxy_fix import ProxyFix
app = Flask('shop')
app.wsgi_app = ProxyFix(CoffrifyWebhooksMiddleware(app.wsgi_app, mine))
""",
    "dispatcher": f"""{FLASK}
from werkzeug.middleware.dispatcher import DispatcherMiddleware
shop = Flask('shop')
CoffrifyWebhooks(shop, mine)
app = DispatcherMiddleware(Flask('front'), {{"/shop": shop}})
del shop
""",
    "asgi": f"{STARLETTE}app = CoffrifyWebhooksMiddleware(Starlette(), mine)",
    "starlette_middleware": f"""{STARLETTE}
app = Starlette()
app.add_middleware(CoffrifyWebhooksMiddleware, receiver=mine)
""",
    "starlette_middleware_built": f"""{STARLETTE}
app = Starlette(middleware=[Middleware(CoffrifyWebhooksMiddleware, mine)])
app.middleware_stack = app.build_middleware_stack()
""",
    "starlette_route": f"{STARLETTE}app = Starlette(routes=[webhook_route(mine)])",
    "starlette_mount": f"""{STARLETTE}
app = Starlette(routes=[Mount("/in", routes=[webhook_route(mine)])])
""",
    "starlette_within": f"""{STARLETTE}
app = Starlette(routes=[Mount("/shop", app=Starlette(routes=[webhook_route(mine)]))])
""",
    "fastapi": f"{FASTAPI}app = FastAPI(); app.include_router(webhook_router(mine))",
    "fastapi_nested": f"""{FASTAPI}
outer = APIRouter()
outer.include_router(webhook_router(mine))
app = FastAPI()
app.include_router(outer, prefix="/shop")
""",
    "factory": f"""{FLASK}
def create_app():
    app = Flask("shop")
    CoffrifyWebhooks(app, HELD["it"])
    return app
""",
    "factory_of_an_extension": f"""{FLASK}
webhooks = CoffrifyWebhooks()
def create_app():
    app = Flask("shop")
    options = {{"SECRETS": "only-for-tests-01", "NAME": "mine", "STORE": "memory:"}}
    app.config["COFFRIFY_WEBHOOKS"] = options
    webhooks.init_app(app)
    return app
""",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, whose modules are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("program", "inner", "inner.program"):
        sys.modules.pop(name, None)


def write(source: str, name: str = "program.py") -> None:
    """Write a module that keeps its Receiver out of its own names."""
    text = f"{HEAD}{source}\n"
    if "receiver = mine" not in source.splitlines():
        text += "del mine\n"
    Path(name).write_text(text)
    importlib.invalidate_caches()


def name_of(app: str) -> str:
    found = receiver_of(app)
    assert found is not None
    return found.name


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_module_that_has_just_one_will_do(program: str) -> None:
    """A Receiver, an application, an extension, a middleware, a route, a factory."""
    write(PROGRAMS[program])
    assert name_of("program") == "mine"


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("flask", "app"),
        ("extension", "webhooks"),
        ("wsgi", "app"),
        ("asgi", "app"),
        ("starlette_route", "app"),
        ("fastapi", "app"),
        ("factory", "create_app"),
        ("factory", "create_app()"),
    ],
)
def test_a_name_may_be_whatever_has_one(program: str, name: str) -> None:
    """MODULE:NAME names the application, or the function that makes it, as FLASK_APP does."""
    write(PROGRAMS[program])
    assert name_of(f"program:{name}") == "mine"


def test_a_factory_takes_plain_arguments() -> None:
    """`module:create_app("production", debug=True)`, as Flask and gunicorn take it."""
    write(
        FLASK
        + """
def create_app(name, *, debug=False):
    app = Flask("shop")
    options = {"SECRETS": "only-for-tests-1", "NAME": f"{name}{debug}", "STORE": "memory:"}
    app.config["COFFRIFY_WEBHOOKS"] = options
    CoffrifyWebhooks(app)
    return app
"""
    )
    assert name_of('program:create_app("production", debug=True)') == "productionTrue"
    with pytest.raises(ConfigurationError, match=r"missing 1 required positional argument: 'name'"):
        receiver_of("program:create_app")


def test_a_dotted_name_goes_into_an_object() -> None:
    """`module:shop.receiver` is the attribute of an object in the module."""
    write("import types\nshop = types.SimpleNamespace(hooks=mine)")
    assert name_of("program:shop.hooks") == "mine"


def test_a_module_may_be_named_as_a_file(folder: Path) -> None:
    """`inner/program.py:app` is what Flask and FastAPI call `inner.program:app`."""
    (folder / "inner").mkdir()
    write(PROGRAMS["flask"], "inner/program.py")
    assert name_of("inner/program.py:app") == "mine"


@pytest.mark.parametrize(
    ("source", "app", "said"),
    [
        (
            f"{FLASK}app = Flask('a'); CoffrifyWebhooks(app, mine)\n{OTHER}",
            "program",
            "name one: --app program:app or :other",
        ),
        (
            f"{FLASK}app = Flask('a'); CoffrifyWebhooks(app, mine)\n{OTHER}\n{TWO}",
            "program:app",
            "program:app has several Receivers ('default', 'mine'); keep the one you mean in a",
        ),
        (f"{FLASK}app = Flask('a')", "program:app", "nor an application that has one"),
        ("", "program:gone.more()", "no Receiver of that name"),
        ("", "program:a b", "no Receiver of that name"),
        ("", 'program:HELD["it"]', "no Receiver of that name"),
        ("def make(): raise LookupError('x')", "program:make", "(LookupError: x)"),
        ("raise SystemExit('usage: program')", "program", "(SystemExit: usage: program)"),
    ],
)
def test_what_has_none_or_several_is_told(source: str, app: str, said: str) -> None:
    """In one line that names the remedy."""
    write(source)
    with pytest.raises(ConfigurationError) as caught:
        receiver_of(app)
    assert said in str(caught.value)


def test_a_module_without_one_is_none() -> None:
    """As one that only registers handlers, whatever else is among its names."""
    Path("program.py").write_text(f"{FLASK}\nimport os\nfrom coffrify_webhooks import Receiver, on")
    assert receiver_of("program") is None


def test_an_application_that_serves_itself_on_import_does_not_hang() -> None:
    """app.run() without its guard does nothing, as under `flask`."""
    write(f"{FLASK}app = Flask('shop'); CoffrifyWebhooks(app, mine); app.run(port=0)")
    assert name_of("program") == "mine"


def test_djangos_application_has_the_receiver_of_the_settings() -> None:
    """`--app project.wsgi` names Django's own WSGI or ASGI application."""
    import tests.adapters.test_django  # noqa: F401 - sets Django up
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    from coffrify_webhooks_django.conf import current_endpoint

    options = {"SECRETS": "a-secret-for-tests", "STORE": "memory:"}
    with override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=[]):
        for kind in WSGIHandler, ASGIHandler:
            assert receivers_in(kind()) == [current_endpoint().receiver]
        wrapped = SimpleNamespace(application_mapping={"http": ASGIHandler()})
        assert receivers_in(wrapped) == [current_endpoint().receiver]


def test_objects_that_hold_one_another_come_to_an_end() -> None:
    """A circle is walked once, and a Receiver found twice is one."""

    receiver = Receiver("x-secret-of-tests", store="memory:")
    one, two = SimpleNamespace(receiver=receiver), SimpleNamespace(receiver=receiver)
    one.app, two.app = two, one
    assert receivers_in(one) == [receiver]
