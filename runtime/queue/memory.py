"""The queue in one process's memory: the same moves as `ValkeyQueue`, and nothing outlives the process.

For tests, the simulator and whoever needs a queue without a server. No move awaits anything between its
first step and its last, which is what makes it one atomic step.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from runtime.queue.memory_endpoint import Endpoint, average
from runtime.queue.memory_request import Request
from runtime.queue.port import (
    Allowance,
    Answer,
    Bounds,
    EndpointView,
    Enqueued,
    NewRequest,
    ReplicaState,
    ReplicaView,
    RequestView,
    Taken,
)
from runtime.queue.rate import Bucket
from runtime.wire import RequestState, endpoint_of, is_request_id

_LONGEST_WAIT = 1.0
"""Seconds after which `wait_for_work` returns whatever happens."""
_SIGNALS = 256
"""Most demand signals that lie ready for a follower; further ones are lost."""

_UNREADY = frozenset({ReplicaState.STARTING, ReplicaState.FAILING})


class MemoryQueue:
    """A `Queue` whose clock is given; only `wait_for_work` waits in real time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._endpoints: dict[str, Endpoint] = {}
        self._buckets: dict[str, Bucket] = {}
        self._followers: set[asyncio.Queue[str]] = set()

    async def enqueue(self, request: NewRequest, bounds: Bounds) -> Enqueued:
        """See `Queue.enqueue`."""
        now, at = self._clock(), self._at(endpoint_of(request.id))
        known = at.requests.get(request.id)
        if known is not None:  # the answer to an earlier try was lost on its way
            return at.told(known, is_repeat=False)
        at.sweep(now)
        first = at.first_with_key(request)
        if first is not None:
            return at.told(first, is_repeat=True)
        at.admit(request, bounds)
        return at.told(at.add(request, now), is_repeat=False)

    async def take(self, endpoint: str, replica: str, lease_seconds: float) -> Taken | None:
        """See `Queue.take`."""
        now, at = self._clock(), self._at(endpoint)
        at.sweep(now)
        taker = at.replicas.get(replica)
        if taker is None or taker.state is not ReplicaState.READY:
            return None
        request = at.next_request(now)
        if request is None:
            return None
        at.lease(request, taker, now, lease_seconds)
        return request.taken(now)

    async def renew(self, endpoint: str, request_id: str, attempt: int, lease_seconds: float) -> None:
        """See `Queue.renew`."""
        now, at = self._clock(), self._at(endpoint)
        request = at.leased(request_id, attempt)
        request.lease_until = now + lease_seconds
        holder = at.replicas.get(request.replica)
        if holder is not None:
            at.replicas[holder.id] = replace(holder, beat_at=now)

    async def finish(
        self,
        endpoint: str,
        request_id: str,
        attempt: int,
        answer: Answer | None,
        *,
        next_lease_seconds: float | None = None,
    ) -> Taken | None:
        """See `Queue.finish`."""
        now, at = self._clock(), self._at(endpoint)
        request = at.leased(request_id, attempt)
        at.free(request, now, broken=False)
        if request.started_at is not None:
            at.run_seconds = average(at.run_seconds, now - request.started_at)
        if request.cancelled or not request.new.keeps_answer:
            at.drop(request, now)
        else:
            at.end(request, RequestState.COMPLETED, now, answer=answer)
        if next_lease_seconds is None:
            return None
        return await self.take(endpoint, request.replica, next_lease_seconds)

    async def fail(self, endpoint: str, request_id: str, attempt: int, error: str) -> None:
        """See `Queue.fail`."""
        now, at = self._clock(), self._at(endpoint)
        request = at.leased(request_id, attempt)
        at.free(request, now, broken=True)
        if request.cancelled:
            at.cancel(request, now)
        else:
            at.end(request, RequestState.FAILED, now, error=error)

    async def give_back(
        self, endpoint: str, request_id: str, attempt: int, *, fault: str | None
    ) -> RequestState:
        """See `Queue.give_back`."""
        now, at = self._clock(), self._at(endpoint)
        request = at.leased(request_id, attempt)
        at.free(request, now, broken=fault is not None)
        if fault is not None:
            request.faults += 1
            request.fault = fault
        return at.put_back(request, now)

    async def cancel(self, request_id: str) -> RequestState | None:
        """See `Queue.cancel`."""
        request = self._known(request_id)
        if request is None:
            return None
        if request.state is RequestState.WAITING:
            self._at(endpoint_of(request_id)).cancel(request, self._clock())
        elif request.state is RequestState.RUNNING:
            request.cancelled = True
        return request.state

    async def hold(
        self, endpoint: str, gateway: str, request_ids: Sequence[str], seconds: float
    ) -> list[str]:
        """See `Queue.hold`."""
        now, at = self._clock(), self._at(endpoint)
        at.hold(gateway, now + seconds)
        at.forget_ends(now)
        known = {name: at.requests[name] for name in request_ids if name in at.requests}
        return [name for name in request_ids if name not in known or known[name].is_hopeless]

    async def sweep(self, endpoint: str) -> None:
        """See `Queue.sweep`."""
        now, at = self._clock(), self._at(endpoint)
        at.sweep(now)
        at.drop_abandoned(now)

    async def look(self, endpoint: str) -> EndpointView:
        """See `Queue.look`."""
        now, at = self._clock(), self._at(endpoint)
        at.forget_ends(now)
        return EndpointView(
            now=now,
            waiting=len(at.waiting),
            running=len(at.running),
            waiting_bytes=at.waiting_bytes,
            oldest_enqueued_at=min(
                (at.requests[request_id].enqueued_at for _, _, request_id in at.waiting), default=None
            ),
            dead=len(at.dead()),
            desired=at.desired,
            cause=at.cause,
            run_seconds=at.run_seconds,
            start_seconds=at.start_seconds,
            wait_seconds=at.wait_seconds,
            needed=dict(at.needed),
            replicas=tuple(at.replicas[name] for name in sorted(at.replicas)),
        )

    async def find(self, request_id: str) -> RequestView | None:
        """See `Queue.find`."""
        request = self._known(request_id)
        if request is None:
            return None
        return request.view(self._at(endpoint_of(request_id)).position(request), self._clock())

    async def dead_letters(self, endpoint: str, limit: int = 100) -> list[RequestView]:
        """See `Queue.dead_letters`."""
        now, at = self._clock(), self._at(endpoint)
        at.forget_ends(now)
        return [request.view(None, now) for request in at.dead()[:limit]]

    async def replay(self, request_id: str) -> bool:
        """See `Queue.replay`."""
        request = self._known(request_id)
        if request is None or request.state is not RequestState.DEAD:
            return False
        self._at(endpoint_of(request_id)).replay(request, self._clock())
        return True

    async def purge(self, endpoint: str, request_id: str | None = None) -> list[str]:
        """See `Queue.purge`."""
        at = self._at(endpoint)
        at.forget_ends(self._clock())
        purged = [request for request in at.dead() if request_id in {None, request.new.id}]
        for request in purged:
            at.forget(request)
        return [request.new.id for request in purged]

    async def allow(self, bucket: str, count: int, seconds: float) -> Allowance:
        """See `Queue.allow`."""
        now = self._clock()
        self._buckets = {name: known for name, known in self._buckets.items() if known.full_at > now}
        return self._buckets.setdefault(bucket, Bucket()).allow(count, seconds, now)

    async def join(self, endpoint: str, replica: str, revision: str) -> str | None:
        """See `Queue.join`."""
        now, at = self._clock(), self._at(endpoint)
        at.forget_ends(now)
        is_retired = replica in at.replicas and at.replicas[replica].state is ReplicaState.RETIRED
        at.forget_replica(replica, now)
        held, _ = at.lost.pop(replica, (None, now))
        if held is not None:
            at.formers[replica] = held
        at.replicas[replica] = ReplicaView(
            id=replica,
            state=ReplicaState.RETIRED if is_retired else ReplicaState.STARTING,
            revision=revision,
            joined_at=now,
            ready_at=None,
            idle_since=None,
            beat_at=now,
            request=None,
            detail="",
        )
        orphan = at.running.get(held) if held is not None else None
        if orphan is not None and orphan.replica == replica:
            at.put_back(orphan, now)
        return held

    async def beat(self, endpoint: str, replica: str, state: ReplicaState, detail: str = "") -> bool:
        """See `Queue.beat`."""
        now, at = self._clock(), self._at(endpoint)
        known = at.replicas.get(replica)
        if known is None:
            return False
        known = at.replicas[replica] = replace(known, beat_at=now)
        # A worker only knows that its model is starting; who saw it crash again and again knows more.
        knows_more = known.state is ReplicaState.FAILING and state is ReplicaState.STARTING
        stays = known.state is ReplicaState.RETIRED or knows_more
        if state in _UNREADY and not stays:
            at.replicas[replica] = replace(known, state=state, detail=detail, idle_since=None)
        elif state is ReplicaState.READY and known.state in _UNREADY:
            at.report_ready(known, now)
        return True

    async def leave(self, endpoint: str, replica: str) -> None:
        """See `Queue.leave`."""
        self._at(endpoint).forget_replica(replica, self._clock())

    async def retire(self, endpoint: str, replicas: Sequence[str]) -> list[str]:
        """See `Queue.retire`."""
        known = self._at(endpoint).replicas
        idle = [name for name in replicas if name in known and known[name].request is None]
        known.update({name: replace(known[name], state=ReplicaState.RETIRED) for name in idle})
        return idle

    async def unretire(self, endpoint: str, replicas: Sequence[str]) -> None:
        """See `Queue.unretire`."""
        at = self._at(endpoint)
        for replica in (at.replicas[name] for name in replicas if name in at.replicas):
            if replica.state is ReplicaState.RETIRED:
                state = ReplicaState.STARTING if replica.idle_since is None else ReplicaState.READY
                at.replicas[replica.id] = replace(replica, state=state)
        if at.waiting:
            at.wake()

    async def set_desired(
        self, endpoint: str, desired: int, ceiling: int, cause: str, hold_seconds: float
    ) -> None:
        """See `Queue.set_desired`."""
        now, at = self._clock(), self._at(endpoint)
        at.desired, at.ceiling, at.cause = desired, ceiling, cause
        at.needed = {level: last for level, last in at.needed.items() if now - last <= hold_seconds}

    async def nudge(self, endpoint: str) -> None:
        """See `Queue.nudge`."""
        at = self._at(endpoint)
        at.note_need(1, self._clock())
        if at.desired == 0:
            at.signal()

    async def wait_for_work(self, endpoint: str, seconds: float) -> None:
        """See `Queue.wait_for_work`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, _LONGEST_WAIT)):
                await self._at(endpoint).wakes.get()

    async def demands(self) -> AsyncIterator[str]:
        """See `Queue.demands`; it hears what happens from its first step on."""
        heard: asyncio.Queue[str] = asyncio.Queue(_SIGNALS)
        self._followers.add(heard)
        try:
            while True:
                yield await heard.get()
        finally:
            self._followers.discard(heard)

    async def ping(self) -> None:
        """See `Queue.ping`; memory always answers."""

    async def close(self) -> None:
        """See `Queue.close`; there is nothing to close."""

    def _at(self, endpoint: str) -> Endpoint:
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = Endpoint(lambda: self._tell(endpoint))
        return self._endpoints[endpoint]

    def _tell(self, endpoint: str) -> None:
        for heard in self._followers:
            with contextlib.suppress(asyncio.QueueFull):
                heard.put_nowait(endpoint)

    def _known(self, request_id: str) -> Request | None:
        if not is_request_id(request_id):
            return None
        at = self._at(endpoint_of(request_id))
        at.forget_ends(self._clock())
        return at.requests.get(request_id)
