"""Puts a diagnosis together: the verdict, the search, what is likely, and what was excluded."""

from __future__ import annotations

import json
import time
from math import isfinite
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import ConfigurationError, VerificationError
from coffrify_webhooks.signature.headers import pick
from coffrify_webhooks.signature.secret import Sealed, Secret, seal, unseal
from coffrify_webhooks.signature.verifier import SCHEMES, Verifier
from coffrify_webhooks.signature.window import TOLERANCE

from .causes import cause_of
from .claims import as_they_are
from .diagnosis import Diagnosis, Finding
from .headers import (
    ID,
    KNOWN,
    OWN,
    SIGNATURE,
    TIMESTAMP,
    has_lost_form,
    is_emptied,
    original_name,
    pairs,
)
from .hints import date_of, hints
from .keys import GivenSecret
from .likely import likely_of_body, likely_of_secrets
from .search import search
from .signs import writer_of
from .times import finding_of_time
from .work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coffrify_webhooks.delivery import Scheme
    from coffrify_webhooks.signature.headers import Headers
    from coffrify_webhooks.signature.secret import SecretSource

    from .diagnosis import Cause
    from .search import Proof

__all__ = ["diagnose", "examine"]

_MOST_SECRETS = 20
_NO_BYTES = Finding("body_reserialised", "What was given is not bytes: something decoded it.")
_EXCLUDED = (
    "Of the secret: quotes, blanks, prefixes, encodings and a lost last letter; of the headers: "
    "other names, duplicates, changed values and times; of the body: line ends, byte-order marks, "
    "base64, compression, forms, charsets, JSON written again, fields added; alone and in pairs, "
    "these were excluded"
)
_LEFT = (
    "These causes remain: the secret of another endpoint or one from before a rotation, a body "
    "changed in a way that cannot be undone, or a request that the sender did not sign."
)


def diagnose(
    body: bytes,
    headers: Headers,
    secrets: SecretSource,
    *,
    method: str = "POST",
    now: float | None = None,
) -> Diagnosis:
    """Say why a request is refused, by searching for what would make it verify.

    body: the bytes as they arrived. headers: a mapping or pairs, of str or bytes. secrets: as for
    `verify`; texts that a receiver refuses at start are read too. now: when it arrived, in seconds
    since 1970; else now. Takes less than a second of computing, and raises for nothing that is in
    the body or the headers.

    Raises ConfigurationError if there is no secret, or if `now` is no number.
    """
    sealed = seal(secrets)
    del secrets
    return examine(body, headers, sealed, method=method, now=now)


def examine(
    body: Any,
    headers: Any,
    secrets: Any,
    *,
    method: str = "POST",
    now: float | None = None,
    tolerance: float = TOLERANCE,
    schemes: Sequence[Scheme] = SCHEMES,
    others: Any = None,
) -> Diagnosis:
    """Do what `diagnose` does, for a receiver's tolerance and schemes.

    others: secrets of other endpoints, one of which may have signed it.
    """
    given = _read_secrets(seal(secrets))
    del secrets
    moment = _moment(now)
    strangers = [] if others is None else _read_secrets(seal(others))
    try:
        return _Subject(body, headers, method, moment, tolerance, schemes).among(given, strangers)
    except Exception:  # a help for people must not become another error
        unknown = Finding("unknown", "The request could not be examined.")
        return Diagnosis(accepted=False, causes=(cause_of(unknown, "likely"),))


class _Subject:
    """One request under examination."""

    def __init__(
        self, body: Any, headers: Any, method: Any, now: float, tolerance: float, schemes: Any
    ) -> None:
        self.facts: list[str] = []
        self.is_raw = isinstance(body, (bytes, bytearray, memoryview))
        if not self.is_raw:
            self.facts.append("the body is not bytes but an object that something parsed it into")
        self.body = _bytes(body)
        self.headers = headers
        self.found = pairs(headers)
        self.first = dict(reversed(self.found))
        self.is_post = str(method).upper() == "POST" if isinstance(method, str) else False
        self.now = now
        self.tolerance = tolerance
        self.schemes = schemes
        try:
            self.strict: dict[str, str] | None = pick(headers)
        except VerificationError:
            self.strict = None
            self.facts.append("the headers are neither a mapping nor pairs of text or bytes")
        except Exception:  # of an object that only looks like a mapping
            self.strict = None

    def among(self, given: list[GivenSecret], others: list[GivenSecret]) -> Diagnosis:
        """Examine it, and whether the secret of another endpoint signed it."""
        found = self.examine(given)
        if found.accepted or not others or any(c.certainty == "proven" for c in found.causes):
            return found
        if self._refusal(others):
            return found
        other = cause_of(Finding("secret_of_another_endpoint"), "proven")
        return Diagnosis(accepted=False, causes=(other,), facts=found.facts)

    def examine(self, given: list[GivenSecret]) -> Diagnosis:
        refusal = self._refusal(given)
        seen = hints(self.body, self.found, self.now)
        facts = [*self.facts, *(each.detail for each in seen if each.detail)]
        if not refusal and self.is_post:
            return Diagnosis(accepted=True, facts=tuple(facts))
        if refusal:
            facts.insert(0, refusal)
        if not self.is_post:
            facts.append("the method is not POST, and webhooks are delivered by POST")
        if writer := writer_of(self.body):
            facts.append(writer)
        work = Work()
        proof = search(self.body, self.found, self.strict, given, self.now, work)
        facts.append(f"{work.hashed} signatures were computed")
        causes = self._proven(proof, given) if proof else self._find_likely(given, seen, work)
        return Diagnosis(accepted=False, causes=tuple(causes), facts=tuple(facts))

    def _refusal(self, given: list[GivenSecret]) -> str:
        """Return why the verifier refuses it, or an empty text."""
        usable: list[Any] = [each.secret for each in given if each.secret is not None]
        if len(usable) < len(given):
            return "a receiver refuses a secret like this at start"
        if self.strict is None or not self.is_raw:
            return "a receiver cannot read this request"
        try:
            verifier = Verifier(
                usable, schemes=self.schemes, tolerance=self.tolerance, clock=lambda: self.now
            )
            verifier.verify(self.body, self.headers)
        except VerificationError as error:
            return f"{error.code}: {error}"
        return ""

    def _proven(self, proof: Proof, given: list[GivenSecret]) -> list[Cause]:
        findings = {each.code: each for each in reversed(proof.findings)}
        late = finding_of_time(proof.claim.seconds, self.now, self.tolerance, date_of(self.first))
        if late is not None:
            findings.setdefault(late.code, late)
        if not self.is_raw and not any(code.startswith("body_") for code in findings):
            findings["body_reserialised"] = _NO_BYTES
        if not findings:
            found = [*likely_of_secrets(given)] or self._explain_refusal(proof)
            findings = {each.code: each for each in reversed(found)}
        return [
            cause_of(each, "likely" if each.code == "unknown" else "proven")
            for each in reversed(findings.values())
        ]

    def _explain_refusal(self, proof: Proof) -> list[Finding]:
        """Return why what verifies here is refused all the same."""
        if not self.is_post:
            return [Finding("unknown", "The signature is valid; only the method is not POST.")]
        if self.strict is None:
            says = "Each value must be one text; another program converted these."
            return [Finding("header_altered", says)]
        if proof.claim.scheme not in self.schemes:
            return [Finding("header_missing", "Only the other scheme's signature is valid.")]
        if any(name in KNOWN and not self.strict.get(name) for name, _ in self.found):
            return [Finding("header_renamed", "Its name contains a space or a colon.")]
        return [
            Finding("unknown", "The signature is valid; the facts say why the request is refused.")
        ]

    def _find_likely(
        self, given: list[GivenSecret], seen: list[Finding], work: Work
    ) -> list[Cause]:
        found = [each for each in seen if each.code.startswith("header_")]
        codes = {each.code for each in found}
        if self._has_no_signature() and not codes:
            found.append(Finding("header_missing"))
        found = [*likely_of_secrets(given), *found]
        found += likely_of_body(self.body, self.first, seen) if self.is_raw else [_NO_BYTES]
        found += self._find_altered_header() if not found else ()
        by_code = {each.code: each for each in reversed(found)}
        # The time of a request that nobody may have signed is a fact, and no cause.
        late = self._find_wrong_time() if found else None
        if late is not None:
            by_code = {late.code: late, **by_code}
        causes = [
            cause_of(each._replace(detail=_sentence(each.detail)), "likely")
            for each in reversed(by_code.values())
        ]
        if not found:
            ended = "" if not work.is_over else ", as far as the time allowed"
            unknown = Finding("unknown", f"{_EXCLUDED}{ended}. {_LEFT}")
            causes.append(cause_of(unknown, "likely"))
        return causes

    def _has_no_signature(self) -> bool:
        return not any(name in (SIGNATURE, OWN) or original_name(name) for name, _ in self.found)

    def _find_altered_header(self) -> list[Finding]:
        """Return that a header is not as any sender writes it, where that is seen of the value.

        A signature of another form is a forger's as likely as one that was changed.
        """
        if self.strict is None:
            return [Finding("header_altered", "The headers cannot be read.")]
        if any(self._count(name) > 1 for name in (ID, TIMESTAMP, SIGNATURE)):
            return [Finding("header_duplicated")]
        values = [(name, self.strict[name]) for name in KNOWN if name in self.strict]
        if any(is_emptied(text) for _, text in values):
            return [Finding("header_altered", "Its value was taken out of it, as logs do.")]
        if any(has_lost_form(name, text) for name, text in values):
            return [Finding("header_altered")]
        return []

    def _count(self, name: str) -> int:
        return sum(each == name for each, _ in self.found)

    def _find_wrong_time(self) -> Finding | None:
        for claim in as_they_are(self.strict or {}):
            return finding_of_time(claim.seconds, self.now, self.tolerance, date_of(self.first))
        return None


def _sentence(text: str) -> str:
    return text and f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _bytes(body: Any) -> bytes:
    """Return a body as bytes; one that was decoded or parsed as it would be written."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    if isinstance(body, (dict, list)):
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
    return b""


def _moment(now: Any) -> float:
    if now is None:
        return time.time()
    if isinstance(now, (int, float)) and not isinstance(now, bool) and isfinite(now):
        return float(now)
    raise ConfigurationError("now must be the time of the request, in seconds since 1970")


def _read_secrets(sealed: Sealed | None) -> list[GivenSecret]:
    """Return the secrets one by one, also those that a receiver refuses."""
    found, fault = _read(sealed)
    if fault:
        raise ConfigurationError(fault)
    return found[:_MOST_SECRETS]


def _read(sealed: Sealed | None) -> tuple[list[GivenSecret], str]:
    """Return the secrets, or what is wrong with them; never raises while it holds one."""
    if sealed is None:
        return [], "there is no secret to verify with; give the endpoint's secret"
    try:
        given: Any = unseal(sealed.ask() if sealed.is_callable else sealed)
        if isinstance(given, (bytes, bytearray)) or hasattr(given, "keys"):
            return [], (
                f"secrets must be a str, a Secret, or a list of them, not {type(given).__name__}"
            )
        several: list[Any] = [given] if isinstance(given, (str, Secret)) else list(given)
    except Exception:  # whatever the user's function raises
        return [], (
            "the secrets are neither a text nor a list, or the function that returns them raised"
        )
    found: list[GivenSecret] = []
    for each in several:
        if isinstance(each, Secret):
            found.append(GivenSecret(each._text, each.encoding, each))
        elif not isinstance(each, str):
            return [], f"a secret must be a str, not {type(each).__name__}"
        elif each.strip():
            found.append(GivenSecret(each, "auto", _secret_of(each)))
    return found, "" if found else "the secret is empty; copy it from the Coffrify dashboard"


def _secret_of(text: str) -> Secret | None:
    try:
        return Secret(text)
    except ConfigurationError:
        return None
