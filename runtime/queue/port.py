"""What a queue can do: the moves of a request and of a replica, and the values they speak in.

`ValkeyQueue` and `MemoryQueue` do the same; one contract suite holds both to it. Every move is one atomic
step. Times are the queue's own clock (Valkey's TIME), in seconds since the epoch.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from runtime.wire import AnswerHead, RequestHead, RequestState

MAX_FAULTS = 3
"""Takes in which a living worker saw the model die, before a request is a dead letter."""
MAX_TAKES = 10
"""Takes in all, whatever ended them, before a request is a dead letter."""
RESULT_SECONDS = 24 * 3600
"""How long results and the ends of async requests are kept."""
DEAD_SECONDS = 7 * 24 * 3600
"""How long dead letters are kept."""
TOLD_SECONDS = 60
"""How long the end of a sync request is kept, so that `hold` can tell its gateway."""
HOLD_SECONDS = 6
"""How long an enqueued sync request is held before its gateway must say again that it is there."""
SILENT_SECONDS = 15
"""How long a replica may stay silent before the queue forgets it."""


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

    @property
    def size(self) -> int:
        """Bytes that count against the endpoint's bound."""
        return len(self.body) if self.body_bytes is None else self.body_bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """A request in a worker's hands, and the lease it holds it by."""

    id: str
    attempt: int
    head: RequestHead
    body: bytes
    body_ref: str | None
    caller: Caller | None
    waited_seconds: float


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
    """Kept for 24 h, async requests only."""


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

    @property
    def demand(self) -> int:
        """Requests waiting and running."""
        return self.waiting + self.running


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


class LeaseLostError(QueueError):
    """Another take fences this one: the lease ran out and the request moved on."""


class Queue(Protocol):
    """The queue of all endpoints."""

    async def enqueue(self, request: NewRequest, bounds: Bounds) -> int:
        """Journal a request; its position (0: next) comes back.

        Raises:
            QueueFullError: a bound is reached; nothing was stored.
            QueueUnavailableError: the queue is away or out of memory; nothing was stored.
        """
        ...

    async def take(self, endpoint: str, replica: str, lease_seconds: float) -> Taken | None:
        """The first waiting request, leased to a ready replica; None when there is none for it.

        A sync request whose gateway is gone is dropped, never handed out.
        """
        ...

    async def renew(self, endpoint: str, request_id: str, attempt: int, lease_seconds: float) -> None:
        """Hold the lease for so much longer.

        Raises:
            LeaseLostError: it is another attempt's now.
        """
        ...

    async def finish(self, endpoint: str, request_id: str, attempt: int, answer: Answer | None) -> None:
        """The model has finished: free the replica; keep the answer of an async request.

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

        Its state after the move; None when there is no such request.
        """
        ...

    async def hold(
        self, endpoint: str, gateway: str, request_ids: Sequence[str], seconds: float
    ) -> list[str]:
        """Say that this gateway's clients still wait, for so many seconds.

        Those of the given requests that will never be answered any more come back.
        """
        ...

    async def sweep(self, endpoint: str) -> None:
        """Expire what waited too long, take over expired leases, forget replicas that went silent."""
        ...

    async def look(self, endpoint: str) -> EndpointView:
        """The endpoint at this moment."""
        ...

    async def find(self, request_id: str) -> RequestView | None:
        """Where a request stands; None when it is unknown or forgotten."""
        ...

    async def join(self, endpoint: str, replica: str, revision: str) -> str | None:
        """Add a replica as starting. The request that its previous worker had in hand comes back.

        If its lease still runs it is given back at once (without a fault); it may also have been taken
        over by then. Either way the caller must have the model restarted before it says `ready`, for the
        model may still be working on it.
        """
        ...

    async def beat(self, endpoint: str, replica: str, state: ReplicaState, detail: str = "") -> bool:
        """Report a replica's state and that its worker lives; False when the queue does not know it.

        A RETIRED replica stays so whatever is reported, a BUSY one unless STARTING or FAILING is, and a
        FAILING one until READY is.
        READY wakes the endpoint's waiting requests.
        """
        ...

    async def leave(self, endpoint: str, replica: str) -> None:
        """Forget a replica that is gone or going."""
        ...

    async def retire(self, endpoint: str, replicas: Sequence[str]) -> list[str]:
        """Make idle replicas take no more; those that were idle (or not ready) come back."""
        ...

    async def unretire(self, endpoint: str, replicas: Sequence[str]) -> None:
        """Let retired replicas take again."""
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
