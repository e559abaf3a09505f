"""OpenTelemetry: spans and metrics of what a receiver does; needs the extra `otel`."""

from coffrify_webhooks.extras import needs

with needs("otel"):
    from .instrumentation import Instrumentation, instrument

__all__ = ["Instrumentation", "instrument"]
