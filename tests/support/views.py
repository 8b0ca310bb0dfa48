"""What a queue tells of an endpoint that nothing has happened to."""

from runtime.queue.port import EndpointView


def empty_view(now: float) -> EndpointView:
    """Nothing waits, runs or stands."""
    return EndpointView(
        now=now,
        waiting=0,
        running=0,
        waiting_bytes=0,
        oldest_enqueued_at=None,
        dead=0,
        desired=0,
        cause="",
        run_seconds=None,
        start_seconds=None,
    )
