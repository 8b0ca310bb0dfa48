"""The queue in one process's memory: the same moves as `ValkeyQueue`, and nothing outlives the process.

For tests, the simulator and whoever needs a queue without a server. Every move is a plain function
without an `await` in it, which is what makes it one atomic step.
"""

import asyncio
import contextlib
import time
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from runtime.queue.port import (
    DEAD_SECONDS,
    HOLD_SECONDS,
    MAX_FAULTS,
    MAX_TAKES,
    RESULT_SECONDS,
    SILENT_SECONDS,
    TOLD_SECONDS,
    Answer,
    Bounds,
    EndpointView,
    LeaseLostError,
    NewRequest,
    QueueFullError,
    ReplicaState,
    ReplicaView,
    RequestView,
    Taken,
)
from runtime.wire import RequestState, endpoint_of, is_request_id

_LEAST_PATIENCE = 1.0
"""Seconds that a request may wait at least after it was given back."""
_LONGEST_WAIT = 1.0
"""Seconds after which `wait_for_work` returns whatever happens."""
_WAKES = 64
"""Most wake-ups that lie ready for an endpoint's workers."""
_SIGNALS = 256
"""Most demand signals that lie ready for a follower; further ones are lost."""

_IDLE = frozenset({ReplicaState.READY, ReplicaState.STARTING, ReplicaState.FAILING})
_SERVING = frozenset({ReplicaState.READY, ReplicaState.BUSY})


@dataclass(slots=True)
class _Request:
    """A request and where it stands."""

    new: NewRequest
    ticket: int
    enqueued_at: float
    deadline: float
    """When it expires, if it still waits then."""
    state: RequestState = RequestState.WAITING
    takes: int = 0
    faults: int = 0
    fault: str = ""
    cancelled: bool = False
    """Cancelled while it ran: its end is CANCELLED, whatever it would have been."""
    patience: float = 0.0
    """Waiting seconds that were left when it was taken."""
    replica: str = ""
    lease_until: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    answer: Answer | None = None

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place among the waiting: by priority, then by ticket, which it keeps for ever."""
        return self.new.priority, self.ticket, self.new.id

    @property
    def keep_seconds(self) -> float:
        """How long its end is kept; a sync request's only where its gateway must be told."""
        if self.new.caller is None:
            return DEAD_SECONDS if self.state is RequestState.DEAD else RESULT_SECONDS
        silent = {RequestState.COMPLETED, RequestState.CANCELLED}
        return 0 if self.state in silent else TOLD_SECONDS

    @property
    def is_hopeless(self) -> bool:
        """Whether nobody waits for an answer any more, or none will come."""
        return self.cancelled or self.state not in {RequestState.WAITING, RequestState.RUNNING}

    def verdict(self) -> str | None:
        """Why it may not be taken again; None while it may."""
        if self.faults >= MAX_FAULTS:
            return f"the model died under it {self.faults} times, last: {self.fault}"
        if self.takes >= MAX_TAKES:
            return f"it was taken {self.takes} times and never came to an end"
        return None


class _Endpoint:
    """One endpoint's requests and replicas, and the steps that the moves are made of."""

    def __init__(self, signal: Callable[[], None]) -> None:
        self.signal = signal
        self.wakes: asyncio.Queue[None] = asyncio.Queue(_WAKES)
        self.requests: dict[str, _Request] = {}
        self.waiting: list[tuple[int, int, str]] = []
        """Ranks, first in order first."""
        self.running: dict[str, _Request] = {}
        self.ends: list[tuple[float, str]] = []
        """A heap of when to forget which request."""
        self.replicas: dict[str, ReplicaView] = {}
        self.holds: dict[str, float] = {}
        """Gateway to the moment until which its clients are known to wait."""
        self.needed: dict[int, float] = {}
        self.desired = 0
        self.ceiling: int | None = None
        self.cause = ""
        self.run_seconds: float | None = None
        self.start_seconds: float | None = None
        self.tickets = 0

    @property
    def demand(self) -> int:
        return len(self.waiting) + len(self.running)

    @property
    def waiting_bytes(self) -> int:
        return sum(self.requests[request_id].new.size for _, _, request_id in self.waiting)

    def wake(self) -> None:
        """Let one waiting worker look, or the next that comes to wait."""
        with contextlib.suppress(asyncio.QueueFull):
            self.wakes.put_nowait(None)

    def admit(self, new: NewRequest, bounds: Bounds) -> None:
        waiting = len(self.waiting)
        if waiting >= bounds.waiting:
            raise QueueFullError("waiting", waiting)
        if self.waiting_bytes + new.size > bounds.waiting_bytes:
            raise QueueFullError("bytes", waiting)

    def add(self, new: NewRequest, now: float) -> int:
        self.tickets += 1
        request = _Request(new, self.tickets, enqueued_at=now, deadline=now + new.queue_seconds)
        self.requests[new.id] = request
        insort(self.waiting, request.rank)
        if new.caller is not None:
            self.hold(new.caller.gateway, now + HOLD_SECONDS)
        if self.demand > self.desired and (self.ceiling is None or self.desired < self.ceiling):
            self.signal()
        self.wake()
        return self.position(request)

    def position(self, request: _Request) -> int:
        return bisect_left(self.waiting, request.rank)

    def hold(self, gateway: str, until: float) -> None:
        self.holds[gateway] = max(until, self.holds.get(gateway, until))

    def is_abandoned(self, request: _Request, now: float) -> bool:
        caller = request.new.caller
        return caller is not None and self.holds.get(caller.gateway, now) <= now

    def next_request(self, now: float) -> _Request | None:
        """The first waiting request that somebody waits for; those before it are dropped."""
        while self.waiting:
            request = self.requests[self.waiting[0][-1]]
            if not self.is_abandoned(request, now):
                return request
            self.end(request, RequestState.CANCELLED, now)
        return None

    def lease(self, request: _Request, replica: ReplicaView, now: float, lease_seconds: float) -> None:
        self.waiting.remove(request.rank)
        self.running[request.new.id] = request
        request.state = RequestState.RUNNING
        request.takes += 1
        request.patience = request.deadline - now
        request.replica = replica.id
        request.lease_until = now + lease_seconds
        request.started_at = now
        self.replicas[replica.id] = replace(
            replica, state=ReplicaState.BUSY, request=request.new.id, idle_since=None, beat_at=now
        )

    def leased(self, request_id: str, attempt: int) -> _Request:
        request = self.running.get(request_id)
        if request is None or request.takes != attempt:
            raise LeaseLostError(f"attempt {attempt} of request {request_id} holds it no longer")
        return request

    def free(self, request: _Request, now: float, *, broken: bool) -> None:
        """Take a request out of its replica's hands; a broken one must say `ready` again."""
        replica = self.replicas.get(request.replica)
        if replica is None or replica.request != request.new.id:
            return
        state, idle_since = replica.state, replica.idle_since
        if broken:
            state, idle_since = ReplicaState.STARTING, None
        elif state is ReplicaState.BUSY:
            state, idle_since = ReplicaState.READY, now
        self.replicas[replica.id] = replace(replica, state=state, idle_since=idle_since, request=None)

    def put_back(self, request: _Request, now: float) -> RequestState:
        """Let a running request wait again in its old place, unless it may not run again."""
        if request.cancelled:
            self.end(request, RequestState.CANCELLED, now)
        elif (verdict := request.verdict()) is not None:
            self.end(request, RequestState.DEAD, now, error=verdict)
        else:
            del self.running[request.new.id]
            request.state = RequestState.WAITING
            request.deadline = now + max(request.patience, _LEAST_PATIENCE)
            insort(self.waiting, request.rank)
            self.signal()
            self.wake()
        return request.state

    def end(
        self,
        request: _Request,
        state: RequestState,
        now: float,
        *,
        error: str | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Close a waiting or running request; what it needed until now is written down."""
        self.note_need(self.demand, now)
        if self.running.pop(request.new.id, None) is None:
            self.waiting.remove(request.rank)
        request.state, request.error, request.answer = state, error, answer
        request.finished_at = now
        request.new = replace(request.new, body=b"", body_bytes=request.new.size)
        if request.keep_seconds:
            heappush(self.ends, (now + request.keep_seconds, request.new.id))
        else:
            del self.requests[request.new.id]

    def note_need(self, level: int, now: float) -> None:
        self.needed[max(level, 1)] = now

    def sweep(self, now: float) -> None:
        self.forget_ends(now)
        self.expire_waiting(now)
        self.take_over(now)
        self.forget_silent(now)
        self.holds = {gateway: until for gateway, until in self.holds.items() if until > now}

    def forget_ends(self, now: float) -> None:
        while self.ends and self.ends[0][0] <= now:
            del self.requests[heappop(self.ends)[1]]

    def expire_waiting(self, now: float) -> None:
        for _, _, request_id in list(self.waiting):
            request = self.requests[request_id]
            if request.deadline <= now:
                waited = now - request.enqueued_at
                error = f"waited {waited:.0f} s and no replica became free for it"
                self.end(request, RequestState.EXPIRED, now, error=error)

    def take_over(self, now: float) -> None:
        """Put back what dead workers held, and forget their replicas."""
        for request in list(self.running.values()):
            if request.lease_until > now:
                continue
            holder = self.replicas.get(request.replica)
            if holder is not None and holder.request == request.new.id:
                del self.replicas[holder.id]
            self.put_back_or_drop(request, now)

    def put_back_or_drop(self, request: _Request, now: float) -> None:
        if self.is_abandoned(request, now) and request.verdict() is None:
            self.end(request, RequestState.CANCELLED, now)
        else:
            self.put_back(request, now)

    def forget_silent(self, now: float) -> None:
        holders = {request.replica for request in self.running.values()}
        for replica in list(self.replicas.values()):
            if now - replica.beat_at > SILENT_SECONDS and replica.id not in holders:
                del self.replicas[replica.id]

    def report_ready(self, replica: ReplicaView, now: float) -> None:
        """A replica's model answers: it may take. Its first time also teaches how long a start takes."""
        self.replicas[replica.id] = replace(
            replica, state=ReplicaState.READY, idle_since=now, ready_at=replica.ready_at or now, detail=""
        )
        if replica.ready_at is None:
            serving = sum(1 for other in self.replicas.values() if other.state in _SERVING)
            self.note_need(serving, now)
            self.start_seconds = _average(self.start_seconds, now - replica.joined_at)
        if self.waiting:
            self.wake()


class MemoryQueue:
    """A `Queue` whose clock is given; only `wait_for_work` waits in real time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._endpoints: dict[str, _Endpoint] = {}
        self._followers: set[asyncio.Queue[str]] = set()

    async def enqueue(self, request: NewRequest, bounds: Bounds) -> int:
        """See `Queue.enqueue`."""
        now, at = self._clock(), self._at(endpoint_of(request.id))
        at.sweep(now)
        at.admit(request, bounds)
        return at.add(request, now)

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
        new = request.new
        waited = now - request.enqueued_at
        return Taken(new.id, request.takes, new.head, new.body, new.body_ref, new.caller, waited)

    async def renew(self, endpoint: str, request_id: str, attempt: int, lease_seconds: float) -> None:
        """See `Queue.renew`."""
        now, at = self._clock(), self._at(endpoint)
        request = at.leased(request_id, attempt)
        request.lease_until = now + lease_seconds
        holder = at.replicas.get(request.replica)
        if holder is not None:
            at.replicas[holder.id] = replace(holder, beat_at=now)

    async def finish(self, endpoint: str, request_id: str, attempt: int, answer: Answer | None) -> None:
        """See `Queue.finish`."""
        now, at = self._clock(), self._at(endpoint)
        request = at.leased(request_id, attempt)
        at.free(request, now, broken=False)
        if request.started_at is not None:
            at.run_seconds = _average(at.run_seconds, now - request.started_at)
        if request.cancelled:
            at.end(request, RequestState.CANCELLED, now)
        else:
            at.end(request, RequestState.COMPLETED, now, answer=answer)

    async def fail(self, endpoint: str, request_id: str, attempt: int, error: str) -> None:
        """See `Queue.fail`."""
        now, at = self._clock(), self._at(endpoint)
        request = at.leased(request_id, attempt)
        at.free(request, now, broken=True)
        if request.cancelled:
            at.end(request, RequestState.CANCELLED, now)
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
            self._at(endpoint_of(request_id)).end(request, RequestState.CANCELLED, self._clock())
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
        self._at(endpoint).sweep(self._clock())

    async def look(self, endpoint: str) -> EndpointView:
        """See `Queue.look`; replicas are sorted by id."""
        now, at = self._clock(), self._at(endpoint)
        at.forget_ends(now)
        ended = [at.requests[request_id].state for _, request_id in at.ends]
        return EndpointView(
            now=now,
            waiting=len(at.waiting),
            running=len(at.running),
            waiting_bytes=at.waiting_bytes,
            oldest_enqueued_at=min(
                (at.requests[request_id].enqueued_at for _, _, request_id in at.waiting), default=None
            ),
            dead=ended.count(RequestState.DEAD),
            desired=at.desired,
            cause=at.cause,
            run_seconds=at.run_seconds,
            start_seconds=at.start_seconds,
            needed=dict(at.needed),
            replicas=tuple(at.replicas[name] for name in sorted(at.replicas)),
        )

    async def find(self, request_id: str) -> RequestView | None:
        """See `Queue.find`."""
        request = self._known(request_id)
        if request is None:
            return None
        waits = request.state is RequestState.WAITING
        return RequestView(
            id=request_id,
            state=request.state,
            position=self._at(endpoint_of(request_id)).position(request) if waits else None,
            attempt=request.takes,
            enqueued_at=request.enqueued_at,
            started_at=request.started_at,
            finished_at=request.finished_at,
            error=request.error,
            answer=request.answer,
        )

    async def join(self, endpoint: str, replica: str, revision: str) -> str | None:
        """See `Queue.join`."""
        now, at = self._clock(), self._at(endpoint)
        orphan = next((request for request in at.running.values() if request.replica == replica), None)
        at.replicas[replica] = ReplicaView(
            id=replica,
            state=ReplicaState.STARTING,
            revision=revision,
            joined_at=now,
            ready_at=None,
            idle_since=None,
            beat_at=now,
            request=None,
            detail="",
        )
        if orphan is None:
            return None
        at.put_back_or_drop(orphan, now)
        return orphan.new.id

    async def beat(self, endpoint: str, replica: str, state: ReplicaState, detail: str = "") -> bool:
        """See `Queue.beat`."""
        now, at = self._clock(), self._at(endpoint)
        known = at.replicas.get(replica)
        if known is None:
            return False
        known = at.replicas[replica] = replace(known, beat_at=now)
        if state in {ReplicaState.FAILING, ReplicaState.STARTING}:
            at.replicas[replica] = replace(known, state=state, detail=detail, idle_since=None)
        elif state is ReplicaState.READY and known.state in _IDLE - {ReplicaState.READY}:
            at.report_ready(known, now)
        return True

    async def leave(self, endpoint: str, replica: str) -> None:
        """See `Queue.leave`."""
        self._at(endpoint).replicas.pop(replica, None)

    async def retire(self, endpoint: str, replicas: Sequence[str]) -> list[str]:
        """See `Queue.retire`."""
        known = self._at(endpoint).replicas
        idle = [name for name in replicas if name in known and known[name].state in _IDLE]
        known.update({name: replace(known[name], state=ReplicaState.RETIRED) for name in idle})
        return idle

    async def unretire(self, endpoint: str, replicas: Sequence[str]) -> None:
        """See `Queue.unretire`."""
        at = self._at(endpoint)
        for replica in (at.replicas[name] for name in replicas if name in at.replicas):
            if replica.state is ReplicaState.RETIRED:
                state = ReplicaState.STARTING if replica.ready_at is None else ReplicaState.READY
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

    def _at(self, endpoint: str) -> _Endpoint:
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = _Endpoint(lambda: self._tell(endpoint))
        return self._endpoints[endpoint]

    def _tell(self, endpoint: str) -> None:
        for heard in self._followers:
            with contextlib.suppress(asyncio.QueueFull):
                heard.put_nowait(endpoint)

    def _known(self, request_id: str) -> _Request | None:
        if not is_request_id(request_id):
            return None
        at = self._at(endpoint_of(request_id))
        at.forget_ends(self._clock())
        return at.requests.get(request_id)


def _average(old: float | None, new: float) -> float:
    return new if old is None else 0.8 * old + 0.2 * new
