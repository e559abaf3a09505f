"""The page that triggers an event, with a form built from its schema."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from coffrify_webhooks.extras import needs
from coffrify_webhooks.web.wording import json_text
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.limits import TOO_DEEP, is_deep
from coffrify_webhooks_sandbox.misbehaviors import MISBEHAVIORS

from .form_field import ABSENT
from .payload_form import PayloadForm, flatten
from .submitted_form import SubmittedForm

with needs("sandbox"):
    from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from coffrify_webhooks_sandbox.service import Service

    from .form_field import FormField
    from .pages import Pages

__all__ = ["TriggerPage"]

_FRESH = SubmittedForm([("count", "1")])
_HERE = ("count", "endpoint", "manner")
"""Fields of the form other than the data; an error about one is shown next to it."""


class TriggerPage:
    """Lists the event types, shows the form for one, and triggers events."""

    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages
        self._random = Random()
        self.routes = [
            Route("/trigger", self._choose),
            Route("/trigger/{type:path}", self._show, methods=["GET"]),
            Route("/trigger/{type:path}", self._act, methods=["POST"]),
        ]

    async def _choose(self, request: Request) -> Response:
        wanted = request.query_params.get("endpoint", "")
        return self._pages.page(
            request,
            "trigger.html",
            families=self._service.event_types.families,
            query="?" + urlencode({"endpoint": wanted}) if wanted else "",
        )

    async def _show(self, request: Request) -> Response:
        wanted = request.query_params.get("endpoint", "")
        form = SubmittedForm([("count", "1"), ("endpoint", wanted)])
        edited = request.query_params.get("event")
        if edited is None:
            return await self._show_draft(request, form, await self._random_texts(request))
        try:
            data = self._service.event(edited).data
        except SandboxError as missing:
            return self._pages.error_page(request, missing)
        return await self._show_draft(request, form, await asyncio.to_thread(flatten, data))

    async def _act(self, request: Request) -> Response:
        try:
            form = await SubmittedForm.of(request)
        except SandboxError as error:
            texts = await self._random_texts(request)
            return await self._show_draft(request, _FRESH, texts, error)
        do = form.text("do")
        if do == "random":
            return await self._show_draft(request, form, await self._random_texts(request))
        if do in ("as_json", "as_form"):
            return await self._switch(request, form, to_json=do == "as_json")
        if ":" in do:
            return await self._edit(request, form, do)
        return await self._trigger(request, form)

    async def _edit(self, request: Request, form: SubmittedForm, do: str) -> Response:
        """Show the form after adding or removing an item or an object."""
        try:
            payload_form = self._payload_form(request)
        except SandboxError as missing:
            return self._pages.error_page(request, missing)
        try:
            now = self._service.clock.now()
            texts = await asyncio.to_thread(payload_form.edit, form.last, do, now, self._random)
        except SandboxError as error:
            return await self._show_draft(request, form, form.last, error)
        return await self._show_draft(request, form, texts)

    async def _trigger(self, request: Request, form: SubmittedForm) -> Response:
        """Trigger the events, or show the errors."""
        name = request.path_params["type"]
        try:
            self._service.event_types.get(name)
            data = None
            if not form.text("random"):
                data = await asyncio.to_thread(self._data, request, form)
            if data is ABSENT:
                return await self._show_draft(request, form, form.last, _unreadable_error())
            events = await self._service.trigger(
                name,
                data,
                endpoint=form.text("endpoint") or None,
                count=form.whole_number("count"),
                manner=form.text("manner"),
            )
        except SandboxError as error:
            return await self._show_draft(request, form, form.last, error)
        heard = self._service.database.delivery_counts(events[:1])
        return self._pages.redirect("/", "triggered" if heard else "unheard", len(events))

    def _data(self, request: Request, form: SubmittedForm) -> Any:
        """Return the data that was typed; ABSENT if some fields cannot be read."""
        if "raw" in form.last:
            return _parse(form.text("raw"))
        field = self._payload_form(request).field(form.last)
        data = field.value()
        return ABSENT if any(each.error for each in field.fields()) else data

    async def _switch(self, request: Request, form: SubmittedForm, *, to_json: bool) -> Response:
        """Show the same data as JSON or as a form."""
        try:
            data = await asyncio.to_thread(self._data, request, form)
            if data is ABSENT:
                raise _unreadable_error()
            write = _raw if to_json else flatten
            texts = await asyncio.to_thread(write, data)
        except SandboxError as error:
            return await self._show_draft(request, form, form.last, error)
        return await self._show_draft(request, form, texts)

    async def _show_draft(
        self,
        request: Request,
        form: SubmittedForm,
        texts: dict[str, str],
        error: SandboxError | None = None,
    ) -> Response:
        try:
            event_type = self._service.event_types.get(request.path_params["type"])
        except SandboxError as missing:
            missing.status = 404
            return self._pages.error_page(request, missing)
        raw, field, errors, error = await asyncio.to_thread(_drawn, event_type.schema, texts, error)
        return await self._pages.page_in_thread(
            request,
            "trigger_form.html",
            status=error.status if error else 200,
            error=error if error and not errors else None,
            errors=errors,
            event_type=event_type,
            field=field,
            raw=raw,
            values={name: form.text(name) for name in (*_HERE, "random")},
            endpoints=self._service.database.endpoints(),
            manners=MISBEHAVIORS,
        )

    async def _random_texts(self, request: Request) -> dict[str, str]:
        """Return the form of random data; empty JSON if none can be made."""
        name, now = request.path_params["type"], self._service.clock.now()
        make = self._service.event_types.make
        try:
            return await asyncio.to_thread(lambda: flatten(make(name, now, self._random)))
        except SandboxError:
            return {"raw": "{}"}

    def _payload_form(self, request: Request) -> PayloadForm:
        return PayloadForm(self._service.event_types.get(request.path_params["type"]).schema)


def _raw(data: Any) -> dict[str, str]:
    return {"raw": json_text(data)}


def _drawn(
    schema: Any, texts: dict[str, str], error: SandboxError | None
) -> tuple[str | None, FormField | None, dict[str, str], SandboxError | None]:
    """Return the data as JSON or as a form, the errors by part of it, and the error of all."""
    raw, field = texts.get("raw"), None
    if raw is None:
        try:
            field = PayloadForm(schema).field(texts)
        except SandboxError as too_large:
            raw, error = "{}", error or too_large
    return raw, field, _errors(field, error), error


def _errors(field: FormField | None, error: SandboxError | None) -> dict[str, str]:
    """Return the errors by part of the form, and mark the fields of the data."""
    if error is None:
        return {}
    param = error.param or ""
    message = error.message.removeprefix(f"{param}: ")
    if param in _HERE:
        return {param: message}
    if param.partition(".")[0].partition("[")[0] != "data":
        return {}
    if field is None:
        return {"data": error.message}
    field.value()
    if not any(each.error for each in field.fields()):
        field.mark(param, message)
    return {"data": "Some fields have errors; they are marked below."}


def _unreadable_error() -> SandboxError:
    return SandboxError(400, "invalid_data", "data: some fields cannot be read", "data")


def _parse(text: str) -> Any:
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "NaN, Infinity, or too deep")
        place = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise SandboxError(
            400, "invalid_data", f"data: it is not valid JSON ({reason}{place})", "data"
        ) from None
    if is_deep(data):
        raise SandboxError(400, "invalid_data", f"data: {TOO_DEEP}", "data")
    return data


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)
