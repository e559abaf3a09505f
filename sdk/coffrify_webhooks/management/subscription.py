"""The types that an endpoint subscribes to, beside those that have handlers."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.handlers.annotation import UNKNOWN
from coffrify_webhooks.router import Router

__all__ = ["Difference", "compare", "handled_types", "matching_types"]

_ALL = "*"


class Difference(NamedTuple):
    """What to change in a subscription so that it has what is wanted, and nothing else."""

    wanted: list[str]
    added: list[str]
    removed: list[str]
    unknown: list[str]
    """Types with a handler that the sender's catalog does not have, so that none can arrive."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be changed."""
        return not (self.added or self.removed)

    def as_json(self) -> dict[str, list[str]]:
        """Return it as a JSON object."""
        return self._asdict()


def compare(current: Collection[str], router: Router, catalog: Iterable[str]) -> Difference:
    """Return what the subscription lacks of the types with handlers, and what it has beyond.

    catalog: all types of the sender. Raises ConfigurationError if no type has a handler.
    """
    types = sorted(set(catalog))
    wanted = handled_types(router, types)
    if not wanted:
        raise ConfigurationError(
            "no type of the sender's catalog has a handler; check that --app imports the modules "
            "with your handlers, or name them in Receiver(handlers=[...])"
        )
    has = set(types) | set(current) if _ALL in current else set(current)
    has.discard(_ALL)
    unknown = sorted(
        {
            pattern
            for handler in router.handlers
            for pattern in handler.patterns
            if _ALL not in pattern and pattern != UNKNOWN and pattern not in types
        }
    )
    return Difference(
        wanted,
        [each for each in wanted if each not in has],
        sorted(has - set(wanted)),
        unknown,
    )


def handled_types(router: Router, catalog: Iterable[str]) -> list[str]:
    """Return the types of a catalog that a handler wants."""
    return [
        each
        for each in catalog
        if any(handler.wants(each, known=each in router.registry) for handler in router.handlers)
    ]


def matching_types(patterns: Iterable[str], catalog: Collection[str]) -> list[str]:
    """Return the types that are named, or that begin as a pattern such as `transfer.*` does.

    Raises ConfigurationError for what matches none.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        stem = pattern.removesuffix(_ALL) if pattern == _ALL or pattern.endswith(".*") else None
        matching = [
            each
            for each in catalog
            if each == pattern or (stem is not None and each.startswith(stem))
        ]
        if not matching:
            raise ConfigurationError(
                f"the sender's catalog has no type {pattern[:100]!a}; `coffrify-webhooks catalog "
                "pull` lists them"
            )
        found.update(dict.fromkeys(matching))
    return [*found]
