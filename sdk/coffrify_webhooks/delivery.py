"""What arrived: one HTTP attempt to deliver an event, and what of it is verified."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    TraceContext: TypeAlias = dict[str, str]

    Scheme: TypeAlias = Literal["standard", "coffrify"]

__all__ = ["Delivery"]


class Delivery:
    """A verified delivery.

    A handler with a second parameter annotated `Delivery` is given it. All of it is covered by
    the signature, except `test` and `trace_context`.
    """

    __slots__ = (
        "_dispatch_context",
        "_trace_context",
        "body",
        "encoding",
        "id",
        "key",
        "scheme",
        "test",
        "timestamp",
    )

    id: "str | None"
    """`webhook-id` if the standard signature is valid; else the body's `id`, None until parsed."""
    timestamp: int
    """When the sender signed this attempt, in seconds since 1970."""
    scheme: "Scheme"
    """The valid signature: "standard" (Standard Webhooks) or "coffrify" (the vendor's own)."""
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

    # Not set where nobody observes: two fields more would cost each delivery a tenth of the floor.

    @property
    def trace_context(self) -> "TraceContext":
        """The sender's `traceparent` and `tracestate`, where an observer is told of operations.

        No signature covers them: good for a link, and for nothing else.
        """
        found: TraceContext | None = getattr(self, "_trace_context", None)
        return {} if found is None else found

    @trace_context.setter
    def trace_context(self, found: "TraceContext") -> None:
        self._trace_context: TraceContext = found

    @property
    def dispatch_context(self) -> "TraceContext":
        """Context that observers of the process which handed the event to an engine pass on.

        An observer may add to it when the operation `dispatch` starts; the engine's message
        carries it, and `execute` shows it in the worker. Short texts only, since they become JSON.
        """
        found: TraceContext | None = getattr(self, "_dispatch_context", None)
        return {} if found is None else found

    @dispatch_context.setter
    def dispatch_context(self, found: "TraceContext") -> None:
        self._dispatch_context: TraceContext = found

    def __repr__(self) -> str:
        return (
            f"Delivery(id={self.id!r}, timestamp={self.timestamp}, scheme={self.scheme!r}, "
            f"key={self.key}, test={self.test}, body=<{len(self.body)} bytes>)"
        )
