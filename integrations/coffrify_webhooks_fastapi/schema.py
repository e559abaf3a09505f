"""The endpoint and the events it takes, in an application's OpenAPI document."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body, FastAPI, Header

from coffrify_webhooks.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import APIRouter
    from pydantic import GetCoreSchemaHandler

    from coffrify_webhooks.receiver import Receiver

__all__ = ["document_endpoint", "document_events"]

_SUCCESS = {
    "type": "object",
    "properties": {"outcome": {"type": "string", "examples": ["handled", "duplicate"]}},
}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}
_ERRORS = {
    400: "The signature is missing, wrong or too old, or the body is incomplete.",
    413: "The body is too large.",
    422: "The body is signed, but it is not an event.",
    500: "A handler failed, or the endpoint is set up wrongly.",
    503: "Not now: try again after `Retry-After` seconds.",
}


def document_endpoint(router: APIRouter, path: str) -> None:
    """Add an operation that only the OpenAPI document knows: the endpoint's route is before it."""
    router.add_api_route(
        path,
        _taking(Event),
        methods=["POST"],
        name="coffrify_webhooks",
        summary="Receive a Coffrify webhook",
        description="Verifies the signature, drops duplicates, and calls the handlers.",
        tags=["webhooks"],
        responses=_responses(),
    )


def document_events(app: Any, receiver: Receiver) -> None:
    """Give `app.webhooks` an entry for each event type that has a handler."""
    if not isinstance(app, FastAPI):
        return
    known = {getattr(each, "path", None) for each in app.webhooks.routes}
    for event_type, kind in _handled(receiver):
        if event_type not in known:
            app.webhooks.add_api_route(
                event_type,
                _taking(kind),
                methods=["POST"],
                name=event_type,
                summary=event_type,
                description=inspect.getdoc(kind) or "",
                tags=["webhooks"],
                responses=_responses(),
            )
            app.openapi_schema = None  # one that was made before lacks it


def _handled(receiver: Receiver) -> Iterator[tuple[str, type[Event]]]:
    handlers, registry = receiver.router.handlers, receiver.router.registry
    for event_type in registry:
        if any(handler.wants(event_type, known=True) for handler in handlers):
            yield event_type, registry.get(event_type) or Event
    named = {each for handler in handlers for each in handler.patterns if "*" not in each}
    for event_type in sorted(named.difference(registry)):
        yield event_type, Event


def _taking(kind: type[Event]) -> Callable[..., None]:
    """Return a function with the parameters of a delivery; nothing calls it."""

    def coffrify_webhook(**_: Any) -> None:
        raise NotImplementedError

    headers = ("webhook_id", "webhook_timestamp", "webhook_signature")
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("body", keyword, annotation=Annotated[Any, _SchemaOf(kind), Body()]),
        *(
            inspect.Parameter(name, keyword, annotation=Annotated[str, Header()])
            for name in headers
        ),
    ]
    coffrify_webhook.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return coffrify_webhook


class _SchemaOf:
    """Lets a value have the schema of an event class.

    FastAPI would warn of a class itself: ours are completed when they are first needed.
    """

    def __init__(self, kind: type[Event]) -> None:
        self._kind = kind

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(self._kind)


def _responses() -> dict[int | str, dict[str, Any]]:
    """Return what the endpoint answers; made anew, since FastAPI writes into it."""
    found: dict[int | str, dict[str, Any]]
    found = {200: {"description": "Handled, or nothing to do.", "content": _json(_SUCCESS)}}
    for status, text in _ERRORS.items():
        found[status] = {"description": text, "content": _json(_ERROR)}
    return found


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
