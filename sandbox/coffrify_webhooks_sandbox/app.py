"""The sandbox as one ASGI application: the API, the dashboard and access control."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from coffrify_webhooks.extras import needs

from .api import Api
from .control import Control
from .dashboard import Dashboard
from .errors import SandboxError
from .guard import Guard
from .json_http import error_response, json_response

with needs("sandbox"):
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.routing import Mount

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from .service import Service

__all__ = ["application"]


def application(service: Service, *, host: str = "127.0.0.1") -> Starlette:
    """Return the application; while it runs, it sends due deliveries.

    host: the address that it listens on.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        sending = asyncio.create_task(service.run())
        try:
            yield
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    dashboard = Dashboard(service)

    async def not_found(request: Request, _error: Exception) -> Response:
        path = request.url.path
        # Under /v1 the guard asks for no key, and every program expects JSON.
        is_api = path == "/v1" or path.startswith("/v1/")
        if not is_api and "text/html" in request.headers.get("accept", ""):
            return dashboard.not_found(request)
        message = f"there is nothing at {path[:200]!a}"
        return error_response(SandboxError(404, "not_found", message))

    async def not_allowed(request: Request, error: Exception) -> Response:
        message = f"{request.method} is not allowed here"
        response = error_response(SandboxError(405, "method_not_allowed", message))
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        return response

    async def internal_error(_request: Request, _error: Exception) -> Response:
        return json_response(
            500, {"error": {"code": "internal", "message": "this is an error in the sandbox"}}
        )

    return Starlette(
        routes=[
            Mount("/v1", routes=Api(service).routes),
            *Control(service).routes,
            *dashboard.routes,
        ],
        middleware=[Middleware(Guard, host=host, api_key=service.api_key)],
        exception_handlers={404: not_found, 405: not_allowed, 500: internal_error},
        lifespan=lifespan,
    )
