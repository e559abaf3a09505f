"""FastAPI's OpenAPI document: the endpoint, and an entry for each event type with a handler."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from tests.adapters.suite import SECRET, make_body

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.events import EVENTS
from coffrify_webhooks.fastapi import webhook_router

PATH = "/v1/webhooks/coffrify"


def ignore(event: Any) -> None: ...


def document(*selectors: str, change: Callable[[FastAPI], object] | None = None) -> dict[str, Any]:
    """Return the document of an application that has started, with handlers for these."""
    app = application(*selectors)
    if change is not None:
        change(app)
    with TestClient(app) as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def application(*selectors: str, **options: Any) -> FastAPI:
    router = Router()
    for number, selector in enumerate(selectors):
        router.on(selector, name=f"h{number}", allow_unknown=True)(ignore)
    app = FastAPI(**options)
    receiver = Receiver(SECRET, router=router, store="memory:")
    app.include_router(webhook_router(receiver, include_in_schema=True), prefix="/v1")
    return app


def test_the_endpoint_is_documented_where_it_is_asked_for() -> None:
    """Under its whole path, with its headers, its body and what it answers."""
    found = document("ping")["paths"]
    assert [*found] == [PATH]
    operation = found[PATH]["post"]
    names = [each["name"] for each in operation["parameters"]]
    assert names == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert [*operation["responses"]] == ["200", "400", "413", "422", "500", "503"]
    assert "HTTPValidationError" not in str(operation)
    assert "requestBody" in operation


@pytest.mark.parametrize(
    ("selectors", "types"),
    [
        (["transfer.created"], ["transfer.created"]),
        (["transfer.created", "ping"], ["ping", "transfer.created"]),
        (["workspace.*"], [each for each in EVENTS if each.startswith("workspace.")]),
        (["*"], [*EVENTS]),
        (["brand.new"], ["brand.new"]),
        ([], []),
    ],
    ids=["one", "two", "family", "all", "not in the catalog", "none"],
)
def test_each_type_that_has_a_handler_is_a_webhook_of_the_document(
    selectors: list[str], types: list[str]
) -> None:
    """With the schema of its class, whose parts are all there."""
    found = document(*selectors)
    webhooks = found.get("webhooks", {})
    assert sorted(webhooks) == sorted(types)
    for event_type, entry in webhooks.items():
        schema = entry["post"]["requestBody"]["content"]["application/json"]["schema"]
        kind = schema["$ref"].rpartition("/")[2]
        assert kind == (EVENTS[event_type][1] if event_type in EVENTS else "Event")
    parts = found["components"]["schemas"]
    references = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(found))
    assert {*references} <= {*parts}


def test_a_model_of_the_users_keeps_its_name_apart_from_ours() -> None:
    """Both schemas are there, each where it belongs."""

    class Transfer(BaseModel):
        mine: int

    def add(app: FastAPI) -> None:
        @app.post("/transfers")
        def make(body: Transfer) -> None: ...

    found = document("transfer.created", change=add)
    schemas = found["components"]["schemas"]
    mine = [name for name, schema in schemas.items() if "mine" in schema.get("properties", {})]
    assert len(mine) == 1
    content = found["paths"]["/transfers"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"]["$ref"].endswith(f"/{mine[0]}")
    data = schemas["TransferCreated"]["properties"]["data"]["$ref"].rpartition("/")[2]
    assert data in schemas
    assert data != mine[0]


def test_a_document_that_was_made_before_the_start_is_made_anew() -> None:
    """And starting twice adds nothing twice."""
    app = application("ping")
    assert "webhooks" not in app.openapi()
    for _ in range(2):
        with TestClient(app) as client:
            assert [*client.get("/openapi.json").json()["webhooks"]] == ["ping"]
    assert len(app.webhooks.routes) == 1


def test_two_endpoints_of_one_application_share_an_entry() -> None:
    """An event type is described once, whichever endpoint it comes to."""
    app = application("ping")
    other = Router()
    other.on("ping", "transfer.created")(ignore)
    receiver = Receiver(SECRET, name="other", router=other, store="memory:")
    app.include_router(webhook_router(receiver, "/other", include_in_schema=True))
    with TestClient(app) as client:
        found = client.get("/openapi.json").json()
    assert [*found["webhooks"]] == ["ping", "transfer.created"]
    assert [*found["paths"]] == [PATH, "/other"]


def test_what_documents_the_endpoint_answers_nothing() -> None:
    """A delivery reaches the endpoint, and each other method and path what it did."""
    body = make_body()
    with TestClient(application("*")) as client:
        assert client.post(PATH, content=body, headers=sign(body, SECRET)).status_code == 200
        assert client.post(f"{PATH}/", content=body, headers=sign(body, SECRET)).status_code == 200
        assert client.get(PATH).status_code == 405
        assert client.post(PATH, json={}).json()["error"]["code"] == "missing_signature"
