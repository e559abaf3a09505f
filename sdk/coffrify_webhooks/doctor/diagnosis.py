"""What the doctor found: causes with their certainty, and the facts beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["Cause", "Certainty", "Diagnosis", "Finding"]

Certainty: TypeAlias = Literal["proven", "likely"]


class Finding(NamedTuple):
    """One difference between what was signed and what was given: a code, and what is special."""

    code: str
    detail: str = ""
    """A sentence about this case; the code's own message says the rest. Never a piece of input."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why a request is refused.

    certainty: "proven" if the request verifies once this is undone; "likely" if a fact supports
    it and nothing was proven. No text of it holds a piece of the secret or of the body.
    """

    code: str
    certainty: Certainty
    message: str
    """What is wrong, in a sentence or two."""
    fix: str
    """What to change."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `diagnose` found out about one request.

    causes: the most important first; empty if the request is accepted. facts: what could be seen,
    as sentences. Neither holds a piece of the secret or of the body.
    """

    accepted: bool
    causes: tuple[Cause, ...] = ()
    facts: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as what `json.dumps` takes."""
        causes = [
            {
                "code": each.code,
                "certainty": each.certainty,
                "message": each.message,
                "fix": each.fix,
            }
            for each in self.causes
        ]
        return {"accepted": self.accepted, "causes": causes, "facts": list(self.facts)}
