"""What the scripts answer, turned into the port's values."""

import json
from typing import Any

from runtime.queue.port import Answer, Caller, EndpointView, ReplicaState, ReplicaView, RequestView, Taken
from runtime.wire import AnswerHead, RequestHead, RequestState


def encode_caller(caller: Caller | None) -> str:
    """One JSON array; empty for an async request."""
    return json.dumps([caller.gateway, caller.url, caller.secret]) if caller else ""


def decode_caller(raw: bytes) -> Caller | None:
    """The caller that `encode_caller` wrote."""
    return Caller(*json.loads(raw)) if raw else None


def decode_taken(found: list[Any]) -> Taken:
    """The value of what `take_next` hands out."""
    request_id, attempt, waited, head, body, ref, caller, gateway = found
    return Taken(
        id=request_id.decode(),
        attempt=attempt,
        head=RequestHead.decode(head),
        body=body,
        body_ref=ref.decode() or None,
        caller=decode_caller(caller),
        waited_seconds=int(waited) / 1000,
        keeps_answer=not gateway,
    )


def _seconds(ms: bytes | None) -> float | None:
    return None if ms is None else float(ms) / 1000


def request_view(found: list[Any]) -> RequestView:
    """The value of one request as the scripts describe it (`describe` in _keys.lua)."""
    _, now, position, state, attempt, enqueued, started, finished, error, priority, caller, ref, *answer = (
        found
    )
    last = next(ms for ms in (started, finished, now) if ms is not None)
    return RequestView(
        id=found[0].decode(),
        state=RequestState(state.decode()),
        position=position,
        attempt=int(attempt),
        enqueued_at=float(enqueued) / 1000,
        started_at=_seconds(started),
        finished_at=_seconds(finished),
        error=error.decode() or None if error is not None else None,
        answer=_answer(*answer),
        priority=int(priority),
        waited_seconds=(float(last) - float(enqueued)) / 1000,
        caller_kind="sync" if caller else "async",
        body_ref=ref.decode() or None,
    )


def _answer(head: bytes | None, body: bytes | None, ref: bytes | None) -> Answer | None:
    if head is None:
        return None
    return Answer(AnswerHead.decode(head), body or b"", ref.decode() or None if ref else None)


def endpoint_view(found: list[Any]) -> EndpointView:
    """The value of look.lua's answer."""
    now, waiting, running, oldest, dead, meta, needed, replicas = found
    size, desired, cause, run_ms, start_ms, wait_ms = meta
    return EndpointView(
        now=float(now) / 1000,
        waiting=waiting,
        running=running,
        waiting_bytes=int(size or 0),
        oldest_enqueued_at=_seconds(oldest),
        dead=dead,
        desired=int(desired or 0),
        cause=(cause or b"").decode(),
        run_seconds=_seconds(run_ms),
        start_seconds=_seconds(start_ms),
        wait_seconds=_seconds(wait_ms),
        needed={int(level): float(ms) / 1000 for level, ms in zip(needed[::2], needed[1::2], strict=True)},
        replicas=tuple(_replica_view(replica) for replica in sorted(replicas) if replica[2] is not None),
    )


def _replica_view(found: list[Any]) -> ReplicaView:
    replica, beat, state, revision, joined, ready, idle, request, detail = found
    return ReplicaView(
        id=replica.decode(),
        state=ReplicaState(state.decode()),
        revision=revision.decode(),
        joined_at=float(joined) / 1000,
        ready_at=_seconds(ready),
        idle_since=_seconds(idle),
        beat_at=float(beat) / 1000,
        request=request.decode() or None,
        detail=detail.decode(),
    )
