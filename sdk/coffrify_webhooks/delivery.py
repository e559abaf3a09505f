"""What arrived: one HTTP attempt to deliver an event, and what of it is verified."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Scheme: TypeAlias = Literal["standard", "coffrify"]

__all__ = ["Delivery"]


class Delivery:
    """A verified delivery.

    A handler with a second parameter annotated `Delivery` is given it. All of it is covered by
    the signature, except `test`.
    """

    __slots__ = ("body", "encoding", "id", "key", "scheme", "test", "timestamp")

    id: "str | None"
    """`webhook-id` if the standard signature held; else the body's `id`, None until parsed."""
    timestamp: int
    """When the sender signed this attempt, in seconds since 1970."""
    scheme: "Scheme"
    """The signature that held: "standard" (Standard Webhooks) or "coffrify" (the vendor's own)."""
    key: int
    """Which secret matched: its index in the list of secrets."""
    encoding: str
    """How that secret was read: "text", "hex" or "base64"."""
    body: bytes
    """The body exactly as it arrived."""
    test: bool
    """Whether the sender called it a test delivery. No signature covers this: information only."""

    def __init__(  # one positional call on the hot path
        self,
        id: str | None,  # the field's own word
        timestamp: int,
        scheme: "Scheme",
        key: int,
        encoding: str,
        body: bytes,
        test: bool = False,
    ) -> None:
        self.id = id
        self.timestamp = timestamp
        self.scheme = scheme
        self.key = key
        self.encoding = encoding
        self.body = body
        self.test = test

    def __repr__(self) -> str:
        return (
            f"Delivery(id={self.id!r}, timestamp={self.timestamp}, scheme={self.scheme!r}, "
            f"key={self.key}, test={self.test}, body=<{len(self.body)} bytes>)"
        )
