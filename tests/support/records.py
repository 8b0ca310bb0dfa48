"""Records of endpoints, made in one line."""

from typing import Any

from runtime.wire import CommandSource, EndpointRecord, Limits, Scaling


def make_record(name: str = "embed", **changes: Any) -> EndpointRecord:
    """An endpoint's record; anything may be given by name."""
    record = EndpointRecord(
        name=name,
        source=CommandSource(command="serve {port}"),
        port=8080,
        health="/healthcheck",
        hardware="cpu",
        scaling=Scaling(min=0, max=1, timeout=60),
        limits=Limits(queue_seconds=60, request_seconds=60, start_seconds=10, waiting=10, body_mib=1),
        access="private",
        ingress="public",
        revision="1",
    )
    return record.model_copy(update=changes)
