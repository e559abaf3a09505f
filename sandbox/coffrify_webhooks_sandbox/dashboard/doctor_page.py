"""The page that says why a request is refused."""

from __future__ import annotations

import asyncio
from binascii import Error, a2b_base64, b2a_base64
from typing import TYPE_CHECKING

from coffrify_webhooks.doctor.claims import as_they_are
from coffrify_webhooks.doctor.examine import examine
from coffrify_webhooks.errors import ConfigurationError, VerificationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks.signature.headers import pick
from coffrify_webhooks.signature.secret import Sealed, seal
from coffrify_webhooks_sandbox.errors import SandboxError

from .submitted_form import SubmittedForm

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks.doctor import Diagnosis
    from coffrify_webhooks_sandbox.service import Service

    from .pages import Pages

__all__ = ["DoctorPage", "pasted_bodies"]

_PATH = "/doctor"
_EMPTY = SubmittedForm([])
_SHOWN_AGAIN = ("headers", "body", "base64", "endpoint")
"""Fields that the page gives back to be changed; the secret is not one of them."""
_RECENT = 30 * 86_400.0


class DoctorPage:
    """Takes headers, a body and a secret, and shows what the doctor finds.

    The secret is used for the one search; it is neither stored nor sent back.
    """

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self.routes = [
            Route(_PATH, self._show, methods=["GET"]),
            Route(_PATH, self._examine, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        """Show the form: empty, or with the last attempt of a delivery."""
        wanted = request.query_params.get("delivery")
        try:
            return self._page(request, self._of_delivery(wanted) if wanted else _EMPTY)
        except SandboxError as missing:
            return self._pages.error_page(request, missing)

    def _of_delivery(self, delivery_id: str) -> SubmittedForm:
        delivery = self._service.delivery(delivery_id)
        event = self._service.event(delivery.event_id)
        attempts = self._service.database.attempts(delivery.id)
        headers = attempts[-1].headers if attempts else ()
        return SubmittedForm(
            [
                ("headers", "\n".join(f"{name}: {value}" for name, value in headers)),
                ("body", b2a_base64(event.body, newline=False).decode()),
                ("base64", "1"),
                ("endpoint", delivery.endpoint_id),
            ]
        )

    async def _examine(self, request: Request) -> Response:
        form = _EMPTY
        try:
            form = await SubmittedForm.of(request)
            if form.text("only_fill"):
                return self._page(request, form)
            bodies = pasted_bodies(form)
            secrets, others = self._secrets(form)
            headers, now = _headers(form.text("headers")), self._service.clock.now()
            found = await asyncio.to_thread(_diagnose, bodies, headers, secrets, others, now)
        except SandboxError as error:
            return self._page(request, form, error=error)
        return self._page(request, form, found=found)

    def _secrets(self, form: SubmittedForm) -> tuple[Sealed | None, Sealed | None]:
        """Return the secrets to verify with, and those of the other endpoints."""
        chosen, now = form.text("endpoint"), self._service.clock.now()
        known = {each.id: each.secrets_at(now) for each in self._service.database.endpoints()}
        if chosen and chosen not in known:
            raise SandboxError(400, "unknown_endpoint", "endpoint: choose one", "endpoint")
        if not chosen and not form.text("secret").strip():
            raise SandboxError(
                400, "invalid_parameter", "secret: give the secret, or choose an endpoint", "secret"
            )
        own = seal(known.pop(chosen) if chosen else form.text("secret"))
        return own, seal([each for several in known.values() for each in several] or None)

    def _page(
        self,
        request: Request,
        form: SubmittedForm,
        *,
        found: Diagnosis | None = None,
        error: SandboxError | None = None,
    ) -> Response:
        return self._pages.page(
            request,
            "doctor.html",
            status=error.status if error else 200,
            error=error,
            found=found,
            values={name: form.text(name) for name in _SHOWN_AGAIN},
            endpoints=self._service.database.endpoints(),
        )


def _headers(text: str) -> list[tuple[str, str]]:
    """Read a header from each line; other lines, such as that of the method, are left out."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        name, colon, value = line.lstrip("<> \t").partition(":")
        if colon and name and " " not in name.strip():
            found.append((name.strip(), value.strip()))
    return found


def pasted_bodies(form: SubmittedForm) -> list[bytes]:
    """Return the bytes that were pasted; a browser sends every line's end as CRLF."""
    text = form.text("body")
    if form.text("base64"):
        try:
            return [a2b_base64(b"".join(text.encode().split()), strict_mode=True)]
        except (Error, ValueError):
            raise SandboxError(400, "invalid_body", "body: it is not in base64", "body") from None
    sent = text.encode("utf-8", "surrogatepass")
    return list(dict.fromkeys((sent.replace(b"\r\n", b"\n"), sent)))


def _diagnose(
    bodies: list[bytes],
    headers: list[tuple[str, str]],
    secrets: Sealed | None,
    others: Sealed | None,
    now: float,
) -> Diagnosis:
    """Return what is found with the line ends that fit best; raise SandboxError for a mistake."""
    moment = _arrival(headers, now)
    try:
        found = [examine(each, headers, secrets, now=moment, others=others) for each in bodies]
    except ConfigurationError as error:
        raise SandboxError(400, "invalid_parameter", f"secret: {error}", "secret") from None
    return next((each for each in found if each.accepted), found[0])


def _arrival(headers: list[tuple[str, str]], now: float) -> float:
    """Return when it arrived: a pasted request is old, so when it was signed, if that can be."""
    try:
        signed = [each.seconds for each in as_they_are(pick(headers))]
    except VerificationError:
        return now
    return next((float(each) for each in signed if 0 <= now - each < _RECENT), now)
