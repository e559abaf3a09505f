"""The page that signs a body, and shows how."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks import sign
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.signing import readings

from .doctor_page import pasted_bodies
from .submitted_form import SubmittedForm

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .pages import Pages

__all__ = ["SignaturesPage"]

_PATH = "/signatures"
_BODY = '{"id":"evt_1","type":"ping","data":{}}'
_FIELDS = ("body", "base64", "id", "timestamp", "endpoint")
"""Fields that the page gives back to be changed; the secret is not one of them."""


class _Signed(NamedTuple):
    encoding: str
    headers: str
    """One on each line."""


class SignaturesPage:
    """Takes a body, an id, a time and a secret, and shows each signature that the sender may make.

    The secret is used for the one page; it is neither stored nor sent back.
    """

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route(_PATH, self._show, methods=["GET"]),
            Route(_PATH, self._sign, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        chosen = request.query_params.get("endpoint", "")
        return self._page(request, _fresh(chosen))

    async def _sign(self, request: Request) -> Response:
        form = _fresh("")
        try:
            form = await SubmittedForm.of(request)
            signed, body = self._signatures(form), pasted_bodies(form)[0]
        except SandboxError as error:
            return self._page(request, form, error=error)
        return self._page(request, form, signed=signed, size=len(body))

    def _signatures(self, form: SubmittedForm) -> list[_Signed]:
        body, moment = pasted_bodies(form)[0], form.whole_number("timestamp")
        try:
            return [
                _Signed(
                    secret.encoding,
                    _lines(sign(body, secret, id=form.text("id"), timestamp=moment)),
                )
                for secret in readings(self._secret(form))
            ]
        except ConfigurationError as error:
            param = "id" if str(error).startswith("id ") else "secret"
            raise SandboxError(400, "invalid_parameter", f"{param}: {error}", param) from None

    def _secret(self, form: SubmittedForm) -> str:
        if form.text("endpoint"):
            return self._service.endpoints.get(form.text("endpoint")).secret
        if not form.text("secret").strip():
            message = "secret: give the secret, or choose an endpoint"
            raise SandboxError(400, "invalid_parameter", message, "secret")
        return form.text("secret")

    def _page(
        self,
        request: Request,
        form: SubmittedForm,
        *,
        signed: list[_Signed] | None = None,
        size: int = 0,
        error: SandboxError | None = None,
    ) -> Response:
        return self._pages.page(
            request,
            "signatures.html",
            status=error.status if error else 200,
            error=error,
            signed=signed,
            size=size,
            values={name: form.text(name) for name in _FIELDS},
            endpoints=self._service.database.endpoints(),
        )


def _fresh(endpoint: str) -> SubmittedForm:
    return SubmittedForm(
        [
            ("body", _BODY),
            ("id", str(uuid.uuid4())),
            ("timestamp", str(int(time.time()))),
            ("endpoint", endpoint),
        ]
    )


def _lines(headers: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())
