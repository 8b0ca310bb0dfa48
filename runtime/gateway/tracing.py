"""Spans of requests, where OpenTelemetry is installed (the extra `otel`) and told where to send them.

Without it a client's `traceparent` passes to the model as it came. With it the gateway's span stands in
between: child of the client's, parent of the model's.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from starlette.types import Message

from runtime.gateway.intake import Call

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

EXPORTER = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Environment variable of OpenTelemetry; only where it is set are spans made."""
_CONTEXT = frozenset({b"traceparent", b"tracestate"})
_SERVER_FAULT = 500


class Tracing(Protocol):
    """Makes spans."""

    def span(self, call: Call) -> AbstractContextManager[None]:
        """Inside, the call is served; afterwards its span ends."""
        ...

    def close(self) -> None:
        """Send what was not sent yet; may take seconds."""
        ...


class NoTracing:
    """Makes none."""

    def span(self, _call: Call) -> AbstractContextManager[None]:
        """See `Tracing.span`."""
        return nullcontext()

    def close(self) -> None:
        """See `Tracing.close`."""


NO_TRACING = NoTracing()


class OpenTelemetryTracing:
    """Makes one server span a request to an endpoint."""

    def __init__(self, provider: "TracerProvider", close: Callable[[], None]) -> None:
        self._tracer: Tracer = provider.get_tracer("moorage.gateway")
        self.close = close

    @contextmanager
    def span(self, call: Call) -> Iterator[None]:
        """See `Tracing.span`."""
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - installed only with the extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - the same
            TraceContextTextMapPropagator,
        )

        propagator, incoming = TraceContextTextMapPropagator(), call.incoming
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in incoming.passed_on}
        send = call.send
        with self._tracer.start_as_current_span(
            f"{incoming.method} /e/{call.served.name}",
            context=propagator.extract(given),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": incoming.method,
                "http.route": f"/e/{call.served.name}",
                "url.scheme": incoming.scheme,
                "moorage.endpoint": call.served.name,
                "moorage.ingress": call.ingress,
            },
        ) as span:
            carrier: dict[str, str] = {}
            propagator.inject(carrier)
            kept = [pair for pair in incoming.passed_on if pair[0] not in _CONTEXT]
            incoming.passed_on = kept + [(name.encode(), value.encode()) for name, value in carrier.items()]

            async def send_noting_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= _SERVER_FAULT:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            call.send = send_noting_status
            try:
                yield
            finally:
                span.set_attribute("moorage.request_id", call.id)


def make_tracing(environment: Mapping[str, str]) -> Tracing:
    """Spans for the collector that the environment names, in OpenTelemetry's own variables; else none.

    Raises:
        ImportError: a collector is named, and the extra `otel` is not installed.
    """
    if not environment.get(EXPORTER):
        return NO_TRACING
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - only with the extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same

    name = environment.get("OTEL_SERVICE_NAME", "moorage-gateway")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTracing(provider, provider.shutdown)
