"""What a delivery carries: the base of every typed event, and the event nobody knows yet.

The generated classes in `coffrify_webhooks.events` derive from `Event`. They are lenient by
design: unknown fields are kept, and a payload that does not fit its class is salvaged
(see `coffrify_webhooks.parsing.parse`), because a signed event must never be lost to a schema.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self, cast
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic_core import core_schema

from .dumping import dump, dump_json
from .issues import NO_ISSUES, Issue, Issues, Unlisted

if TYPE_CHECKING:

    class _Quiet: ...

else:

    class _Quiet:
        """Dumps whatever a payload holds, without warnings; describes its fields."""

        def model_dump(self, **options: Any) -> Any:
            options = {"warnings": False, **options}
            try:
                return super().model_dump(**options)
            except ValueError:
                return dump(self, options)

        def model_dump_json(self, **options: Any) -> Any:
            options = {"warnings": False, **options}
            try:
                return super().model_dump_json(**options)
            except ValueError:
                return dump_json(self, options)

        @classmethod
        def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
            from .descriptions import add_descriptions  # few ask for a schema

            schema = super().__get_pydantic_json_schema__(core_schema, handler)
            add_descriptions(cls, handler.resolve_ref_schema(schema))
            return schema


__all__ = [
    "Date",
    "Event",
    "EventModel",
    "Issue",
    "Issues",
    "LooseModel",
    "Timestamp",
    "UnknownEvent",
    "Uuid",
    "count_issues",
    "read_moment",
]

_USUAL_TIME = len("2026-01-31T12:00:00Z")
_ISO_8601 = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(:\d{2})?([.,]\d+)? ?([Zz]|[+-]\d{2}:?(?:\d{2})?)?)?"
)


def read_moment(value: Any) -> Any:
    """Read an ISO 8601 date and time; for what is none, raise ValueError.

    So is what pydantic would read as seconds since 1970: "4242" is not a date.
    """
    if isinstance(value, datetime):
        return value
    if type(value) is str and len(value) == _USUAL_TIME and value[4::3] == "--T::Z":
        # By far the most usual form, at a third of the cost; Python checks the digits.
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass  # such as the second 60
    found = _ISO_8601.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not an ISO 8601 date and time")
    day, minute, second, fraction, zone = found.groups(default="")
    if not minute:
        return datetime.fromisoformat(day)
    # Both are allowed, and neither has a datetime of its own: the moment after stands for them.
    over = timedelta(seconds=int(second == ":60"), days=int(minute == "24:00"))
    if over:
        minute = minute.replace("24:00", "00:00")
        second, fraction = second.replace(":60", ":59"), ""
    text = f"{day}T{minute}{second or ':00'}{fraction.replace(',', '.')[:7]}"
    try:
        moment = datetime.fromisoformat(text + zone.upper())
        return moment + over
    except OverflowError as error:
        raise ValueError("too late for a datetime") from error


class _Moments:
    """Has pydantic read the usual form by itself, at a tenth of what a call of Python's costs.

    All others are read as before, with the same result and the same errors.
    """

    _USUAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        any_form = core_schema.no_info_before_validator_function(read_moment, handler(source))
        usual = core_schema.chain_schema(
            [
                core_schema.str_schema(pattern=cls._USUAL, strict=True),
                core_schema.datetime_schema(strict=False),
            ]
        )
        return core_schema.union_schema(
            [usual, any_form],
            mode="left_to_right",
            custom_error_type="value_error",
            custom_error_context={"error": "not an ISO 8601 date and time"},
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
        return {"type": "string", "format": "date-time"}


Timestamp = Annotated[datetime, _Moments]
"""A date and time, sent as ISO 8601 text; a number is not taken for one."""


def _iso_8601_date(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        return date.fromisoformat(value[:10])
    raise ValueError("not an ISO 8601 date")


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ].*)?")
Date = Annotated[date, BeforeValidator(_iso_8601_date)]
"""A date, sent as ISO 8601 text; a number is not taken for one."""


def _uuid(value: Any) -> Any:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise ValueError("not a UUID")


_UUID = re.compile(r"(?:urn:uuid:)?\{?[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}\}?")
Uuid = Annotated[UUID, BeforeValidator(_uuid)]
"""A UUID, sent as text in any of its usual spellings."""


_set = object.__setattr__

_CONFIG = ConfigDict(
    extra="allow",
    frozen=True,
    # What is of another type is kept and listed, never quietly converted.
    strict=True,
    allow_inf_nan=False,
    protected_namespaces=(),
    defer_build=True,
    hide_input_in_errors=True,
)


def _stop_at_first(schema: Any) -> Any:
    """Let each list of a class stop at its first misfit: salvage finds the others, and counts."""
    todo: list[Any] = [schema]
    while todo:
        found: Any = todo.pop()
        if type(found) is tuple:
            found = cast("Any", found)[0]  # an alternative with its label
        if found["type"] == "list":
            found["fail_fast"] = True
        if found["type"] == "model" and found is not schema:
            continue  # has done so itself
        inside = ("schema", "items_schema", "values_schema")
        todo += [found[key] for key in inside if key in found]
        todo += found.get("choices", ())
        if found["type"] == "model-fields":
            todo += [field["schema"] for field in found["fields"].values()]
    return schema


class EventModel(_Quiet, BaseModel, frozen=True):
    """The base of the objects inside an event; its repr shows no content."""

    model_config = _CONFIG

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Bound the errors that a payload can cause."""
        return _stop_at_first(handler(source))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield nothing: payloads do not belong in logs. Use `model_dump()` to look inside."""
        yield from ()


class LooseModel(EventModel, frozen=True):
    """The base of what has fields, though its schema does not say that it is an object.

    Anything else is valid too, then, and is kept as received.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _keep(cls, value: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        return handler(value) if isinstance(value, (dict, cls)) else value


class Event(_Quiet, BaseModel, frozen=True):  # noqa: PLW1641 - pydantic makes the hash
    """A webhook event: its `id`, its `type` and its `data`.

    Unknown fields of the envelope are kept in `model_extra`. The repr shows the id alone, since
    reprs end up in logs; `model_dump()` shows everything.
    """

    model_config = _CONFIG

    id: str | None = None
    """Identifies the event across retries and replays; None if the sender gave no id."""
    type: str
    """The name of the event type, such as `transfer.created`."""
    data: Any
    """What happened; each event class narrows it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Bound the errors that a payload can cause."""
        return _stop_at_first(handler(source))

    # Slots, since what pydantic takes for private attributes costs 2 us an event.
    __slots__ = ("_issues", "_raw")
    if TYPE_CHECKING:
        _raw: bytes
        _issues: Issues | Unlisted

    @property
    def raw(self) -> bytes:
        """The body exactly as it arrived; forward these bytes, never a re-serialised event."""
        try:
            return self._raw
        except AttributeError:  # made by hand
            return b""

    @property
    def issues(self) -> Issues:
        """What in the payload does not fit this class; empty when all of it does.

        The first hundred places; `issues.more` says how many more there are.
        """
        try:
            found = self._issues
        except AttributeError:  # made by hand
            return NO_ISSUES
        if isinstance(found, Unlisted):
            found = found.to_list()
            _set(self, "_issues", found)
        return found

    def _attach(self, raw: bytes, issues: Issues | Unlisted = NO_ISSUES) -> Self:
        """Note what this was made of; only its fields are frozen."""
        _set(self, "_raw", raw)
        _set(self, "_issues", issues)
        return self

    def __copy__(self) -> Self:
        copied = super().__copy__()
        return copied._attach(self.raw, self.issues)  # noqa: SLF001 - one of its own kind

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        copied = super().__deepcopy__(memo)
        return copied._attach(self.raw, self.issues)  # noqa: SLF001

    def __getstate__(self) -> dict[Any, Any]:
        return {**super().__getstate__(), "_raw": self.raw, "_issues": self.issues}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._attach(state.get("_raw", b""), state.get("_issues", NO_ISSUES))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        same = super().__eq__(other)
        return same and self.raw == other.raw and self.issues == other.issues

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the id alone: payloads do not belong in logs."""
        yield "id", self.id


def count_issues(event: Event) -> int:
    """Return how many places of a payload do not fit its class, without listing them."""
    found = event._issues  # noqa: SLF001 - of its own module
    if found is NO_ISSUES:
        return 0
    return found.total if isinstance(found, Unlisted) else len(found) + found.more


class UnknownEvent(Event, frozen=True):
    """An event of a type that the installed classes do not know; `data` is plain JSON."""

    data: Any = None
