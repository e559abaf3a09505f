"""The OpenAPI description of the sandbox's API."""

from __future__ import annotations

from typing import Any

__all__ = ["openapi"]

_NOTE = (
    "The webhook part of Coffrify's API, as far as it is publicly known. What the vendor has not "
    "published is the sandbox's own assumption: the form of deliveries and of lists, "
    "the names of statuses, and the answers to PATCH, DELETE and the actions."
)
_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_MAYBE_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
_DESCRIPTION: dict[str, Any] = {"type": ["string", "null"], "maxLength": 200}
_NAMES: dict[str, Any] = {"type": "array", "items": _TEXT, "minItems": 1}


def openapi(version: str) -> dict[str, Any]:
    """Return the description; version: the version of the vendor's API."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Coffrify webhooks, sandbox", "version": version, "description": _NOTE},
        "servers": [{"url": "/v1"}],
        "security": [{"key": []}],
        "paths": {
            "/me": {"get": _operation("The owner of the key.", _object("workspace", "api_key"))},
            "/webhooks/events": {
                "get": {
                    **_operation("The catalog of event types.", _object("data")),
                    "parameters": [_header("If-None-Match")],
                }
            },
            "/webhooks": {
                "get": _operation("All endpoints.", _list_of("Endpoint")),
                "post": _post(),
                "patch": _operation(
                    "Change an endpoint.",
                    _object("webhook", webhook=_ref("Endpoint")),
                    _body(
                        ["id"],
                        id=_TEXT,
                        name=_NAME,
                        url=_TEXT,
                        events=_NAMES,
                        description=_DESCRIPTION,
                        is_active={"type": "boolean"},
                    ),
                ),
                "delete": _operation(
                    "Delete an endpoint.",
                    _object("id", "deleted"),
                    _body(["id"], id=_TEXT),
                ),
            },
            "/webhooks/{id}": {
                "parameters": [_path("id")],
                "get": _operation("One endpoint.", _object("webhook", webhook=_ref("Endpoint"))),
            },
            "/webhooks/{id}/deliveries": {
                "parameters": [_path("id")],
                "get": {
                    **_operation("An endpoint's deliveries, newest first.", _list_of("Delivery")),
                    "parameters": [
                        _query("limit", {"type": "integer", "minimum": 1, "maximum": 200}),
                        _query("cursor", _TEXT),
                    ],
                },
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _post() -> dict[str, Any]:
    """Describe the one path that performs several actions, by the parameter `action`."""
    asked = {
        "oneOf": [
            _schema(
                ["name", "url", "events"],
                name=_NAME,
                url=_TEXT,
                events=_NAMES,
                description=_DESCRIPTION,
            ),
            _schema(["id"], id=_TEXT, event_type=_MAYBE_TEXT, data=True),
            _schema(
                ["id", "grace_hours"],
                id=_TEXT,
                grace_hours={"type": "number", "minimum": 0, "maximum": 168},
            ),
            _schema(["delivery_id"], delivery_id=_TEXT),
        ]
    }
    answered = {
        "anyOf": [
            _object("webhook", "secret", webhook=_ref("Endpoint"), secret=_TEXT),
            _object("delivery", delivery=_ref("Delivery")),
        ]
    }
    return {
        "summary": (
            "Create an endpoint (only this response contains its secret). With an action: "
            "send a test event, rotate the secret, replay a delivery, or queue a failed delivery "
            "again."
        ),
        "parameters": [
            {
                "name": "action",
                "in": "query",
                "schema": {"enum": ["test", "rotate_secret", "replay", "retry"]},
            },
            _header("Idempotency-Key"),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {**_answers(answered), "201": _content("Created.", answered)},
    }


def _operation(
    summary: str, answered: dict[str, Any], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": summary, "responses": _answers(answered)}
    if body is not None:
        found["requestBody"] = body
    return found


def _answers(answered: dict[str, Any]) -> dict[str, Any]:
    error = _content("An error.", _ref("Error"))
    return {
        "200": _content("Done.", answered),
        "304": {"description": "The catalog has not changed."},
        **{str(status): error for status in (400, 401, 404, 405, 409, 413)},
    }


def _content(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _body(required: list[str], **properties: Any) -> dict[str, Any]:
    schema = _schema(required, **properties)
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _schema(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _list_of(name: str) -> dict[str, Any]:
    return _object("data", "has_more", data={"type": "array", "items": _ref(name)})


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}}


def _schemas() -> dict[str, Any]:
    attempt = _object(
        *("number", "at", "sent_at", "response_status", "error", "duration_ms"),
        number=_COUNT,
        at=_TIME,
        sent_at=_TIME,
        duration_ms={"type": ["integer", "null"]},
        response_status={"type": ["integer", "null"]},
        error=_MAYBE_TEXT,
    )
    return {
        "Endpoint": _object(
            *("id", "name", "url", "events", "is_active", "signing_version", "created_at"),
            id=_TEXT,
            name=_TEXT,
            url=_TEXT,
            description=_TEXT,
            events=_NAMES,
            is_active={"type": "boolean"},
            signing_version={"enum": ["v1"]},
            retry_policy=_object(max_attempts=_COUNT, backoff_base_seconds=_COUNT),
            success_count=_COUNT,
            failure_count=_COUNT,
            created_at=_TIME,
        ),
        "Delivery": _object(
            *("id", "event_id", "webhook_id", "status", "attempts", "created_at"),
            id=_TEXT,
            event_id=_TEXT,
            event_type=_MAYBE_TEXT,
            webhook_id=_TEXT,
            status={
                "enum": [
                    *("pending", "sending", "retrying", "success"),
                    *("dead_letter", "failed", "cancelled"),
                ]
            },
            reason=_MAYBE_TEXT,
            attempt_count=_COUNT,
            response_status={"type": ["integer", "null"]},
            error=_MAYBE_TEXT,
            next_attempt_at=_MAYBE_TIME,
            replay_of=_MAYBE_TEXT,
            manner=_MAYBE_TEXT,
            test={"type": "boolean"},
            created_at=_TIME,
            attempts={"type": "array", "items": attempt},
        ),
        "Error": _object(
            "error", error=_object("code", "message", code=_TEXT, message=_TEXT, param=_TEXT)
        ),
    }
