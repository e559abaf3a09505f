"""A change between two catalogs, and the severity of each kind of change."""

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["BREAKING", "KINDS", "SEVERITIES", "Change", "Kind", "Severity", "severity_of"]

Severity = Literal["breaking", "warning", "additive", "no-op"]
"""What a change asks of those who handle the event, the worst first."""
_Breaking = Literal["removed", "renamed", "optional", "nullable", "widened", "changed", "format"]
_Warning = Literal["clash", "beta"]
_Typed = Literal["added", "required", "nonnull", "narrowed", "values"]
_Informative = Literal["described", "badges", "plan", "family", "example", "stable"]
Kind = Literal[_Breaking, _Warning, _Typed, _Informative, "rewritten"]
"""What has changed; the page about changes of the catalog has a table of them."""

BREAKING: Severity = "breaking"
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
KINDS: tuple[Kind, ...] = get_args(Kind)
_BY_KIND: dict[Kind, Severity] = {
    **dict.fromkeys(get_args(_Breaking), BREAKING),
    **dict.fromkeys(get_args(_Warning), "warning"),
    "rewritten": "no-op",
}


def severity_of(kind: Kind) -> Severity:
    """Return the severity of a kind of change, for an event that is not in beta."""
    return _BY_KIND.get(kind, "additive")


@dataclass(frozen=True)
class Change:
    """One change of an event type, as its receiver is affected."""

    event: str
    path: str
    """Where: `data.files[].size`, `data.labels.*` for the values of a map; "" is the event."""
    kind: Kind
    severity: Severity
    text: str
    """A description of the change."""

    def rank(self) -> tuple[int, str, str, str, str]:
        """Return a sort key: the most severe first, then by event and path."""
        return SEVERITIES.index(self.severity), self.event, self.path, self.kind, self.text
