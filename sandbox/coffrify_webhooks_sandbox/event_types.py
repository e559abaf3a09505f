"""The event types of the catalog: checks their data, and makes random data."""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from functools import cache, cached_property, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks_codegen.catalog import Catalog, CatalogError, CatalogEvent, load
from coffrify_webhooks_codegen.json_types import is_mapping

from .checking import Steps, TooMuchError, bounded_validator, first_error
from .errors import SandboxError
from .limits import TOO_DEEP, is_deep
from .payload import random_data

with needs("cli"):
    from jsonschema import Draft7Validator, Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing.exceptions import Unresolvable

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from jsonschema.protocols import Validator

__all__ = ["EventTypes"]

_TRIES = 20
_MOST_STEPS = 200_000
"""For checking the data of one event: some tenths of a second."""


@cache
def _bundled() -> Catalog:
    """Read the package's own catalog once; nobody changes it."""
    return load()


class EventTypes:
    """The catalog as the sandbox uses it.

    source: a file; without one, the catalog that comes with the package. Raises
    ConfigurationError for a catalog that cannot be read or has an invalid schema.
    """

    def __init__(self, source: Path | str | None = None) -> None:
        try:
            self.catalog: Catalog = _bundled() if source is None else load(source)
        except CatalogError as error:
            raise ConfigurationError(f"the catalog cannot be used: {error}") from error
        self._validator = lru_cache(maxsize=512)(self._make_validator)
        self._by_name = {event.type: event for event in self.catalog.events}
        if source is not None:  # ours is known to be sound
            for event in self.catalog.events:
                _check_schema(event)

    @property
    def names(self) -> list[str]:
        """All event types, in the catalog's order."""
        return list(self._by_name)

    @cached_property
    def families(self) -> dict[str, list[CatalogEvent]]:
        """The event types of each family, in the catalog's order."""
        found: dict[str, list[CatalogEvent]] = {}
        for event in self.catalog.events:
            found.setdefault(event.family, []).append(event)
        return found

    @cached_property
    def etag(self) -> str:
        """The entity tag of the catalog."""
        text = repr(self.catalog.document).encode("utf-8", "backslashreplace")
        return f'"{sha256(text).hexdigest()[:32]}"'

    def get(self, name: str, *, param: str = "event_type") -> CatalogEvent:
        """Return an event type; raise SandboxError with the nearest names for an unknown one."""
        found = self._by_name.get(name)
        if found is not None:
            return found
        near = get_close_matches(name, self._by_name, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "the catalog lists all event types"
        raise SandboxError(
            400, "unknown_event_type", f"there is no event type {name[:100]!a}; {hint}", param
        )

    def check(self, name: str, data: Any) -> None:
        """Raise SandboxError, naming the field, for data that does not fit the schema."""
        event = self.get(name)
        error = ("data", TOO_DEEP) if is_deep(data) else self._error(event, data)
        if error is not None:
            raise SandboxError(400, "invalid_data", f"{error[0]}: {error[1]}", error[0])

    def make(self, name: str, now: float, random: Random) -> Any:
        """Make random data that fits an event type's schema.

        Raises SandboxError if neither random data nor the catalog's example fits.
        """
        event = self.get(name)
        example = event.example.get("data") if event.example else None
        steps = Steps(_MOST_STEPS)
        for _ in range(_TRIES):
            if steps.left <= 0:
                break
            try:
                data = random_data(event.schema, example, now, random)
            except SandboxError:
                break
            if self._error(event, data, steps) is None:
                return data
        if example is not None and self._error(event, example) is None:
            return example
        raise SandboxError(
            400,
            "no_data",
            f"no data could be generated from the schema of {name!a}; provide the data",
            "data",
        )

    def _error(
        self, event: CatalogEvent, data: Any, steps: Steps | None = None
    ) -> tuple[str, str] | None:
        try:
            found = first_error(self._validator(event.type), data, steps or Steps(_MOST_STEPS))
        except TooMuchError:
            return "data", "checking it against its schema in the catalog takes too long"
        except (Unresolvable, RecursionError):
            return "data", "its schema in the catalog cannot be resolved"
        except Exception as error:  # of a stranger's schema anything may come
            reason = f"{type(error).__name__}: {error}"[:200]
            return "data", f"its schema in the catalog cannot be used ({reason!a})"
        if found is None:
            return None
        place = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in found.absolute_path
        )
        return f"data{place}", found.message[:300]

    def _make_validator(self, name: str) -> Validator:
        schema: Any = self._by_name[name].schema
        return bounded_validator(_kind_of(schema), schema)


def _kind_of(schema: Any) -> type[Validator]:
    """Return the validator class of a schema; without `$schema`, the first draft that it fits."""
    kind = validator_for(schema, Draft202012Validator)
    if is_mapping(schema) and "$schema" not in schema:
        for other in (Draft202012Validator, Draft7Validator):
            with suppress(SchemaError):
                other.check_schema(schema)
                return other
    return kind


def _check_schema(event: CatalogEvent) -> None:
    """Raise ConfigurationError for an invalid schema."""
    schema: Any = event.schema
    try:
        _kind_of(schema).check_schema(schema)
    except Exception as error:
        if isinstance(error, SchemaError):
            place = "/".join(["", *map(str, error.absolute_path)])
            reason = f"{error.message[:200]}, at {place[:200]}" if place else error.message[:200]
        else:
            reason = f"{type(error).__name__}: {error}"[:200]
        message = f"the catalog cannot be used: {event.type}: its schema is invalid: {reason}"
        raise ConfigurationError(message) from error
