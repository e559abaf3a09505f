"""What a request's headers say was signed, as they are and as they may have been."""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from coffrify_webhooks.signature.headers import coffrify_parts, is_id, standard_signatures
from coffrify_webhooks.signature.window import is_timestamp

from .diagnosis import Finding
from .headers import ID, OWN, SIGNATURE, TIMESTAMP, original_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Claim", "as_they_are", "claims", "lost_times", "time_zones"]

_MILLISECONDS = 100_000_000_000
_MOST_SIGNATURES = 16
_MOST_OF_EACH = 8
_SHORTEST = 16
"""Characters of a signature that is cut off; fewer could agree by chance."""
_HEAD, _COMPARED = 40, 12
"""Characters of base64, of which so many letters and digits are compared first."""
_LARGEST_JSON = 2 << 20
"""Bytes that are parsed only for their id."""
_EARLY, _LATE = 30, 300
"""Seconds in which a request may be signed before it arrives, and after."""
_QUARTER_HOUR = 900
_QUARTERS = 56
"""Up to 14 hours, the largest offset of a time zone."""
_OWN_TIME = "x-coffrify-timestamp"
"""Of the status page's webhooks, beside the signature that names the time too."""
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_JUNK = re.compile(r"[^0-9a-z]")
_STAMP = re.compile(r"\d{9,19}")
_WRAPPED = re.compile(r"^\s*\[?\s*b?[\"'](.*)[\"']\s*\]?\s*$", re.DOTALL)

_ALTERED = Finding("header_altered")
_SWAPPED = Finding("header_altered", f"{ID} and {TIMESTAMP} have changed places.")
_DUPLICATED = Finding("header_duplicated")
_RENAMED = Finding("header_renamed")
_MISSING = Finding("header_missing")
_MILLIS = Finding("timestamp_milliseconds")
_ZONE = Finding("timezone_mixed", "The signed time is a whole number of quarter hours off.")
_ID_ALTERED = Finding("header_altered", f"{ID} is not the id that was signed; the body has that.")


class Claim(NamedTuple):
    """One reading of the headers: this prefix and a body, signed by one of these."""

    scheme: str
    prefix: bytes
    exact: dict[str, tuple[Finding, ...]]
    """Signatures as the scheme writes them, and how each was found beyond the claim's findings."""
    loose: tuple[str, ...]
    """The letters and digits of all that may be a signature, in lower case."""
    seconds: int
    """The signed time, as a number of seconds where it is one."""
    heads: frozenset[str]
    """Their first characters, to tell soon that it is another."""
    findings: tuple[Finding, ...] = ()

    def match(self, mac: bytes) -> tuple[Finding, ...] | None:
        """Return what was wrong with the signature that this is; None if it is none of these."""
        base64 = b2a_base64(mac, newline=False).decode()
        exact = self.exact.get(base64 if self.scheme == "standard" else mac.hex())
        if exact is not None:
            return exact
        head = base64[:_HEAD].lower().replace("+", "").replace("/", "")[:_COMPARED]
        if head not in self.heads and mac[: _COMPARED // 2].hex() not in self.heads:
            return None
        texts = (mac.hex(), _JUNK.sub("", base64.lower()))
        same = any(
            each.startswith(texts) or any(text.startswith(each) for text in texts)
            for each in self.loose
        )
        return (_ALTERED,) if same else None


class _Value(NamedTuple):
    text: str
    findings: tuple[Finding, ...] = ()


def claims(
    found: Sequence[tuple[str, str]], strict: dict[str, str] | None, body: bytes
) -> dict[int, list[Claim]]:
    """Return the claims by their number of findings.

    found: all headers. strict: what the verifier reads of them; None if it cannot.
    """
    levels: dict[int, list[Claim]] = {}
    seen: set[tuple[str, bytes]] = set()
    everything = (*as_they_are(strict or {}), *_readings(found, body))
    for claim in sorted(everything, key=lambda each: len(each.findings)):
        if (claim.scheme, claim.prefix) not in seen:
            seen.add((claim.scheme, claim.prefix))
            levels.setdefault(len(claim.findings), []).append(claim)
    return levels


def time_zones(known: Iterable[Claim]) -> Iterator[Claim]:
    """Yield claims whose time is moved by the offset of a time zone."""
    for claim in known:
        head = claim.prefix.rpartition(b".")[0].rpartition(b".")
        for count in range(1, _QUARTERS + 1):
            for sign in (1, -1):
                seconds = claim.seconds + sign * count * _QUARTER_HOUR
                prefix = b"".join(head[:2]) + b"%d." % seconds
                yield claim._replace(
                    prefix=prefix, seconds=seconds, findings=(*claim.findings, _ZONE)
                )


def lost_times(found: Sequence[tuple[str, str]], now: float) -> Iterator[Claim]:
    """Yield claims for each second in which a request without its time may have been signed."""
    values = {name: _values(found, name) for name in (ID, SIGNATURE, OWN)}
    ids = [each for each in values[ID] if is_id(each.text)]
    for seconds in range(int(now) + _EARLY, max(int(now) - _LATE, 0), -1):
        stamp = _Value(str(seconds), (_MISSING,))
        yield from _claims("standard", values[SIGNATURE], [stamp], ids[:1])
        part = stamp._replace(findings=(_ALTERED,))
        yield from _claims("coffrify", values[OWN], [part], [_Value("")])


def as_they_are(strict: dict[str, str]) -> Iterator[Claim]:
    """Yield what the verifier reads."""
    id_, stamp, header = (strict.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    signatures = standard_signatures(header)
    if signatures and is_id(id_) and is_timestamp(stamp):
        prefix, loose = f"{id_}.{stamp}.".encode(), _find_loosely(header)
        yield Claim(
            "standard", prefix, dict.fromkeys(signatures, ()), loose, int(stamp), _heads(loose)
        )
    stamp, signatures = coffrify_parts(strict.get(OWN, ""))
    if signatures:
        loose = _find_loosely(strict[OWN])
        yield Claim(
            "coffrify",
            f"{stamp}.".encode(),
            dict.fromkeys(signatures, ()),
            loose,
            int(stamp),
            _heads(loose),
        )


def _readings(found: Sequence[tuple[str, str]], body: bytes) -> Iterator[Claim]:
    values = {name: _values(found, name) for name in (ID, TIMESTAMP, SIGNATURE, OWN)}
    own_stamps = [
        _Value(text, each.findings) for each in values[OWN] for text in _stamps(each.text)
    ]
    stamps = [
        _Value(text, (*each.findings, *more))
        for each in values[TIMESTAMP]
        for text, more in _times(each.text)
    ]
    own_stamps += [
        _Value(text, (_ALTERED,)) for name, text in found if name == _OWN_TIME if is_timestamp(text)
    ]
    lost = _ALTERED if stamps else _MISSING
    stamps += [_Value(each.text, (*each.findings, lost)) for each in own_stamps]
    ids = [each for each in values[ID] if is_id(each.text)]
    if not stamps and any(is_timestamp(each.text) for each in ids):  # the two changed places
        stamps = [each._replace(findings=(_SWAPPED,)) for each in ids if is_timestamp(each.text)]
        ids = [
            each._replace(findings=(_SWAPPED,)) for each in values[TIMESTAMP] if is_id(each.text)
        ]
    if event_id := _id_in(body):
        ids.append(_Value(event_id, (_ID_ALTERED if values[ID] else _MISSING,)))
    yield from _claims("standard", values[SIGNATURE], stamps, ids)
    bare = [*own_stamps, *(_Value(each.text, (*each.findings, _ALTERED)) for each in stamps)]
    yield from _claims("coffrify", values[OWN], bare, [_Value("")])


def _claims(
    scheme: str, signatures: list[_Value], stamps: list[_Value], ids: list[_Value]
) -> Iterator[Claim]:
    loose = tuple(dict.fromkeys(text for each in signatures for text in _find_loosely(each.text)))
    if not loose:
        return
    common = min((each.findings for each in signatures), key=len)
    exact: dict[str, tuple[Finding, ...]] = {}
    parse = standard_signatures if scheme == "standard" else _own_signatures
    for each in signatures:
        for text in parse(each.text):
            exact.setdefault(text, tuple(more for more in each.findings if more not in common))
    heads = _heads(loose)
    for stamp in stamps[:_MOST_OF_EACH]:
        for id_ in ids[:_MOST_OF_EACH]:
            head = f"{id_.text}." if scheme == "standard" else ""
            findings = tuple(dict.fromkeys((*common, *stamp.findings, *id_.findings)))
            prefix = f"{head}{stamp.text}.".encode()
            yield Claim(scheme, prefix, exact, loose, int(stamp.text), heads, findings)


def _own_signatures(header: str) -> Sequence[str]:
    return coffrify_parts(header)[1]


def _values(found: Sequence[tuple[str, str]], name: str) -> list[_Value]:
    """Return what a header may have said, as it is or by another name."""
    own = [text for each, text in found if each == name]
    renamed = [text for each, text in found if each != name and original_name(each) == name]
    if not own and name in (SIGNATURE, OWN):
        renamed += [
            text for each, text in found if original_name(each) is None and _has_form(text, name)
        ]
    values = [_Value(text, (_DUPLICATED,) if len(own) > 1 else ()) for text in own]
    if not own:
        values = [_Value(text, (_RENAMED,)) for text in renamed]
    several = [
        _Value(part.strip(), (*each.findings, _DUPLICATED))
        for each in values
        if "," in each.text and name in (ID, TIMESTAMP)
        for part in each.text.split(",")[:_MOST_OF_EACH]
    ]
    values = [*several, *values]
    return [
        *values,
        *(
            _Value(text, (*each.findings, _ALTERED))
            for each in values
            for text in _clean(each.text)
        ),
    ]


def _has_form(text: str, name: str) -> bool:
    if name == SIGNATURE:
        return bool(standard_signatures(text))
    return bool(coffrify_parts(text)[1])


def _clean(text: str) -> Iterator[str]:
    """Yield a value without the quotes, blanks and escapes that something put there."""
    for other in (text.strip(), unquote(text)):
        if other != text:
            yield other
    if wrapped := _WRAPPED.match(text):
        yield wrapped[1]


def _times(text: str) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """Yield what may have been signed as the time where a header says this."""
    if is_timestamp(text):
        yield text, ()
        if int(text) > _MILLISECONDS:
            for unit in (1000, 1_000_000):
                yield str(int(text) // unit), (_MILLIS,)
        return
    for digits in _STAMP.findall(text)[:_MOST_OF_EACH]:
        yield digits, (_ALTERED,)
        for unit in (1000, 1_000_000, 1_000_000_000):
            if int(digits) > _MILLISECONDS:
                yield str(int(digits) // unit), (_MILLIS,)
    with suppress(ValueError, OverflowError):
        yield str(int(float(text.replace(",", "")))), (_ALTERED,)
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError, TypeError, OverflowError):
            moment = parse(text.strip())
            yield str(int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())), (_ALTERED,)


def _stamps(text: str) -> list[str]:
    return [each for each in dict.fromkeys(_STAMP.findall(text)) if is_timestamp(each)][
        :_MOST_OF_EACH
    ]


def _heads(loose: Iterable[str]) -> frozenset[str]:
    return frozenset(each[:_COMPARED] for each in loose)


def _find_loosely(text: str) -> tuple[str, ...]:
    found = dict.fromkeys(
        _JUNK.sub("", token.lower())
        for each in (text, unquote(text), text.replace(" ", "+"))
        for token in _TOKEN.findall(each)
    )
    return tuple(each for each in found if len(each) >= _SHORTEST)[:_MOST_SIGNATURES]


def _id_in(body: bytes) -> str:
    if len(body) > _LARGEST_JSON:
        return ""
    try:
        event_id: Any = json.loads(body)["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return event_id if isinstance(event_id, str) and is_id(event_id) else ""
