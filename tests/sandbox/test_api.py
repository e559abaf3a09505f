"""The API over HTTP: what it refuses and how, and that nothing makes it fail."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from tests.budgets import budget

from coffrify_webhooks_sandbox import Sandbox
from coffrify_webhooks_sandbox.openapi import openapi


class Api:
    """Asks a live sandbox; returns (status, content, headers)."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(
        self, method: str, path: str, content: Any = None, **headers: str
    ) -> tuple[int, Any, Any]:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"Authorization": f"Bearer {self.sandbox.api_key}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            self.sandbox.url + path, None if content is None else body, sent, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                text = response.read()
                return response.status, json.loads(text or b"null"), response.headers
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            return error.code, json.loads(text or b"null"), error.headers

    def endpoint(self, **changes: Any) -> Any:
        asked = {"name": "Mine", "url": "http://127.0.0.1:9/", "events": ["ping"], **changes}
        return self("POST", "/v1/webhooks", asked)[1]["webhook"]


@pytest.fixture
def api() -> Iterator[Api]:
    with Sandbox() as sandbox:
        yield Api(sandbox)


def test_without_the_key_everything_is_a_401(api: Api) -> None:
    """Without the key, or with a wrong one, there is nothing but a 401 that says what to send."""
    for wrong in ("", "Bearer", "Bearer nope", "Basic x", "Bearer \xe9", f"Bearer {'x' * 5000}"):
        status, content, headers = api("GET", "/v1/webhooks", Authorization=wrong)
        assert (status, content["error"]["code"]) == (401, "unauthorized")
        assert "Bearer" in content["error"]["message"]
        assert headers["WWW-Authenticate"] == "Bearer"
    assert api("GET", "/v1/webhooks", Authorization=f"bearer {api.sandbox.api_key}")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code", "param"),
    [
        ("GET", "/v1/nowhere", None, 404, "not_found", None),
        ("GET", "/v1/webhooks/nope", None, 404, "not_found", "id"),
        ("GET", "/v1/webhooks/nope/deliveries", None, 404, "not_found", "id"),
        ("PUT", "/v1/webhooks", {}, 405, "method_not_allowed", None),
        ("POST", "/v1/me", {}, 405, "method_not_allowed", None),
        ("POST", "/v1/webhooks", b"{", 400, "invalid_json", None),
        ("POST", "/v1/webhooks", b"[]", 400, "invalid_json", None),
        ("POST", "/v1/webhooks", b'{"a": NaN}', 400, "invalid_json", None),
        ("POST", "/v1/webhooks", b"[" * 100_000, 400, "invalid_json", None),
        ("POST", "/v1/webhooks", b"\xff\xfe", 400, "invalid_json", None),
        ("POST", "/v1/webhooks", b" " * 1_100_000, 413, "body_too_large", None),
        ("POST", "/v1/webhooks", {}, 400, "missing_parameter", "name"),
        ("POST", "/v1/webhooks?action=dance", {}, 400, "unknown_action", "action"),
        ("POST", "/v1/webhooks?action=test", {"id": 5}, 404, "not_found", "id"),
        ("POST", "/v1/webhooks?action=test", {"id": "\ud800"}, 404, "not_found", "id"),
        ("POST", "/v1/webhooks?action=test", {"x": 1}, 400, "unknown_parameter", "x"),
        ("POST", "/v1/webhooks?action=replay", {}, 404, "not_found", "delivery_id"),
        (
            "POST",
            "/v1/webhooks?action=retry",
            {"delivery_id": "x"},
            404,
            "not_found",
            "delivery_id",
        ),
        ("DELETE", "/v1/webhooks", {"id": "nope"}, 404, "not_found", "id"),
        ("PATCH", "/v1/webhooks", {"id": None}, 404, "not_found", "id"),
    ],
)
def test_a_refusal_has_status_code_and_parameter(
    api: Api, method: str, path: str, content: Any, status: int, code: str, param: str | None
) -> None:
    """What cannot be is refused with a status, a code, and the parameter that is meant."""
    came, told, headers = api(method, path, content)
    assert (came, told["error"]["code"], told["error"].get("param")) == (status, code, param)
    assert told["error"]["message"]
    if path.startswith("/v1/webhooks"):
        assert headers["X-Request-Id"].startswith("req_")
        assert headers["X-RateLimit-Policy"] == "600;w=60"
    if status == 405:
        assert headers["Allow"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "", "invalid_parameter"),
        ("name", "x" * 201, "invalid_parameter"),
        ("name", "\ud800", "invalid_parameter"),
        ("name", 5, "invalid_parameter"),
        ("url", "http://example.com/", "invalid_url"),
        ("url", None, "invalid_url"),
        ("url", "http://[::1]evil.com/", "invalid_url"),
        ("events", [], "invalid_parameter"),
        ("events", "ping", "invalid_parameter"),
        ("events", 5, "invalid_parameter"),
        ("events", {"*": 1}, "invalid_parameter"),
        ("events", {}, "invalid_parameter"),
        ("events", [5], "invalid_parameter"),
        ("events", ["transfer.creatd"], "unknown_event_type"),
        ("description", 5, "invalid_parameter"),
        ("description", 0, "invalid_parameter"),
        ("description", False, "invalid_parameter"),
        ("description", [], "invalid_parameter"),
        ("is_active", 1, "invalid_parameter"),
        ("secret", "x", "invalid_parameter"),
    ],
)
def test_a_wrong_field_is_named(api: Api, field: str, value: Any, code: str) -> None:
    """A wrong field is named, when an endpoint is created as when it is changed."""
    asked = {"id": api.endpoint()["id"], field: value}
    status, content, _ = api("PATCH", "/v1/webhooks", asked)
    assert (status, content["error"]["code"], content["error"]["param"]) == (400, code, field)
    if field not in ("is_active", "secret"):
        asked = {"name": "n", "url": "http://127.0.0.1:9/", "events": ["ping"], field: value}
        status, content, _ = api("POST", "/v1/webhooks", asked)
        assert (status, content["error"]["code"], content["error"]["param"]) == (400, code, field)


@pytest.mark.parametrize("empty", [None, ""])
def test_null_and_empty_take_a_description_away(api: Api, empty: str | None) -> None:
    """A description is taken away by null as by an empty text."""
    endpoint = api.endpoint(description="Mine")["id"]
    status, content, _ = api("PATCH", "/v1/webhooks", {"id": endpoint, "description": empty})
    assert (status, content["webhook"]["description"]) == (200, "")


def test_data_that_breaks_the_schema(api: Api) -> None:
    """Test data is checked, and the error names the field."""
    asked = {"id": api.endpoint()["id"], "event_type": "transfer.created"}
    bad = {"id": "tr_1", "files": [{"id": "f", "size": "big"}]}
    status, content, _ = api("POST", "/v1/webhooks?action=test", {**asked, "data": bad})
    assert (status, content["error"]["param"]) == (400, "data.files[0].size")


@pytest.mark.parametrize("grace", [-1, 169, "24", None, True, 1e400])
def test_grace_of_a_rotation(api: Api, grace: Any) -> None:
    """The grace is 0 to 168 hours."""
    body = {"id": api.endpoint()["id"], "grace_hours": grace}
    text = json.dumps(body).replace("Infinity", "1e400").encode()
    status, content, _ = api("POST", "/v1/webhooks?action=rotate_secret", text)
    assert (status, content["error"]["param"]) == (400, "grace_hours")


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1", "1e3", "\u0661", "9" * 5000, ""])
def test_the_limit_of_a_list_is_checked(api: Api, limit: str) -> None:
    """The limit of a list is 1 to 200."""
    from urllib.parse import quote

    path = f"/v1/webhooks/{api.endpoint()['id']}/deliveries?limit={quote(limit)}"
    status, content, _ = api("GET", path)
    assert (status, content["error"]["param"]) == (400, "limit")


def test_catalog_and_its_etag(api: Api) -> None:
    """The catalog has schemas and examples, and is not sent again to whom has it."""
    status, content, headers = api("GET", "/v1/webhooks/events")
    assert (status, len(content["data"])) == (200, 33)
    assert {"type", "family", "schema", "example"} <= {*content["data"][0]}
    for known in (headers["ETag"], f'"x", W/{headers["ETag"]}', "*"):
        status, content, again = api("GET", "/v1/webhooks/events", If_None_Match=known)
        assert (status, content, again["ETag"]) == (304, None, headers["ETag"])
    assert api("GET", "/v1/webhooks/events", If_None_Match='"x"')[0] == 200


def test_our_own_pull_reads_it(api: Api) -> None:
    """`catalog pull` of this package takes the sandbox's catalog."""
    from coffrify_webhooks_codegen.catalog import load

    _, content, _ = api("GET", "/v1/webhooks/events")
    assert [e.type for e in load(content).events] == [e.type for e in load().events]


def test_who_asks_is_told_whose_key_it_is(api: Api) -> None:
    """Who asks is told whose key it is, and never the key."""
    status, content, _ = api("GET", "/v1/me")
    assert (status, content["api_key"]["environment"]) == (200, "test")
    assert api.sandbox.api_key not in json.dumps(content)


def test_secret_is_shown_once(api: Api) -> None:
    """A secret is in the answer that made it, and in no other."""
    body = {"name": "Mine", "url": "http://127.0.0.1:9/", "events": ["*"]}
    _, created, _ = api("POST", "/v1/webhooks", body)
    endpoint_id = created["webhook"]["id"]
    told = [
        api("GET", "/v1/webhooks"),
        api("GET", f"/v1/webhooks/{endpoint_id}"),
        api("PATCH", "/v1/webhooks", {"id": endpoint_id, "name": "Yours"}),
        api("GET", f"/v1/webhooks/{endpoint_id}/deliveries"),
    ]
    assert created["secret"].startswith("whsec_")
    assert created["secret"] not in str(told)


def test_only_a_failed_delivery_can_be_retried(api: Api) -> None:
    """A delivery that failed can be put back into the queue; one that succeeded cannot."""
    endpoint = api.endpoint()
    api("POST", "/v1/webhooks?action=test", {"id": endpoint["id"]})
    api.sandbox.run_out()
    [dead] = api("GET", f"/v1/webhooks/{endpoint['id']}/deliveries")[1]["data"]
    assert (dead["status"], dead["attempt_count"]) == ("dead_letter", 12)
    status, content, _ = api("POST", "/v1/webhooks?action=retry", {"delivery_id": dead["id"]})
    assert (status, content["delivery"]["status"]) == (200, "pending")
    api.sandbox.run_out()
    [dead] = api("GET", f"/v1/webhooks/{endpoint['id']}/deliveries")[1]["data"]
    assert (dead["status"], dead["attempt_count"]) == ("dead_letter", 24)
    api("PATCH", "/v1/webhooks", {"id": endpoint["id"], "is_active": False})
    status, content, _ = api("POST", "/v1/webhooks?action=retry", {"delivery_id": dead["id"]})
    assert (status, content["error"]["code"]) == (409, "endpoint_inactive")


def test_deliveries_of_a_deleted_endpoint_are_cancelled(api: Api) -> None:
    """What was on its way to a deleted endpoint is cancelled, and cannot be replayed."""
    endpoint = api.endpoint()
    api("POST", "/v1/webhooks?action=test", {"id": endpoint["id"]})
    api.sandbox.settle()
    [delivery] = api.sandbox.deliveries()
    assert delivery.status == "retrying"
    assert api("DELETE", "/v1/webhooks", {"id": endpoint["id"]})[0] == 200
    [delivery] = api.sandbox.deliveries()
    assert delivery.status == "cancelled"
    asked = {"delivery_id": delivery.id}
    for action in ("replay", "retry"):
        status, content, _ = api("POST", f"/v1/webhooks?action={action}", asked)
        assert (status, content["error"]["code"]) == (409, "endpoint_deleted")


@pytest.mark.timeout(300)
def test_nothing_makes_it_fail(api: Api) -> None:
    """Whatever is asked of the described API, it answers as described, and never with a 5xx."""
    # Here, as it takes seconds: at the top each process of the tests would pay them.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    api.endpoint()
    raw = {**openapi("x"), "servers": [{"url": f"{api.sandbox.url}/v1"}]}
    schema = schemathesis.openapi.from_dict(raw)
    schema.config.update(base_url=f"{api.sandbox.url}/v1")
    checks = (
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    )
    asked = 0
    for result in schema.get_all_operations():
        strategy = cast("Any", result).ok().as_strategy()
        asked += 1

        @settings(
            max_examples=budget(12, 60),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: Any) -> None:
            case.call_and_validate(
                headers={"Authorization": f"Bearer {api.sandbox.api_key}"}, checks=checks
            )

        ask()
    assert asked == 8


def test_disabled_endpoint_is_not_sent_to(api: Api) -> None:
    """A test, or an event for it alone, is refused while an endpoint is disabled."""
    endpoint = api.endpoint()["id"]
    api("PATCH", "/v1/webhooks", {"id": endpoint, "is_active": False})
    for path, asked in (
        ("/v1/webhooks?action=test", {"id": endpoint}),
        ("/control/trigger", {"event_type": "ping", "endpoint": endpoint}),
    ):
        status, content, _ = api("POST", path, asked)
        assert (status, content["error"]["code"]) == (409, "endpoint_inactive")


def test_there_is_more(api: Api) -> None:
    """A list that ends at its limit says whether there is more."""
    endpoint = api.endpoint()["id"]
    api.sandbox.trigger("ping", count=3)
    for limit, more in ((2, True), (3, False)):
        _, content, _ = api("GET", f"/v1/webhooks/{endpoint}/deliveries?limit={limit}")
        assert (len(content["data"]), content["has_more"]) == (limit, more)
