"""What every adapter must do, whatever the framework: each runs this one suite.

A subclass says how to build an application around a receiver (with an `/echo` that answers a
POST with its body) and how a request reaches it.
"""

import gzip
import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from tests.adapters.requests import Request, Response, send_asgi, send_wsgi

from coffrify_webhooks import Event, Receiver, Router, sign

SECRET = "whsec_" + "5e" * 32
PATH = "/webhooks/coffrify"


def make_body(event_type: str = "transfer.created", event_id: str = "evt_1") -> bytes:
    return json.dumps({"id": event_id, "type": event_type, "data": {"id": "tr_1"}}).encode()


UNBELIEVABLE: dict[str, Callable[[], dict[str, str]]] = {
    "missing_signature": dict,
    "malformed_signature": lambda: {"X-Coffrify-Signature": "nonsense"},
    "signature_mismatch": lambda: sign(make_body(), "another-secret-for-tests"),
    "timestamp_too_old": lambda: sign(make_body(), SECRET, timestamp=1_000_000_000),
    "timestamp_too_new": lambda: sign(make_body(), SECRET, timestamp=9_000_000_000),
}
"""Signed when a test runs: what is signed at import is stale in the sixth minute of a run."""


class AdapterSuite:
    """The suite; `send` is the sender's side of one request."""

    options: ClassVar[dict[str, Any]] = {}

    def build(self, receiver_options: dict[str, Any]) -> Any:
        """Return the application under test."""
        raise NotImplementedError

    def perform(self, app: Any, request: Request) -> Response:
        """Give the application one request."""
        raise NotImplementedError

    def consumer(self, app: Any) -> Any:
        """Wrap the application in something that reads the body and passes the request on."""
        raise NotImplementedError

    @pytest.fixture
    def ran(self) -> list[str]:
        return []

    @pytest.fixture
    def router(self, ran: list[str]) -> Router:
        router = Router()

        @router.on("transfer.created")
        def created(event: Event) -> None:
            ran.append(f"{event.type} {event.id}")

        @router.on("transfer.deleted")
        async def deleted(event: Event) -> None:
            ran.append(f"{event.type} {event.id}")

        @router.on("transfer.expired")
        def expired(event: Event) -> None:
            raise LookupError("a text that must not be sent: hunter2")

        return router

    @pytest.fixture
    def app(self, router: Router) -> Any:
        return self.build(self.settings(router))

    def settings(self, router: Router) -> dict[str, Any]:
        return {"secrets": SECRET, "router": router, "store": "memory:", "max_body": 2000}

    def send(
        self,
        app: Any,
        body: bytes = b"",
        *,
        method: str = "POST",
        path: str = PATH,
        headers: dict[str, str] | None = None,
        **how: Any,
    ) -> Response:
        body = body or make_body()
        signed = sign(body, SECRET) if headers is None else headers
        how.setdefault("announce", len(body))
        all_headers = {"Content-Type": "application/json", **signed}
        return self.perform(app, Request(method, path, body, all_headers, **how))

    def test_a_signed_delivery_reaches_its_handler(self, app: Any, ran: list[str]) -> None:
        """A signed delivery is handled and answered 200 with JSON."""
        response = self.send(app)
        assert (response.status, json.loads(response.body)) == (200, {"outcome": "handled"})
        assert response.headers["content-type"] == "application/json"
        assert ran == ["transfer.created evt_1"]

    def test_an_async_handler_runs(self, app: Any, ran: list[str]) -> None:
        """An async handler works in this framework, whatever it is itself."""
        assert self.send(app, make_body("transfer.deleted")).status == 200
        assert ran == ["transfer.deleted evt_1"]

    def test_a_duplicate_runs_once(self, app: Any, ran: list[str]) -> None:
        """The second delivery of an event is acknowledged and not handled again."""
        outcomes = [json.loads(self.send(app).body)["outcome"] for _ in range(2)]
        assert outcomes == ["handled", "duplicate"]
        assert len(ran) == 1

    @pytest.mark.parametrize("code", UNBELIEVABLE)
    def test_what_cannot_be_believed_is_refused(self, app: Any, ran: list[str], code: str) -> None:
        """An unsigned, forged, stale or early delivery is answered 400 and handled by nobody."""
        response = self.send(app, headers=UNBELIEVABLE[code]())
        assert (response.status, json.loads(response.body)["error"]["code"]) == (400, code)
        assert ran == []

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO"])
    def test_only_post_is_allowed(self, app: Any, ran: list[str], method: str) -> None:
        """Any other method is answered 405 with Allow, signed or not."""
        response = self.send(app, method=method)
        assert (response.status, response.headers["allow"]) == (405, "POST")
        assert ran == []

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_over_the_cap_is_refused(
        self, app: Any, ran: list[str], *, chunked: bool
    ) -> None:
        """A body over the cap is answered 413, with a Content-Length or without."""
        body = make_body()[:-1] + b" " * 2000 + b"}"
        response = self.send(app, body, announce=None if chunked else len(body))
        assert (response.status, json.loads(response.body)["error"]["code"]) == (
            413,
            "body_too_large",
        )
        assert ran == []

    def test_a_body_at_the_cap_is_taken(self, app: Any) -> None:
        """The cap itself is allowed."""
        body = make_body()[:-1]
        body += b" " * (2000 - len(body) - 1) + b"}"
        assert self.send(app, body).status == 200

    def test_a_trailing_slash_is_the_same_path(self, app: Any, ran: list[str]) -> None:
        """The path works with a trailing slash, without a redirect."""
        assert self.send(app, path=PATH + "/").status == 200
        assert ran == ["transfer.created evt_1"]

    def test_it_works_where_the_application_is_mounted(self, app: Any, ran: list[str]) -> None:
        """The path is below SCRIPT_NAME or root_path."""
        assert self.send(app, mount="/api").status == 200
        assert ran == ["transfer.created evt_1"]

    @pytest.mark.parametrize("chunked", [False, True])
    def test_other_paths_are_not_its_business(
        self, app: Any, ran: list[str], *, chunked: bool
    ) -> None:
        """A request to another path reaches the application with its body whole."""
        response = self.send(app, path="/echo", announce=None if chunked else len(make_body()))
        seen = b"" if chunked and not self.takes_chunked_echo else make_body()
        assert (response.status, response.body) == (200, seen)
        assert ran == []

    takes_chunked_echo = True
    """Whether the framework itself reads chunked bodies (Django under WSGI does not)."""

    def test_a_chunked_delivery_is_read(self, app: Any, ran: list[str]) -> None:
        """A body without Content-Length is read to its end."""
        assert self.send(app, announce=None).status == 200
        assert ran == ["transfer.created evt_1"]

    @pytest.mark.parametrize("chunked", [False, True])
    def test_an_empty_delivery_is_refused(self, app: Any, ran: list[str], *, chunked: bool) -> None:
        """A POST without a body is the sender's fault, signed or not: 400 or 422."""
        how = None if chunked else 0
        unsigned = self.perform(app, Request("POST", PATH, b"", {}, how))
        signed = self.perform(app, Request("POST", PATH, b"", sign(b"", SECRET), how))
        assert (unsigned.status, signed.status) == (400, 422)
        assert ran == []

    def test_a_truncated_body_is_refused(self, app: Any, ran: list[str]) -> None:
        """A body that ends before its Content-Length is answered 400."""
        response = self.send(app, announce=len(make_body()) + 10)
        assert (response.status, json.loads(response.body)["error"]["code"]) == (
            400,
            "incomplete_body",
        )
        assert ran == []

    def test_a_consumed_body_is_named(
        self, app: Any, ran: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """A body that something read before us is our 500 with the remedy, not a bad signature."""
        response = self.send(self.consumer(app))
        assert (response.status, json.loads(response.body)["error"]["code"]) == (
            500,
            "body_unavailable",
        )
        assert "CoffrifyWebhooksMiddleware" in caplog.text or "get_data" in caplog.text
        assert ran == []

    def test_a_failing_handler_is_a_500_that_tells_nothing(
        self, app: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A handler's error is answered 500 so that the sender comes again; its text stays here."""
        response = self.send(app, make_body("transfer.expired"))
        assert response.status == 500
        assert b"hunter2" not in response.body
        assert "LookupError" in caplog.text

    def test_what_is_signed_but_no_event_is_unreadable(self, app: Any) -> None:
        """A signed body that is no event is answered 422."""
        assert self.send(app, b"[1, 2, 3]").status == 422

    @pytest.mark.parametrize("signed_over", ["plain", "compressed"])
    def test_a_compressed_body_is_named(self, app: Any, ran: list[str], signed_over: str) -> None:
        """A body that something compressed on its way is refused by that name."""
        plain = make_body()
        body = gzip.compress(plain)
        headers = sign(plain if signed_over == "plain" else body, SECRET)
        response = self.send(app, body, headers={**headers, "Content-Encoding": "gzip"})
        error = json.loads(response.body)["error"]
        assert (response.status, error["code"]) == (400, "compressed_body")
        assert "'gzip'" in error["message"]
        assert ran == []

    def test_a_body_that_a_proxy_has_unpacked_is_handled(self, app: Any, ran: list[str]) -> None:
        """A Content-Encoding that stayed behind does no harm to what is plain and signed."""
        body = make_body()
        headers = {**sign(body, SECRET), "Content-Encoding": "gzip"}
        assert self.send(app, body, headers=headers).status == 200
        assert ran == ["transfer.created evt_1"]

    def test_a_newline_behind_the_path_is_another_path(self, app: Any, ran: list[str]) -> None:
        """`/webhooks/coffrify%0A` is not ours."""
        for path in (f"{PATH}\n", f"{PATH}/\n"):
            assert self.send(app, path=path).status == 404
        assert ran == []

    def test_junk_asks_for_no_secret(self, router: Router) -> None:
        """A callable of secrets is called when the headers may be right, and not for junk."""
        asked: list[bool] = []

        def secrets() -> str:
            asked.append(True)
            return SECRET

        app = self.build({**self.settings(router), "secrets": secrets})
        stale = sign(make_body(), SECRET, timestamp=1_000_000_000)
        for headers in ({}, stale, {"X-Coffrify-Signature": "t=1"}):
            assert self.send(app, headers=headers).status == 400
        assert asked == []
        assert self.send(app).status == 200
        assert asked == [True]

    def test_an_event_nobody_wants_is_ignored(self, app: Any) -> None:
        """An event without a handler is acknowledged."""
        response = self.send(app, make_body("workspace.created"))
        assert (response.status, json.loads(response.body)) == (200, {"outcome": "ignored"})


class WSGISuite(AdapterSuite):
    """The suite over WSGI."""

    def perform(self, app: Any, request: Request) -> Response:
        return send_wsgi(app, request)

    def consumer(self, app: Any) -> Any:
        def consume(environ: dict[str, Any], start_response: Any) -> Any:
            environ["wsgi.input"].read()
            return app(environ, start_response)

        return consume

    def test_a_server_that_drops_chunked_bodies_is_named(self, app: Any) -> None:
        """A chunked body on a socket whose end nobody marks is our 500 with the remedy."""
        response = self.send(app, announce=None, terminated=False, buffered=False)
        error = json.loads(response.body)["error"]
        assert (response.status, error["code"]) == (500, "body_unavailable")
        assert "gunicorn" in error["message"]

    def test_a_chunked_body_in_a_buffer_needs_no_mark(self, app: Any) -> None:
        """Adapters that hand over a buffer do not mark its end, which it has all the same."""
        assert self.send(app, announce=None, terminated=False).status == 200


class ASGISuite(AdapterSuite):
    """The suite over ASGI."""

    def perform(self, app: Any, request: Request) -> Response:
        return send_asgi(app, request)

    def consumer(self, app: Any) -> Any:
        async def consume(scope: Any, receive: Any, send: Any) -> None:
            while (await receive()).get("more_body"):
                pass

            left = [{"type": "http.request", "body": b"", "more_body": False}]

            async def nothing_left() -> Any:
                return left.pop() if left else await receive()

            await app(scope, nothing_left, send)

        return consume


def make_receiver(options: dict[str, Any]) -> Receiver:
    return Receiver(**options)
