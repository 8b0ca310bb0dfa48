"""What a queue can do: the moves of a request and of a replica, and the values they speak in.

`ValkeyQueue` and `MemoryQueue` do the same; one contract suite holds both to it. Every move is one atomic
step. Times are the queue's own clock (Valkey's TIME), in seconds since the epoch.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from runtime.wire import AnswerHead, RequestHead, RequestState

MAX_FAULTS = 3
"""Takes in which a living worker saw the model die, before a request is a dead letter."""
MAX_TAKES = 10
"""Takes in all, whatever ended them, before a request is a dead letter."""
RESULT_SECONDS = 24 * 3600
"""How long results and the ends of async and keyed requests are kept."""
DEAD_SECONDS = 7 * 24 * 3600
"""How long dead letters are kept, whole, so that they can be replayed."""
TOLD_SECONDS = 60
"""How long the end of another sync request is kept, so that `hold` can tell its gateway."""
HOLD_SECONDS = 6
"""How long an enqueued sync request is held before its gateway must say again that it is there."""
SILENT_SECONDS = 15
"""How long a replica may stay silent before the queue forgets it."""
AWAY_SECONDS = 4
"""A queue that was not swept for so long was away itself, for scalers and idle workers have it swept each second."""
NOTE_SECONDS = 1
"""A sweep is noted where the last one was so long ago: each note is a write."""
RETURN_SECONDS = 6
"""How long after that nobody counts as silent: gateways say every 1.5 s that they are there, workers every 4 s."""
LEAST_START_SECONDS = 0.1
"""A replica that is ready sooner was there before, and its worker has joined anew: it says nothing of starts."""
MAX_LEVEL = 1000
"""Highest level that `EndpointView.needed` tells; a higher need counts as this one."""


class ReplicaState(StrEnum):
    """What a replica's worker last said of it."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    RETIRED = "retired"
    """Idle, chosen to go, takes no more."""
    FAILING = "failing"
    """Its model ended again and again; `detail` holds why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait at one endpoint."""

    waiting: int
    waiting_bytes: int


@dataclass(frozen=True, slots=True)
class Caller:
    """The gateway whose client waits for a sync answer: where the worker sends it."""

    gateway: str
    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What tells a repeated request from a new one; both are hashes, so that nothing of it is in clear."""

    digest: str
    """Hex SHA-256 of who calls, the endpoint and the key that was sent."""
    fingerprint: str
    """Hex SHA-256 of method, target and body: what must be the same under the same key."""


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request on its way in. Sync when `caller` is given, else async."""

    id: str
    head: RequestHead
    body: bytes
    queue_seconds: float
    body_ref: str | None = None
    """Name of the body in the object store, where it is too large to stand in the queue."""
    body_bytes: int | None = None
    """Size that counts against the bounds; `len(body)` unless given."""
    caller: Caller | None = None
    priority: int = 1
    """0 goes first, 2 last."""
    key: IdempotencyKey | None = None

    @property
    def keeps_answer(self) -> bool:
        """Whether its answer is stored, and it is run although nobody waits: async, or with a key."""
        return self.caller is None or self.key is not None

    @property
    def size(self) -> int:
        """Bytes that count against the endpoint's bound."""
        return len(self.body) if self.body_bytes is None else self.body_bytes


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of a request that was let in."""

    request_id: str
    """Its own, or that of the request which first came with its key."""
    position: int | None
    """How many wait before it; None unless it waits."""
    is_repeat: bool
    """Whether its key was known, and nothing was stored."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request in a worker's hands, and the lease it holds it by."""

    id: str
    attempt: int
    head: RequestHead
    body: bytes
    body_ref: str | None
    caller: Caller | None
    """Where the answer is streamed to as it comes; None for an async request."""
    waited_seconds: float
    keeps_answer: bool
    """Whether `finish` must be given the answer; a keyed sync request has a caller too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is stored of a model's answer."""

    head: AnswerHead
    body: bytes
    body_ref: str | None = None


@dataclass(frozen=True, slots=True)
class RequestView:
    """Where one request stands."""

    id: str
    state: RequestState
    position: int | None
    """How many wait before it; None unless it waits."""
    attempt: int
    enqueued_at: float
    started_at: float | None
    finished_at: float | None
    error: str | None
    """Why it ended without a model's answer."""
    answer: Answer | None
    """Kept for 24 h, async and keyed requests only."""
    priority: int
    waited_seconds: float
    """From enqueue to its last take, or to its end where it waited then, or until now."""
    caller_kind: Literal["sync", "async"]
    """A replayed request is async: whoever waited for it was told long ago."""
    body_ref: str | None


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """One replica as its worker reports it."""

    id: str
    state: ReplicaState
    revision: str
    joined_at: float
    ready_at: float | None
    """When its model first answered its health path; None before."""
    idle_since: float | None
    """When it last became idle; None while it is not."""
    beat_at: float
    request: str | None
    detail: str
    """Why it is not ready, in words."""


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint's queue and replicas at one moment."""

    now: float
    waiting: int
    running: int
    waiting_bytes: int
    oldest_enqueued_at: float | None
    """When the longest-waiting request came in; None when none waits."""
    dead: int
    desired: int
    cause: str
    """What holds replicas up, as the scaler last wrote it; empty when nothing does."""
    run_seconds: float | None
    """Moving average of how long a request runs; None before the first."""
    start_seconds: float | None
    """Moving average of how long a replica takes to become ready; None before the first."""
    needed: Mapping[int, float] = field(default_factory=dict)
    """Level to the last moment when at least that many replicas were needed."""
    replicas: Sequence[ReplicaView] = ()
    """Sorted by id."""
    wait_seconds: float | None = None
    """Moving average of how long a request has waited when it is taken; None before the first."""

    @property
    def demand(self) -> int:
        """Requests waiting and running."""
        return self.waiting + self.running


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a rate limit says of one more request."""

    is_allowed: bool
    remaining: int
    """How many more would be allowed at this moment."""
    reset_seconds: float
    """Until all of them are allowed again."""
    retry_seconds: float
    """Until one is allowed again; 0 where this one is."""


class QueueError(Exception):
    """The queue refused; subclasses say why."""


class QueueFullError(QueueError):
    """The endpoint's bound is reached; `bound` is `waiting` or `bytes`."""

    def __init__(self, bound: str, waiting: int) -> None:
        super().__init__(f"the queue is full: its bound on {bound} is reached with {waiting} waiting")
        self.bound = bound
        self.waiting = waiting


class QueueUnavailableError(QueueError):
    """The queue cannot be reached or is out of memory; nothing was changed."""


class QueueOutOfMemoryError(QueueUnavailableError):
    """The queue answers and has no memory left: trying again at once helps nobody."""


class KeyConflictError(QueueError):
    """The request's key was first sent with another request; nothing was stored."""


class LeaseLostError(QueueError):
    """Another take fences this one: the lease ran out and the request moved on."""


class Queue(Protocol):
    """The queue of all endpoints."""

    async def enqueue(self, request: NewRequest, bounds: Bounds) -> Enqueued:
        """Journal a request; its id and position (0: next) come back.

        A key that is known with the same fingerprint gives the request it first came with, in whatever
        state, and stores nothing. A key is known until its request is forgotten; one that was cancelled
        or expired frees its key, so that a retry may run. Saying the same id twice is no repeat.

        Raises:
            KeyConflictError: its key is known with another fingerprint; nothing was stored.
            QueueFullError: a bound is reached; nothing was stored.
            QueueUnavailableError: the queue is away or out of memory; nothing was stored.
        """
        ...

    async def take(self, endpoint: str, replica: str, lease_seconds: float) -> Taken | None:
        """The first waiting request, leased to a ready replica; None when there is none for it.

        A sync request without a key whose gateway is gone is dropped, never handed out. A replica that
        still has a request in hand gets none.
        """
        ...

    async def renew(self, endpoint: str, request_id: str, attempt: int, lease_seconds: float) -> None:
        """Hold the lease for so much longer.

        Raises:
            LeaseLostError: it is another attempt's now.
        """
        ...

    async def finish(
        self,
        endpoint: str,
        request_id: str,
        attempt: int,
        answer: Answer | None,
        *,
        next_lease_seconds: float | None = None,
    ) -> Taken | None:
        """The model has finished: free the replica; keep the answer of a request that keeps it.

        With `next_lease_seconds` its replica takes the next in the same step, as `take` would.

        Raises:
            LeaseLostError: it is another attempt's now; nothing was changed.
        """
        ...

    async def fail(self, endpoint: str, request_id: str, attempt: int, error: str) -> None:
        """End a running request without an answer; its replica is not ready until it says so.

        Raises:
            LeaseLostError: it is another attempt's now; nothing was changed.
        """
        ...

    async def give_back(
        self, endpoint: str, request_id: str, attempt: int, *, fault: str | None
    ) -> RequestState:
        """Put a running request back in its old place; `fault` tells how the model died under it.

        WAITING, or DEAD after MAX_FAULTS faults or MAX_TAKES takes, or CANCELLED where it was cancelled.
        With a fault the replica is not ready until it says so.

        Raises:
            LeaseLostError: it is another attempt's now; nothing was changed.
        """
        ...

    async def cancel(self, request_id: str) -> RequestState | None:
        """Cancel: a waiting one is removed at once, a running one is never run again nor answered.

        Its state after the move; None when there is no such request. Its end is kept, so that `hold` can tell
        the gateway of a client that still waits for it.
        """
        ...

    async def hold(
        self, endpoint: str, gateway: str, request_ids: Sequence[str], seconds: float
    ) -> list[str]:
        """Say that this gateway's clients still wait, for so many seconds.

        Those of the given requests that will not be answered any more come back; `find` tells why, and
        has the answer of a keyed one that was stored but never reached its gateway.
        """
        ...

    async def sweep(self, endpoint: str) -> None:
        """Expire what waited too long, drop what waits for a silent gateway, take over expired leases.

        Replicas that went silent are forgotten. Where the queue itself was away (`AWAY_SECONDS`), nobody counts as
        silent until all had the time to be heard again (`RETURN_SECONDS`); an absence that follows within that time
        is none, for where sweeps are slow themselves silence must be found too. `take` and `enqueue` sweep as well.
        """
        ...

    async def look(self, endpoint: str) -> EndpointView:
        """The endpoint at this moment."""
        ...

    async def find(self, request_id: str) -> RequestView | None:
        """Where a request stands; None when it is unknown or forgotten."""
        ...

    async def dead_letters(self, endpoint: str, limit: int = 100) -> list[RequestView]:
        """Its dead letters, newest first, at most so many."""
        ...

    async def replay(self, request_id: str) -> bool:
        """Let a dead letter wait again, last of its priority, under its old id; False when it is none.

        It is as fresh as a new one (deadline, faults, count of takes), only attempt numbers go on rising.
        It is async from now on and keeps its answer. The endpoint's bounds do not hold it back.
        """
        ...

    async def purge(self, endpoint: str, request_id: str | None = None) -> list[str]:
        """Forget one dead letter or all of them; ids of the forgotten come back, their keys are free."""
        ...

    async def allow(self, bucket: str, count: int, seconds: float) -> Allowance:
        """Count one request against a bucket of `count` that refills evenly over `seconds`.

        Raises:
            QueueUnavailableError: the queue cannot be reached; nothing was counted.
        """
        ...

    async def join(self, endpoint: str, replica: str, revision: str) -> str | None:
        """Add a replica as starting; one that is RETIRED stays so, for its pod may be about to be deleted.

        The request that its previous worker had in hand comes back, each time until the replica was READY: an
        answer may be lost.

        If its lease still runs it is given back at once (without a fault); it may also have been taken
        over by then. Either way the caller must have the model restarted before it says `ready`, for the
        model may still be working on it.
        """
        ...

    async def beat(self, endpoint: str, replica: str, state: ReplicaState, detail: str = "") -> bool:
        """Report a replica's state and that its worker lives; False when the queue does not know it.

        A RETIRED replica stays so whatever is reported, a BUSY one unless STARTING or FAILING is, and a
        FAILING one until READY is. READY makes one with a request in hand BUSY again.
        READY wakes the endpoint's waiting requests.
        """
        ...

    async def leave(self, endpoint: str, replica: str) -> None:
        """Forget a replica that is gone or going."""
        ...

    async def retire(self, endpoint: str, replicas: Sequence[str]) -> list[str]:
        """Make idle replicas take no more; those that were idle (or not ready) come back.

        One with a request in hand is never retired, whatever its worker reports.
        """
        ...

    async def unretire(self, endpoint: str, replicas: Sequence[str]) -> None:
        """Let retired replicas take again; those that were not ready must say first that they are."""
        ...

    async def set_desired(
        self, endpoint: str, desired: int, ceiling: int, cause: str, hold_seconds: float
    ) -> None:
        """Write down the scaler's decision; needs older than `hold_seconds` are forgotten."""
        ...

    async def nudge(self, endpoint: str) -> None:
        """Say that one replica is needed now, without a request."""
        ...

    async def wait_for_work(self, endpoint: str, seconds: float) -> None:
        """Return when something may be there to take, or after so many seconds (at most 1)."""
        ...

    def demands(self) -> AsyncIterator[str]:
        """Endpoints whose demand has outgrown their desired number, as it happens.

        Lossy: whoever follows it also looks at every endpoint now and then.
        """
        ...

    async def ping(self) -> None:
        """Check that the queue answers.

        Raises:
            QueueUnavailableError: it does not.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
