"""One request in memory: what it is, and what follows from where it stands."""

from dataclasses import dataclass, field, replace

from runtime.queue.port import (
    DEAD_SECONDS,
    MAX_FAULTS,
    MAX_TAKES,
    RESULT_SECONDS,
    TOLD_SECONDS,
    Answer,
    NewRequest,
    RequestView,
    Taken,
)
from runtime.wire import RequestState


@dataclass(slots=True)
class Request:
    """A request and where it stands."""

    new: NewRequest
    ticket: int
    enqueued_at: float
    state: RequestState = RequestState.WAITING
    attempt: int = 0
    takes: int = 0
    """Since it was enqueued or replayed; `attempt` counts on."""
    faults: int = 0
    fault: str = ""
    cancelled: bool = False
    """Cancelled while it ran: its end is CANCELLED, whatever it would have been."""
    deadline: float = field(init=False)
    """When it expires, if it still waits then."""
    patience: float = 0.0
    """Waiting seconds that were left when it was taken."""
    replica: str = ""
    lease_until: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    forget_at: float | None = None
    error: str | None = None
    answer: Answer | None = None

    def __post_init__(self) -> None:
        self.deadline = self.enqueued_at + self.new.queue_seconds

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place among the waiting: by priority, then by ticket, which it keeps until it is replayed."""
        return self.new.priority, self.ticket, self.new.id

    @property
    def keep_seconds(self) -> float:
        """How long its end is kept."""
        if self.state is RequestState.DEAD:
            return DEAD_SECONDS
        return RESULT_SECONDS if self.new.keeps_answer else TOLD_SECONDS

    @property
    def frees_key(self) -> bool:
        """Whether a retry with its key may run: it was cancelled or expired."""
        return self.state in {RequestState.CANCELLED, RequestState.EXPIRED}

    @property
    def is_hopeless(self) -> bool:
        """Whether nobody waits for an answer any more, or none will come."""
        return self.cancelled or self.state not in {RequestState.WAITING, RequestState.RUNNING}

    def verdict(self) -> str | None:
        """Why it may not be taken again; None while it may."""
        if self.faults >= MAX_FAULTS:
            return f"the model died under it {self.faults} times; the last time: {self.fault}"
        if self.takes >= MAX_TAKES:
            return f"it was taken {self.takes} times and never finished"
        return None

    def shed(self) -> None:
        """Let go of what no replay will need."""
        self.new = replace(self.new, body=b"", body_bytes=self.new.size)

    def renewed(self, ticket: int, now: float) -> "Request":
        """A dead letter as if it had just come in, for nobody in particular; attempts go on rising."""
        return Request(replace(self.new, caller=None), ticket, now, attempt=self.attempt)

    def taken(self, now: float) -> Taken:
        """What its replica is given."""
        new = self.new
        waited = now - self.enqueued_at
        return Taken(
            new.id, self.attempt, new.head, new.body, new.body_ref, new.caller, waited, new.keeps_answer
        )

    def view(self, position: int | None, now: float) -> RequestView:
        """What may be known of it."""
        last = next((at for at in (self.started_at, self.finished_at) if at is not None), now)
        return RequestView(
            id=self.new.id,
            state=self.state,
            position=position,
            attempt=self.attempt,
            enqueued_at=self.enqueued_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            error=self.error,
            answer=self.answer,
            priority=self.new.priority,
            waited_seconds=last - self.enqueued_at,
            caller_kind="async" if self.new.caller is None else "sync",
            body_ref=self.new.body_ref,
        )
