"""`--data`: a payload, or single fields of one, as words of a command."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

__all__ = ["Payload", "payload"]


class Payload(NamedTuple):
    """What was given of a payload."""

    data: Any
    """The whole of it, or None."""
    fields: dict[str, Any]
    """Single fields, by dotted names."""


def payload(words: Sequence[str]) -> Payload:
    """Read `name=value` (the value as JSON, else as text), or a JSON object as a whole."""
    data: Any = None
    fields: dict[str, Any] = {}
    for word in words:
        if word.lstrip().startswith("{"):
            data = _json(word)
            continue
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.BadParameter(
                f"{word!r}: give name=value, as files.0.name=a.pdf, or a JSON object",
                param_hint="--data",
            )
        try:
            fields[name] = json.loads(value)
        except (ValueError, RecursionError):
            fields[name] = value
    for given in (data, fields):
        _writable(given)
    return Payload(data, fields)


def _writable(value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise click.BadParameter(
            "NaN and Infinity are not JSON; give a number, or a text in quotes", param_hint="--data"
        ) from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not valid JSON: {error}", param_hint="--data") from None
