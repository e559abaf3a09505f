"""Flask: the extension and the WSGI middleware."""

import logging
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app, g, request
from tests.adapters.requests import Request, send_wsgi
from tests.adapters.suite import PATH, SECRET, WSGISuite, make_body, make_receiver
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router, sign
from coffrify_webhooks.flask import CoffrifyWebhooks, CoffrifyWebhooksMiddleware


def flask_app(**options: Any) -> Flask:
    app = Flask("example", **options)

    @app.post("/echo")
    def echo() -> bytes:
        return request.get_data()

    return app


class TestExtension(WSGISuite):
    """`CoffrifyWebhooks(app)`."""

    def build(self, receiver_options: dict[str, Any]) -> Any:
        app = flask_app()
        CoffrifyWebhooks(app, make_receiver(receiver_options))
        return app


class TestMiddleware(WSGISuite):
    """`app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app)`."""

    def build(self, receiver_options: dict[str, Any]) -> Any:
        app = flask_app()
        app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app, make_receiver(receiver_options))  # type: ignore[method-assign]
        return app


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture
def receiver(router: Router) -> Receiver:
    return Receiver(SECRET, router=router, store="memory:")


def post(app: Flask, body: bytes, headers_of: dict[str, str] | None = None, **options: Any) -> Any:
    headers = {**sign(body, SECRET), **(headers_of or {})}
    return app.test_client().post(PATH, data=body, headers=headers, **options)


def test_handlers_run_inside_the_application_context(router: Router, receiver: Receiver) -> None:
    """A handler of the extension, sync or async, sees current_app and g."""
    app = flask_app()
    CoffrifyWebhooks(app, receiver)
    seen: list[str] = []

    @router.on("transfer.created")
    def sync(event: Event) -> None:
        g.mark = "set"
        seen.append(current_app.name)

    @router.on("transfer.created")
    async def later(event: Event) -> None:
        seen.append(f"{current_app.name} {g.mark}")

    assert post(app, make_body()).status_code == 200
    assert seen == ["example", "example set"]


def test_an_application_factory_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """init_app reads app.config, and the default store is a file in the instance folder."""
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    caplog.set_level(logging.INFO, "coffrify_webhooks")
    router = Router()
    router.on("*")(lambda event: None)
    app = flask_app(instance_path=str(tmp_path / "instance"))
    app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": SECRET, "ROUTER": router, "PATH": "/hook"}
    CoffrifyWebhooks().init_app(app)
    body = make_body()
    client = app.test_client()
    assert client.post("/hook", data=body, headers=sign(body, SECRET)).status_code == 200
    assert (tmp_path / "instance" / "coffrify-webhooks.db").exists()
    assert caplog.text.count("claims are kept in") == 1
    app.extensions["coffrify_webhooks"].store.close()


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({}, "COFFRIFY_WEBHOOK_SECRET"),
        ({"SECRETS": ""}, "empty"),
        ({"SECRETS": "x", "TOLERENCE": 3}, "TOLERANCE"),
        ({"SECRETS": "x", "PATH": "no-slash"}, "slash"),
    ],
)
def test_a_mistake_is_told_when_the_application_is_made(
    settings: dict[str, Any], hint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Settings that cannot be used are a ConfigurationError in init_app that names the fix."""
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    app = flask_app(instance_path=str(tmp_path))
    app.config["COFFRIFY_WEBHOOKS"] = settings
    with pytest.raises(ConfigurationError, match=hint):
        CoffrifyWebhooks(app)


def test_a_body_that_was_parsed_as_a_form_is_named(router: Router, receiver: Receiver) -> None:
    """A before_request function that reads request.form leaves us a 500 that names it."""
    router.on("*")(lambda event: None)
    app = flask_app()
    CoffrifyWebhooks(app, receiver)
    app.before_request(lambda: request.form and None)
    response = post(app, make_body(), content_type="application/x-www-form-urlencoded")
    assert response.status_code == 500
    assert "request.form" in response.get_json()["error"]["message"]


def test_a_body_that_was_read_as_json_is_still_there(router: Router, receiver: Receiver) -> None:
    """A before_request function that calls get_json() does no harm."""
    router.on("*")(lambda event: None)
    app = flask_app()
    CoffrifyWebhooks(app, receiver)
    app.before_request(lambda: request.get_json() and None)
    assert post(app, make_body(), content_type="application/json").status_code == 200


def test_the_frameworks_own_limit_is_a_413_of_ours(router: Router, receiver: Receiver) -> None:
    """Flask's MAX_CONTENT_LENGTH refuses with our JSON, not an HTML page."""
    app = flask_app()
    app.config["MAX_CONTENT_LENGTH"] = 10
    CoffrifyWebhooks(app, receiver)
    response = post(app, make_body())
    assert response.status_code == 413
    assert response.get_json()["error"]["code"] == "body_too_large"
    assert "MAX_CONTENT_LENGTH" in response.get_json()["error"]["message"]


def test_flask_wtf_is_told_to_let_it_pass(receiver: Receiver) -> None:
    """Where Flask-WTF protects every view, the endpoint is exempted."""
    exempted: list[Any] = []
    app = flask_app()
    app.extensions["csrf"] = type(
        "CSRF", (), {"exempt": lambda self, view: exempted.append(view)}
    )()
    CoffrifyWebhooks(app, receiver)
    assert exempted == [app.view_functions["coffrify_webhooks"]]


def test_double_slashes_are_not_redirected(receiver: Receiver) -> None:
    """A double slash is another path, not a redirect that loses the body."""
    app = flask_app()
    CoffrifyWebhooks(app, receiver)
    response = app.test_client().post("/webhooks//coffrify", data=make_body())
    assert response.status_code == 404


def test_two_receivers_have_paths_of_their_own(router: Router, receiver: Receiver) -> None:
    """Each delivery reaches the receiver of its path; a path that is taken is refused."""
    router.on("*")(lambda event: None)
    app = flask_app()
    CoffrifyWebhooks(app, receiver, "/one")
    CoffrifyWebhooks(app, Receiver("another", router=router, store="memory:"), "/two")
    body = make_body()
    client = app.test_client()
    assert client.post("/one", data=body, headers=sign(body, SECRET)).status_code == 200
    assert client.post("/two", data=body, headers=sign(body, "another")).status_code == 200
    with pytest.raises(ConfigurationError, match="another path"):
        CoffrifyWebhooks(app, receiver, "/two")


@pytest.mark.parametrize("path", [PATH, "/"])
def test_an_extension_initialised_twice_is_told_so(receiver: Receiver, path: str) -> None:
    """As in `CoffrifyWebhooks(app)` and then `init_app(app)`."""
    app = flask_app()
    extension = CoffrifyWebhooks(app, receiver, path)
    with pytest.raises(ConfigurationError, match=f"^{path} has a .* initialise the extension once"):
        extension.init_app(app)


def test_a_factory_that_is_called_again_makes_an_application_of_its_own(tmp_path: Path) -> None:
    """One extension, as Flask's factories have it: each application has its receiver."""
    extension = CoffrifyWebhooks()
    seen: list[str] = []
    router = Router()
    router.on("*")(lambda event: seen.append(current_app.name))

    def create_app(name: str) -> Flask:
        app = Flask(name, instance_path=str(tmp_path / name))
        app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": SECRET, "ROUTER": router}
        extension.init_app(app)
        return app

    apps = [create_app(name) for name in ("one", "two", "one")]
    for app in apps:
        assert post(app, make_body()).status_code == 200
    assert seen == ["one", "two"]  # the third shares the first one's instance folder
    assert extension.receiver is apps[-1].extensions["coffrify_webhooks"]


def test_a_path_given_in_code_goes_before_the_config(tmp_path: Path) -> None:
    """path= wins over PATH in the config."""
    app = flask_app(instance_path=str(tmp_path))
    app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": SECRET, "STORE": "memory:", "PATH": "/config"}
    CoffrifyWebhooks(app, path="/code")
    assert app.test_client().get("/code").status_code == 405
    assert app.test_client().get("/config").status_code == 404


def test_an_instance_folder_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default store whose folder cannot be made is a ConfigurationError, not an OSError."""
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    app = flask_app(instance_path="/proc/nowhere")
    app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": SECRET}
    with pytest.raises(ConfigurationError, match="STORE"):
        CoffrifyWebhooks(app)


def test_a_head_request_gets_no_body(receiver: Receiver) -> None:
    """HEAD is answered 405 without a body, as HTTP wants."""
    app = CoffrifyWebhooksMiddleware(flask_app(), receiver)
    response = send_wsgi(app, Request("HEAD", PATH, b"", {}, 0))
    assert (response.status, response.body) == (405, b"")


def test_a_whole_body_that_still_says_chunked_is_read(router: Router, receiver: Receiver) -> None:
    """An adapter of a Lambda function (apig-wsgi) keeps the header and gives the length."""
    app, body = Flask("lambda"), make_body()
    seen: list[Event] = []
    router.on("*")(seen.append)
    CoffrifyWebhooks(app, receiver)
    headers = Headers(sign(body, SECRET))
    environ = EnvironBuilder(PATH, method="POST", data=body, headers=headers).get_environ()
    environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    _answer, status, _headers = run_wsgi_app(app, environ)
    assert (status, len(seen)) == ("200 OK", 1)


def test_a_body_whose_end_the_server_marks_is_read(router: Router, receiver: Receiver) -> None:
    """Without Content-Length and Transfer-Encoding, as over HTTP/2, the marked end is enough."""
    router.on("*")(lambda event: None)
    app = CoffrifyWebhooksMiddleware(flask_app(), receiver)

    def http2(environ: Any, start_response: Any) -> Any:
        del environ["HTTP_TRANSFER_ENCODING"]
        return app(environ, start_response)

    body = make_body()
    assert send_wsgi(http2, Request("POST", PATH, body, sign(body, SECRET), None)).status == 200


BY_HOST: dict[str, Any] = {"host_matching": True, "static_host": "a.example"}


@pytest.mark.parametrize(
    ("options", "host"),
    [
        *(({}, host) for host in ("a.example", "10.0.0.1")),
        *((BY_HOST, host) for host in ("a.example", "b.example:8000", "localhost", "10.0.0.1")),
        *(({"subdomain_matching": True}, host) for host in ("a.example", "b.a.example", "example")),
    ],
)
def test_every_host_is_served(
    router: Router, receiver: Receiver, options: dict[str, Any], host: str
) -> None:
    """Whichever way the application tells hosts apart, a delivery is handled on each."""
    router.on("*")(lambda event: None)
    app = Flask("example", **options)
    if "subdomain_matching" in options:
        app.config["SERVER_NAME"] = "example"
    CoffrifyWebhooks(app, receiver)
    of_host: dict[str, Any] = {"host": host} if options is BY_HOST else {}
    app.add_url_rule("/other", "other", lambda: "", **of_host)
    assert post(app, make_body(), headers_of={"Host": host}).status_code == 200


def test_whatever_reading_a_body_raises_is_a_400(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of the server's own, of any kind, is the sender's doing, and a warning."""

    class BrokenFramingError(Exception):
        pass

    class Stream:
        def read(self, size: int = -1) -> bytes:
            raise BrokenFramingError

    app = flask_app()
    CoffrifyWebhooks(app, receiver)
    wrapped = CoffrifyWebhooksMiddleware(app, receiver, "/wsgi")

    def broken(environ: Any, start_response: Any) -> Any:
        return wrapped({**environ, "wsgi.input": Stream()}, start_response)

    body = make_body()
    for path in (PATH, "/wsgi"):
        for announce in (None, len(body)):
            request = Request("POST", path, body, sign(body, SECRET), announce)
            response = send_wsgi(broken, request)
            assert (response.status, b"incomplete_body" in response.body) == (400, True)
    assert {each.levelno for each in caplog.records} == {logging.WARNING}
