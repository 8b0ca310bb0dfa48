"""One endpoint's requests and replicas in memory, and the steps that the queue's moves are made of.

Plain functions of the state and the moment; `MemoryQueue` gives them their clock and their waiting.
"""

import asyncio
import contextlib
from bisect import bisect_left, insort
from collections.abc import Callable
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
    LeaseLostError,
    NewRequest,
    QueueFullError,
    ReplicaState,
    ReplicaView,
)
from runtime.wire import RequestState

_LEAST_PATIENCE = 1.0
"""Seconds that a request may wait at least after it was given back."""
_WAKES = 64
"""Most wake-ups that lie ready for an endpoint's workers."""

_SERVING = frozenset({ReplicaState.READY, ReplicaState.BUSY})


@dataclass(slots=True)
class Request:
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


class Endpoint:
    """One endpoint's requests and replicas, and the steps that the moves are made of."""

    def __init__(self, signal: Callable[[], None]) -> None:
        self.signal = signal
        self.wakes: asyncio.Queue[None] = asyncio.Queue(_WAKES)
        self.requests: dict[str, Request] = {}
        self.waiting: list[tuple[int, int, str]] = []
        """Ranks, first in order first."""
        self.running: dict[str, Request] = {}
        self.ends: list[tuple[float, str]] = []
        """A heap of when to forget which request."""
        self.replicas: dict[str, ReplicaView] = {}
        self.lost: dict[str, tuple[str, float]] = {}
        """Forgotten replica to the request that its model may still run, and when it was forgotten."""
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
        """Requests waiting and running."""
        return len(self.waiting) + len(self.running)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of all that waits."""
        return sum(self.requests[request_id].new.size for _, _, request_id in self.waiting)

    def wake(self) -> None:
        """Let one waiting worker look, or the next that comes to wait."""
        with contextlib.suppress(asyncio.QueueFull):
            self.wakes.put_nowait(None)

    def forget_wakes(self) -> None:
        """Nothing waits: let idle workers sleep."""
        while not self.wakes.empty():
            self.wakes.get_nowait()

    def admit(self, new: NewRequest, bounds: Bounds) -> None:
        """Check that there is room.

        Raises:
            QueueFullError: there is none.
        """
        waiting = len(self.waiting)
        if waiting >= bounds.waiting:
            raise QueueFullError("waiting", waiting)
        if self.waiting_bytes + new.size > bounds.waiting_bytes:
            raise QueueFullError("bytes", waiting)

    def add(self, new: NewRequest, now: float) -> int:
        """Let a new request wait; its position comes back."""
        self.tickets += 1
        request = Request(new, self.tickets, enqueued_at=now, deadline=now + new.queue_seconds)
        self.requests[new.id] = request
        insort(self.waiting, request.rank)
        if new.caller is not None:
            self.hold(new.caller.gateway, now + HOLD_SECONDS)
        if self.demand > self.desired and (self.ceiling is None or self.desired < self.ceiling):
            self.signal()
        self.wake()
        return self.position(request)

    def position(self, request: Request) -> int:
        """How many wait before it."""
        return bisect_left(self.waiting, request.rank)

    def hold(self, gateway: str, until: float) -> None:
        """A gateway's clients wait at least until then."""
        self.holds[gateway] = max(until, self.holds.get(gateway, until))

    def is_abandoned(self, request: Request, now: float) -> bool:
        """Whether it is sync and its gateway has fallen silent."""
        caller = request.new.caller
        return caller is not None and self.holds.get(caller.gateway, now) <= now

    def next_request(self, now: float) -> Request | None:
        """The first waiting request that somebody waits for; those before it are dropped."""
        while self.waiting:
            request = self.requests[self.waiting[0][-1]]
            if not self.is_abandoned(request, now):
                return request
            self.drop(request, now)
        self.forget_wakes()
        return None

    def lease(self, request: Request, replica: ReplicaView, now: float, lease_seconds: float) -> None:
        """Put a waiting request into a replica's hands."""
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

    def leased(self, request_id: str, attempt: int) -> Request:
        """The running request that this attempt holds.

        Raises:
            LeaseLostError: it holds it no longer.
        """
        request = self.running.get(request_id)
        if request is None or request.takes != attempt:
            raise LeaseLostError(f"attempt {attempt} of request {request_id} holds it no longer")
        return request

    def free(self, request: Request, now: float, *, broken: bool) -> None:
        """Take a request out of its replica's hands; a broken one must say `ready` again."""
        replica = self.replicas.get(request.replica)
        if replica is None:
            self.lost.pop(request.replica, None)
        if replica is None or replica.request != request.new.id:
            return
        state, idle_since = replica.state, replica.idle_since
        if broken:
            state, idle_since = ReplicaState.STARTING, None
        elif state is ReplicaState.BUSY:
            state, idle_since = ReplicaState.READY, now
        self.replicas[replica.id] = replace(replica, state=state, idle_since=idle_since, request=None)

    def put_back(self, request: Request, now: float) -> RequestState:
        """Let a running request wait again in its old place, unless it may not run again."""
        verdict = request.verdict()
        if request.cancelled:
            self.drop(request, now)
        elif verdict is not None:
            self.end(request, RequestState.DEAD, now, error=verdict)
        elif self.is_abandoned(request, now):
            self.drop(request, now)
        else:
            del self.running[request.new.id]
            request.state, request.started_at = RequestState.WAITING, None
            request.deadline = now + max(request.patience, _LEAST_PATIENCE)
            insort(self.waiting, request.rank)
            self.signal()
            self.wake()
        return request.state

    def drop(self, request: Request, now: float) -> None:
        """End a request that nobody waits for any more."""
        self.end(request, RequestState.CANCELLED, now, error="cancelled")

    def end(
        self,
        request: Request,
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
        """Write down that so many replicas were needed until now."""
        self.needed[max(level, 1)] = now

    def sweep(self, now: float) -> None:
        """Do all that only time brings about."""
        self.forget_ends(now)
        self.expire_waiting(now)
        self.take_over(now)
        self.forget_silent(now)
        self.holds = {gateway: until for gateway, until in self.holds.items() if until > now}
        self.lost = {name: lost for name, lost in self.lost.items() if now - lost[1] < RESULT_SECONDS}

    def forget_ends(self, now: float) -> None:
        """Forget ended requests that were kept long enough."""
        while self.ends and self.ends[0][0] <= now:
            del self.requests[heappop(self.ends)[1]]

    def expire_waiting(self, now: float) -> None:
        """End what waited longer than it may."""
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
                self.forget_replica(holder.id, now)
            self.put_back(request, now)

    def forget_replica(self, replica: str, now: float) -> None:
        """Forget a replica; what it has in hand is remembered, for its model may still be at work on it."""
        known = self.replicas.pop(replica, None)
        if known is not None and known.request is not None:
            self.lost[replica] = (known.request, now)

    def forget_silent(self, now: float) -> None:
        """Forget replicas whose workers say nothing, unless they hold a live lease."""
        holders = {request.replica for request in self.running.values()}
        for replica in list(self.replicas.values()):
            if now - replica.beat_at > SILENT_SECONDS and replica.id not in holders:
                del self.replicas[replica.id]

    def report_ready(self, replica: ReplicaView, now: float) -> None:
        """A replica's model answers: it may take. Its first time also teaches how long a start takes."""
        is_first = replica.ready_at is None
        self.replicas[replica.id] = replace(
            replica,
            state=ReplicaState.READY,
            idle_since=now,
            ready_at=now if is_first else replica.ready_at,
            detail="",
        )
        if is_first:
            serving = sum(1 for other in self.replicas.values() if other.state in _SERVING)
            self.note_need(serving, now)
            self.start_seconds = average(self.start_seconds, now - replica.joined_at)
        if self.waiting:
            self.wake()


def average(old: float | None, new: float) -> float:
    """Moving average: a fifth of the new figure, the rest of the old one."""
    return new if old is None else 0.8 * old + 0.2 * new
