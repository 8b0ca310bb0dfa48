"""OpenTelemetry spans of requests; the extra `otel` must be installed for them."""

from pathlib import Path
from typing import Any

import pytest
from support.gateway_stage import gateway_stage, record

from runtime.gateway.tracing import NO_TRACING, OpenTelemetryTracing, make_tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = "b7ad6b7169203331"
HEADERS = {"x-octoai-async": "1", "traceparent": f"00-{TRACE}-{CLIENT}-01", "tracestate": "a=b"}


def test_no_collector_no_spans() -> None:
    """And nothing of OpenTelemetry is imported."""
    assert make_tracing({}) is NO_TRACING


@pytest.fixture
def exporter() -> Any:
    """Keeps spans in memory."""
    memory = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="the extra otel is not installed"
    )
    return memory.InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: Any) -> OpenTelemetryTracing:
    """Makes spans for the exporter."""
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    return OpenTelemetryTracing(provider, provider.shutdown)


@pytest.mark.slow
async def test_span_stands_between_client_and_model(
    tmp_path: Path, tracing: OpenTelemetryTracing, exporter: Any
) -> None:
    """Child of the client's, parent of the model's, of one trace."""
    async with gateway_stage(tmp_path, tracing=tracing) as stage:
        answer = await stage.client.post("/e/embed/x", headers=HEADERS)
        taken = await stage.take()

    (span,) = exporter.get_finished_spans()
    headers = dict(taken.head.headers)
    assert span.name == "POST /e/embed"
    assert f"{span.parent.span_id:016x}" == CLIENT
    assert headers["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert headers["tracestate"] == "a=b"
    assert span.attributes["http.response.status_code"] == 201
    assert span.attributes["moorage.request_id"] == answer.json()["response_id"]


@pytest.mark.slow
async def test_span_of_a_fault_is_an_error(
    tmp_path: Path, tracing: OpenTelemetryTracing, exporter: Any
) -> None:
    """With its status; a refusal of the client's own making is none."""
    async with gateway_stage(tmp_path, record(scaling={"max": 0}), tracing=tracing) as stage:
        await stage.client.post("/e/embed/x")
        await stage.client.post("/e/embed/x", headers={"x-priority": "first"})

    spans = exporter.get_finished_spans()
    statuses = [(span.attributes["http.response.status_code"], span.status.is_ok) for span in spans]
    assert statuses == [(503, False), (400, True)]
