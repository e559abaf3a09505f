"""The short way for what is nearly always sent: one signature, made with the key that signed last.

It accepts or has no opinion, and then the long way of `Verifier` decides, which reads like the
rules. One function, and few calls: each would cost a twentieth of the hash. The signature's own
shape needs no look: the text that is compared with it has the only one there is.
"""

from binascii import b2a_base64
from hmac import compare_digest

from coffrify_webhooks.delivery import Delivery

from .headers import is_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from coffrify_webhooks.delivery import Scheme

    from .keyring import Keyring

__all__ = ["accept_usual"]

_DIGITS = 10
"""Of a time in seconds, until the year 2286."""
_LARGEST = 16_384
"""Bytes of a body; hashing a larger one takes so long that a forgery should cost it once."""
_COFFRIFY = len("t=1234567890,v1=") + 64


def accept_usual(  # each early return is for what the long way decides
    body: bytes,
    found: "Mapping[str, str]",
    ring: "Keyring",
    now: float,
    tolerance: float,
    *,
    standard: bool,
    coffrify: bool,
) -> Delivery | None:
    """Return the delivery if its signature holds and all of it has the usual shape, else None.

    found: what `pick` has read. standard, coffrify: which schemes count.
    """
    if len(body) > _LARGEST:
        return None
    header = found.get("webhook-signature") if standard else None
    event_id: str | None = None
    scheme: Scheme = "coffrify" if header is None else "standard"
    if header is not None:
        event_id, stamp = found.get("webhook-id"), found.get("webhook-timestamp", "")
        if event_id is None or not is_id(event_id) or len(stamp) != _DIGITS:
            return None
        prefix = f"{event_id}.{stamp}."
    else:
        header = found.get("x-coffrify-signature") if coffrify else None
        # A body of digits could be the rest of another scheme's time: see `_check_coffrify`.
        if header is None or len(header) != _COFFRIFY or body[:9].isdigit():
            return None
        stamp = header[2:12]
        prefix = f"{stamp}."
    if not (stamp.isdigit() and stamp.isascii() and header.isascii()):
        return None
    seconds = int(stamp)
    # As `window.window_error` has it; here without the call.
    if not -tolerance <= now - seconds < tolerance:
        return None
    key = ring.order[0]
    if key.not_after is not None:
        return None
    inner, outer = key.inner(), key.outer()
    inner.update(prefix.encode())
    inner.update(body)
    outer.update(inner.digest())
    if scheme == "standard":
        expected = f"v1,{b2a_base64(outer.digest(), newline=False).decode()}"
    else:
        expected = f"t={stamp},v1={outer.hexdigest()}"
    if not compare_digest(expected, header):
        return None
    test = found.get("x-coffrify-test-delivery")
    is_test = test is not None and test.lower() == "true"
    return Delivery(event_id, seconds, scheme, key.index, key.encoding, body, is_test)
