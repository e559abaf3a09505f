"""The endpoint as an ASGI application, and a middleware for any; needs no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .endpoint import hide_other, receiver_of
from .errors import WebhookError
from .http.body import read_asgi
from .http.health import HealthAnswer, health_answer, health_path, is_question
from .http.trace_context import trace_context
from .http.url_path import DEFAULT_PATH, UrlPath
from .monitoring.health import shown_to_monitors
from .signature.headers import pick

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import TypeAlias

    from .http.reply import Reply
    from .receiver import Receiver

    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    # Each framework types its three parameters in a way of its own.
    ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["CoffrifyWebhooksMiddleware", "WebhookEndpoint"]


class WebhookEndpoint:
    """Answers every request it is given as a delivery.

    health: whether one whose path ends in `path` and `/health` is a monitor's.
    """

    def __init__(
        self, receiver: Receiver | None = None, *, health: bool = False, path: str = ""
    ) -> None:
        receiver = hide_other(receiver)
        self.receiver: Receiver = receiver_of(receiver)
        self.health: bool = health
        self._health_path: str = f"{path.rstrip('/')}/health"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one delivery and send the reply."""
        if self.health and scope["path"].rstrip("/").endswith(self._health_path):
            await self._send(await self._answer_monitor(scope["method"]), send)
        else:
            await self._send(await self._reply(scope, receive), send)

    async def _answer_monitor(self, method: str) -> HealthAnswer:
        if not is_question(method):
            return health_answer(None)
        return health_answer(shown_to_monitors(await self.receiver.health_async()))

    async def _send(self, reply: Reply | HealthAnswer, send: Send) -> None:
        # Names in lower case, as the ASGI specification has them and HTTP/2 needs them.
        headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        method, all_headers = scope["method"], scope["headers"]
        # Names are in lower case already (ASGI specification, HTTP connection scope).
        length = next((value for name, value in all_headers if name == b"content-length"), None)
        headers = pick(all_headers)  # once; each look at them is quick then
        if self.receiver.tells_operations:
            headers = {**headers, **trace_context(all_headers)}
        # Before the body is read: a stranger's request then costs neither memory nor a wait.
        refusal = self.receiver.refuse_early(headers, method=method, content_length=length)
        if refusal is not None:
            return refusal
        try:
            body = await read_asgi(scope, receive, self.receiver.max_body)
        except WebhookError as error:
            return self.receiver.refuse(error)
        return await self.receiver.receive_async(body, headers, method=method)


class CoffrifyWebhooksMiddleware:
    """Wraps any ASGI application: `app.add_middleware(CoffrifyWebhooksMiddleware)`.

    path: below the application's root, with or without a trailing slash. health: whether to
    answer monitors, by GET at the path and `/health`.
    """

    def __init__(
        self,
        app: ASGIApp,
        receiver: Receiver | None = None,
        path: str = DEFAULT_PATH,
        *,
        health: bool = False,
    ) -> None:
        receiver = hide_other(receiver)
        self.app: ASGIApp = app
        self.path: UrlPath = UrlPath(path)
        self.health_path: UrlPath | None = health_path(self.path) if health else None
        self.endpoint: WebhookEndpoint = WebhookEndpoint(receiver, health=health, path=path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a delivery, or pass the request on."""
        # Lifespan and WebSocket scopes are the application's business (ASGI specification).
        ours = scope["type"] == "http" and self._is_ours(scope)
        await (self.endpoint if ours else self.app)(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        # Starlette keeps `root_path` in `path`, others remove it: both are recognised.
        path, root = scope["path"], scope.get("root_path", "")
        if self.path.matches(path, root):
            return True
        return self.health_path is not None and self.health_path.matches(path, root)
