"""The vendor's webhook API, as far as it is publicly known; `openapi.py` describes it.

Where the vendor has published nothing (the form of some responses), it is our assumption.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from hashlib import sha256
from http import HTTPStatus
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.extras import needs

from .errors import SandboxError
from .json_http import error_response, json_response, parse_object, read_body
from .openapi import openapi
from .views import delivery_view, endpoint_view

with needs("sandbox"):
    from starlette.responses import Response
    from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from .records import Delivery
    from .service import Service

    Answer = tuple[int, Any]
    Action = Callable[[Mapping[str, Any]], Answer | Awaitable[Answer]]

__all__ = ["Api"]

API_VERSION = "2026-05-14"
_RATE, _RATE_WINDOW = 600, 60
"""Sent in headers but not enforced: the vendor's own limits are not known."""
_MOST_LISTED = 200
_MOST_DIGITS = 5
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OK, _CREATED, _NOT_MODIFIED = 200, 201, 304


class Api:
    """The routes under /v1."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._window = 0
        self._requests = 0
        self._one_at_a_time = asyncio.Lock()
        """Or two requests with one Idempotency-Key would both be performed."""
        self.routes = [
            self._route("/openapi.json", GET=self._openapi),
            self._route("/me", GET=self._me),
            self._route("/webhooks/events", GET=self._catalog),
            self._route(
                "/webhooks",
                GET=self._list,
                POST=self._post,
                PATCH=self._update,
                DELETE=self._delete,
            ),
            self._route("/webhooks/{id}", GET=self._get),
            self._route("/webhooks/{id}/deliveries", GET=self._deliveries),
        ]

    def _route(self, path: str, **methods: Callable[[Request], Awaitable[Response]]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                if path != "/openapi.json":
                    self._authorize(request)
                response = await _choose_handler(request.method, methods)(request)
            except SandboxError as error:
                response = error_response(error)
                if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
                    response.headers["Allow"] = ", ".join(methods)
                if error.status == HTTPStatus.UNAUTHORIZED:
                    response.headers["WWW-Authenticate"] = "Bearer"
            self._add_headers(response)
            return response

        return Route(path, endpoint, methods=_METHODS)

    def _authorize(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        mine = self._service.api_key.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), mine):
            raise SandboxError(
                401,
                "unauthorized",
                "send the API key that the sandbox printed: Authorization: Bearer cfy_...",
            )

    def _add_headers(self, response: Response) -> None:
        window = int(time.time()) // _RATE_WINDOW
        if window != self._window:
            self._window, self._requests = window, 0
        self._requests += 1
        response.headers["X-Request-Id"] = f"req_{secrets.token_hex(12)}"
        response.headers["X-Coffrify-Api-Version"] = API_VERSION
        response.headers["X-RateLimit-Limit"] = str(_RATE)
        response.headers["X-RateLimit-Remaining"] = str(max(0, _RATE - self._requests))
        response.headers["X-RateLimit-Reset"] = str((window + 1) * _RATE_WINDOW)
        response.headers["X-RateLimit-Policy"] = f"{_RATE};w={_RATE_WINDOW}"

    # --- reading ------------------------------------------------------------------------------

    async def _openapi(self, _request: Request) -> Response:
        return json_response(_OK, openapi(API_VERSION))

    async def _me(self, _request: Request) -> Response:
        key = self._service.api_key
        return json_response(
            _OK,
            {
                "workspace": {"id": "00000000-0000-4000-8000-000000000000", "name": "Sandbox"},
                "api_key": {
                    "name": "Sandbox",
                    "key_prefix": key[:12],
                    "scopes": ["webhooks:read", "webhooks:write"],
                    "environment": "test",
                },
            },
        )

    async def _catalog(self, request: Request) -> Response:
        types = self._service.event_types
        headers = {"ETag": types.etag, "Cache-Control": "no-cache"}
        known = request.headers.get("if-none-match", "")
        if types.etag in known or known.strip() == "*":
            return Response(status_code=_NOT_MODIFIED, headers=headers)
        return json_response(_OK, {"data": types.catalog.document["data"]}, headers)

    async def _list(self, _request: Request) -> Response:
        endpoints = self._service.database.endpoints()
        return json_response(
            _OK, _list_content([endpoint_view(endpoint) for endpoint in endpoints])
        )

    async def _get(self, request: Request) -> Response:
        endpoint = self._service.endpoints.get(request.path_params["id"])
        return json_response(_OK, {"webhook": endpoint_view(endpoint)})

    async def _deliveries(self, request: Request) -> Response:
        endpoint = self._service.endpoints.get(request.path_params["id"])
        limit = _parse_limit(request.query_params.get("limit", "50"))
        before = request.query_params.get("cursor")
        found = self._service.database.deliveries(limit + 1, endpoint_id=endpoint.id, before=before)
        shown = [self._show_delivery(delivery) for delivery in found[:limit]]
        return json_response(_OK, _list_content(shown, more=len(found) > limit))

    def _show_delivery(self, delivery: Delivery) -> dict[str, Any]:
        database = self._service.database
        event = database.event(delivery.event_id)
        return delivery_view(delivery, event, database.attempts(delivery.id))

    # --- writing ------------------------------------------------------------------------------

    async def _post(self, request: Request) -> Response:
        action = request.query_params.get("action")
        actions: dict[str | None, Action] = {
            None: self._create_endpoint,
            "test": self._test,
            "rotate_secret": self._rotate,
            "replay": self._replay,
            "retry": self._retry,
        }
        if action not in actions:
            known = ", ".join(str(name) for name in actions if name)
            raise SandboxError(
                400, "unknown_action", f"there is no such action; the actions are {known}", "action"
            )
        return await self._run_once(request, actions[action])

    async def _update(self, request: Request) -> Response:
        return await self._run_once(request, self._change_endpoint)

    async def _delete(self, request: Request) -> Response:
        return await self._run_once(request, self._delete_endpoint)

    def _create_endpoint(self, asked: Mapping[str, Any]) -> Answer:
        _allow_only(asked, "name", "url", "events", "description")
        for field in ("name", "url", "events"):
            if field not in asked:
                raise SandboxError(400, "missing_parameter", f"{field} is missing", field)
        endpoint = self._service.endpoints.create(
            asked["url"],
            asked["events"],
            name=asked["name"],
            description=asked.get("description"),
        )
        return _CREATED, {"webhook": endpoint_view(endpoint), "secret": endpoint.secret}

    def _change_endpoint(self, asked: Mapping[str, Any]) -> Answer:
        changes = {field: value for field, value in asked.items() if field != "id"}
        endpoint = self._service.endpoints.update(asked.get("id"), changes)
        return _OK, {"webhook": endpoint_view(endpoint)}

    def _delete_endpoint(self, asked: Mapping[str, Any]) -> Answer:
        _allow_only(asked, "id")
        self._service.endpoints.delete(asked.get("id"))
        return _OK, {"id": asked["id"], "deleted": True}

    async def _test(self, asked: Mapping[str, Any]) -> Answer:
        _allow_only(asked, "id", "event_type", "data")
        test = self._service.test
        delivery = await test(asked.get("id"), asked.get("event_type"), asked.get("data"))
        return _OK, {"delivery": self._show_delivery(delivery)}

    def _rotate(self, asked: Mapping[str, Any]) -> Answer:
        _allow_only(asked, "id", "grace_hours")
        endpoint = self._service.endpoints.rotate_secret(
            asked.get("id"), asked.get("grace_hours", 24)
        )
        return _OK, {"webhook": endpoint_view(endpoint), "secret": endpoint.secret}

    def _replay(self, asked: Mapping[str, Any]) -> Answer:
        _allow_only(asked, "delivery_id")
        return _OK, {
            "delivery": self._show_delivery(self._service.replay(asked.get("delivery_id")))
        }

    def _retry(self, asked: Mapping[str, Any]) -> Answer:
        _allow_only(asked, "delivery_id")
        return _OK, {"delivery": self._show_delivery(self._service.retry(asked.get("delivery_id")))}

    async def _run_once(self, request: Request, action: Action) -> Response:
        """Perform an action; repeated under its Idempotency-Key, it returns the first response."""
        body = await read_body(request)
        asked = parse_object(body)
        key = request.headers.get("idempotency-key", "")[:255]
        if not key:
            return json_response(*await _performed(action, asked))
        async with self._one_at_a_time:
            return await self._run_first(request, action, asked, key, body)

    async def _run_first(
        self, request: Request, action: Action, asked: Mapping[str, Any], key: str, body: bytes
    ) -> Response:
        line = f"{request.method} {request.url.path}?{request.url.query}\n"
        digest = sha256(line.encode("utf-8", "surrogatepass") + body).hexdigest()
        database = self._service.database
        before = database.reply(key)
        if before is not None and before[0] != digest:
            raise SandboxError(
                409, "idempotency_key_reused", "this Idempotency-Key was used for another request"
            )
        if before is not None:
            return json_response(before[1], json.loads(before[2]), {"Idempotent-Replayed": "true"})
        status, content = await _performed(action, asked)
        database.keep_reply(key, digest, status, json.dumps(content), time.time())
        return json_response(status, content)


async def _performed(action: Action, asked: Mapping[str, Any]) -> Answer:
    answer = action(asked)
    return await answer if isawaitable(answer) else answer


def _choose_handler(
    method: str, methods: Mapping[str, Callable[[Request], Awaitable[Response]]]
) -> Callable[[Request], Awaitable[Response]]:
    found = methods.get("GET" if method == "HEAD" else method)
    if found is None:
        message = f"only {', '.join(methods)} is allowed here"
        raise SandboxError(405, "method_not_allowed", message)
    return found


def _allow_only(asked: Mapping[str, Any], *fields: str) -> None:
    for field in asked:
        if field not in fields:
            raise SandboxError(
                400,
                "unknown_parameter",
                f"there is no parameter {field[:100]!a} here, only {', '.join(fields)}",
                field[:100],
            )


def _parse_limit(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_number or not 1 <= int(text) <= _MOST_LISTED:
        raise SandboxError(400, "invalid_parameter", "limit: give a number from 1 to 200", "limit")
    return int(text)


def _list_content(data: list[Any], *, more: bool = False) -> dict[str, Any]:
    return {"data": data, "has_more": more, "next_cursor": data[-1]["id"] if more else None}
