"""One endpoint's requests and replicas in memory, and the steps that the queue's moves are made of.

Plain functions of the state and the moment; `MemoryQueue` gives them their clock and their waiting.
"""

import asyncio
import contextlib
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush
from math import inf

from runtime.queue.memory_request import Request
from runtime.queue.port import (
    AWAY_SECONDS,
    HOLD_SECONDS,
    LEAST_START_SECONDS,
    MAX_LEVEL,
    NOTE_SECONDS,
    RESULT_SECONDS,
    RETURN_SECONDS,
    SILENT_SECONDS,
    Answer,
    Bounds,
    Enqueued,
    KeyConflictError,
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


class Endpoint:
    """One endpoint's requests and replicas, and the steps that the moves are made of."""

    def __init__(self, signal: Callable[[], None]) -> None:
        self.signal = signal
        self.wakes: asyncio.Queue[None] = asyncio.Queue(_WAKES)
        self.requests: dict[str, Request] = {}
        self.waiting: list[tuple[int, int, str]] = []
        """Ranks, first in order first."""
        self.keys: dict[str, str] = {}
        """Digest of an idempotency key to the request it first came with."""
        self.running: dict[str, Request] = {}
        self.ends: list[tuple[float, str]] = []
        """A heap of when to forget which request; one that was replayed meanwhile is not meant any more."""
        self.replicas: dict[str, ReplicaView] = {}
        self.lost: dict[str, tuple[str, float]] = {}
        """Forgotten replica to the request that its model may still run, and when it was forgotten."""
        self.formers: dict[str, str] = {}
        """Replica to the request that a worker before left to its model, until that is ready."""
        self.holds: dict[str, float] = {}
        """Gateway to the moment until which its clients are known to wait."""
        self.swept_at: float | None = None
        self.patient_until = -inf
        """Nobody counts as silent before then."""
        self.needed: dict[int, float] = {}
        self.desired = 0
        self.ceiling: int | None = None
        self.cause = ""
        self.run_seconds: float | None = None
        self.start_seconds: float | None = None
        self.wait_seconds: float | None = None
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

    def first_with_key(self, new: NewRequest) -> Request | None:
        """The request that came with the same key before; None when there is none.

        Raises:
            KeyConflictError: it was another request.
        """
        if new.key is None or new.key.digest not in self.keys:
            return None
        first = self.requests[self.keys[new.key.digest]]
        if first.new.key != new.key:
            raise KeyConflictError("its key was first sent with another request")
        return first

    def told(self, request: Request, *, is_repeat: bool) -> Enqueued:
        """What the one who enqueued it hears."""
        return Enqueued(request.new.id, self.position(request), is_repeat)

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

    def add(self, new: NewRequest, now: float) -> Request:
        """Let a new request wait."""
        request = self.requests[new.id] = Request(new, self.next_ticket(), now)
        if new.key is not None:
            self.keys[new.key.digest] = new.id
        if new.caller is not None and not new.keeps_answer:
            self.hold(new.caller.gateway, now + HOLD_SECONDS)
        self.let_wait(request)
        return request

    def replay(self, request: Request, now: float) -> None:
        """Let a dead letter wait again."""
        fresh = self.requests[request.new.id] = request.renewed(self.next_ticket(), now)
        self.let_wait(fresh)

    def let_wait(self, request: Request) -> None:
        """Put one that came in, or came back to life, into the order, and tell whom it concerns."""
        insort(self.waiting, request.rank)
        self.wake()
        if self.demand > self.desired and (self.ceiling is None or self.desired < self.ceiling):
            self.signal()

    def next_ticket(self) -> int:
        """A number higher than all before it."""
        self.tickets += 1
        return self.tickets

    def position(self, request: Request) -> int | None:
        """How many wait before it; None unless it waits."""
        if request.state is not RequestState.WAITING:
            return None
        return bisect_left(self.waiting, request.rank)

    def hold(self, gateway: str, until: float) -> None:
        """A gateway's clients wait at least until then."""
        self.holds[gateway] = max(until, self.holds.get(gateway, until))

    def is_abandoned(self, request: Request, now: float) -> bool:
        """Whether its answer has nowhere to go: it is not kept, and its gateway has fallen silent."""
        caller = request.new.caller
        if caller is None or request.new.keeps_answer:
            return False
        return self.holds.get(caller.gateway, now) <= now and not self.is_patient(now)

    def note_sweep(self, now: float) -> None:
        """See whether the queue was away since the last one that could have found silence."""
        if not self.waiting and not self.running and not self.replicas:
            return
        swept = now if self.swept_at is None else self.swept_at
        if now - swept >= AWAY_SECONDS and swept >= self.patient_until:
            self.patient_until = now + RETURN_SECONDS
        if self.swept_at is None or now - swept >= NOTE_SECONDS:
            self.swept_at = now

    def is_patient(self, now: float) -> bool:
        """Whether the queue was away a short while ago, as after a sleep of the machine: nobody counts as silent yet."""
        return now < self.patient_until

    def next_request(self, now: float) -> Request | None:
        """The first waiting request that somebody waits for; those before it are dropped."""
        while self.waiting:
            request = self.requests[self.waiting[0][-1]]
            if not self.is_abandoned(request, now):
                return request
            self.drop(request, now)
        self.forget_wakes()
        return None

    def drop_abandoned(self, now: float) -> None:
        """End what waits for a gateway that has fallen silent; it asks for no replica any more."""
        for _, _, request_id in list(self.waiting):
            request = self.requests[request_id]
            if self.is_abandoned(request, now):
                self.drop(request, now)

    def lease(self, request: Request, replica: ReplicaView, now: float, lease_seconds: float) -> None:
        """Put a waiting request into a replica's hands."""
        self.waiting.remove(request.rank)
        self.running[request.new.id] = request
        request.state = RequestState.RUNNING
        request.attempt += 1
        request.takes += 1
        request.patience = request.deadline - now
        request.replica = replica.id
        request.lease_until = now + lease_seconds
        request.started_at = now
        self.wait_seconds = average(self.wait_seconds, now - request.enqueued_at)
        self.replicas[replica.id] = replace(
            replica, state=ReplicaState.BUSY, request=request.new.id, idle_since=None, beat_at=now
        )

    def leased(self, request_id: str, attempt: int) -> Request:
        """The running request that this attempt holds.

        Raises:
            LeaseLostError: it holds it no longer.
        """
        request = self.running.get(request_id)
        if request is None or request.attempt != attempt:
            raise LeaseLostError(f"attempt {attempt} of request {request_id} holds it no longer")
        return request

    def free(self, request: Request, now: float, *, broken: bool) -> None:
        """Take a request out of its replica's hands; a broken one must say `ready` again."""
        replica = self.replicas.get(request.replica)
        if replica is None:
            self.lost.pop(request.replica, None)
        if replica is None or replica.request != request.new.id:
            return
        replica = replace(replica, request=None, beat_at=now)
        # Else its worker has said something truer of it meanwhile.
        if replica.state is ReplicaState.BUSY and broken:
            replica = replace(replica, state=ReplicaState.STARTING)
        elif replica.state is ReplicaState.BUSY:
            replica = replace(replica, state=ReplicaState.READY, idle_since=now)
        self.replicas[replica.id] = replica

    def put_back(self, request: Request, now: float) -> RequestState:
        """Let a running request wait again in its old place, unless it may not run again."""
        verdict = request.verdict()
        if request.cancelled:
            self.cancel(request, now)
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

    def cancel(self, request: Request, now: float) -> None:
        """End a request that somebody cancelled, maybe not the one who waits for it."""
        self.end(request, RequestState.CANCELLED, now, error="cancelled")

    def drop(self, request: Request, now: float) -> None:
        """End a request that nobody waits for any more; unless its answer is kept, it is forgotten."""
        self.cancel(request, now)
        if not request.new.keeps_answer:
            self.forget(request)

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
        request.finished_at, request.forget_at = now, now + request.keep_seconds
        if state is not RequestState.DEAD:
            request.shed()
        if request.new.key is not None and request.frees_key:
            del self.keys[request.new.key.digest]
        heappush(self.ends, (request.forget_at, request.new.id))

    def note_need(self, level: int, now: float) -> None:
        """Write down that so many replicas were needed until now."""
        self.needed[min(max(level, 1), MAX_LEVEL)] = now

    def sweep(self, now: float) -> None:
        """Do all that only time brings about."""
        self.note_sweep(now)
        self.forget_ends(now)
        self.expire_waiting(now)
        if not self.is_patient(now):
            self.take_over(now)
            self.forget_silent(now)
        self.holds = {gateway: until for gateway, until in self.holds.items() if until > now}

    def forget_ends(self, now: float) -> None:
        """Forget ended requests, and what lost replicas had in hand, once they were kept long enough."""
        self.lost = {name: lost for name, lost in self.lost.items() if now - lost[1] < RESULT_SECONDS}
        while self.ends and self.ends[0][0] <= now:
            at, request_id = heappop(self.ends)
            request = self.requests.get(request_id)
            if request is not None and request.forget_at == at:
                self.forget(request)

    def forget(self, request: Request) -> None:
        """Forget an ended request, and its key with it."""
        del self.requests[request.new.id]
        if request.new.key is not None and self.keys.get(request.new.key.digest) == request.new.id:
            del self.keys[request.new.key.digest]

    def dead(self) -> list[Request]:
        """Its dead letters, newest first."""
        dead = [request for request in self.requests.values() if request.state is RequestState.DEAD]
        return sorted(dead, key=lambda request: (request.finished_at, request.new.id), reverse=True)

    def expire_waiting(self, now: float) -> None:
        """End what waited longer than it may."""
        for _, _, request_id in list(self.waiting):
            request = self.requests[request_id]
            if request.deadline <= now:
                waited = now - request.enqueued_at
                error = f"waited {waited:.1f} s for a replica, longer than its queue_seconds"
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
        known, held = self.replicas.pop(replica, None), self.formers.pop(replica, None)
        if known is not None and known.request is not None:
            held = known.request
        if held is not None:
            self.lost[replica] = (held, now)

    def forget_silent(self, now: float) -> None:
        """Forget replicas whose workers say nothing, unless they hold a live lease."""
        holders = {request.replica for request in self.running.values()}
        for replica in list(self.replicas.values()):
            if now - replica.beat_at >= SILENT_SECONDS and replica.id not in holders:
                self.forget_replica(replica.id, now)

    def report_ready(self, replica: ReplicaView, now: float) -> None:
        """A replica's model answers: it may take, unless it still has a request in hand.

        Its first time also teaches how long a start takes.
        """
        self.formers.pop(replica.id, None)
        is_first = replica.ready_at is None
        is_free = replica.request is None
        self.replicas[replica.id] = replace(
            replica,
            state=ReplicaState.READY if is_free else ReplicaState.BUSY,
            idle_since=now if is_free else None,
            ready_at=now if is_first else replica.ready_at,
            detail="",
        )
        if is_first:
            serving = sum(1 for other in self.replicas.values() if other.state in _SERVING)
            # One that takes another's place is not one more: while both serve there are more than are wanted.
            self.note_need(min(serving, self.desired), now)
            if now - replica.joined_at >= LEAST_START_SECONDS:
                self.start_seconds = average(self.start_seconds, now - replica.joined_at)
        if self.waiting:
            self.wake()


def average(old: float | None, new: float) -> float:
    """Moving average: a fifth of the new figure, the rest of the old one."""
    return new if old is None else 0.8 * old + 0.2 * new
