"""The endpoint itself, as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.body import read_asgi
from coffrify_webhooks.errors import WebhookError
from coffrify_webhooks.receiver import Receiver

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from coffrify_webhooks.reply import Reply

__all__ = ["WebhookEndpoint"]


class WebhookEndpoint:
    """Answers every request it is given as a delivery."""

    def __init__(self, receiver: Receiver | None = None) -> None:
        self.receiver: Receiver = receiver or Receiver()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one delivery and send the reply."""
        reply = await self._reply(scope, receive)
        headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        method, headers = scope["method"], scope["headers"]
        try:
            limit = self.receiver.max_body
            body = await read_asgi(headers, receive, limit) if method == "POST" else b""
        except WebhookError as error:
            return self.receiver.refuse(error)
        return await self.receiver.receive_async(body, headers, method=method)
