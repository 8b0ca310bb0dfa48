"""What the port's docstrings say, in the plainest Python: one list of requests, searched again and again.

It shares no step with the queues that it is held against. Nothing is indexed, counted ahead or kept in a
second place: who waits, who runs, which key is known and what is dead all follow from the requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.queue.port import (
    AWAY_SECONDS,
    DEAD_SECONDS,
    HOLD_SECONDS,
    LEAST_START_SECONDS,
    MAX_FAULTS,
    MAX_LEVEL,
    MAX_TAKES,
    NOTE_SECONDS,
    RESULT_SECONDS,
    RETURN_SECONDS,
    SILENT_SECONDS,
    TOLD_SECONDS,
    Allowance,
    Answer,
    Bounds,
    EndpointView,
    Enqueued,
    KeyConflictError,
    LeaseLostError,
    NewRequest,
    QueueFullError,
    ReplicaState,
    ReplicaView,
    RequestView,
    Taken,
)
from runtime.wire import RequestState

LEAST_PATIENCE_SECONDS = 1.0


@dataclass
class Item:
    """A request."""

    new: NewRequest
    number: int
    since: float
    until: float
    is_sync: bool
    is_kept: bool
    state: RequestState = RequestState.WAITING
    attempt: int = 0
    takes: int = 0
    faults: int = 0
    is_cancelled: bool = False
    left: float = 0.0
    replica: str = ""
    lease: float = 0.0
    started: float | None = None
    finished: float | None = None
    forget_at: float | None = None
    error: str | None = None
    answer: Answer | None = None

    @property
    def is_over(self) -> bool:
        """Whether its state is final."""
        return self.state not in {RequestState.WAITING, RequestState.RUNNING}

    @property
    def has_key(self) -> bool:
        """Whether a key still means it."""
        freed = {RequestState.CANCELLED, RequestState.EXPIRED}
        return self.new.key is not None and self.state not in freed


@dataclass
class Machine:
    """A replica."""

    revision: str
    joined: float
    beat: float
    state: ReplicaState = ReplicaState.STARTING
    first_ready: float | None = None
    idle: float | None = None
    request: str | None = None
    detail: str = ""
    former: str | None = None


@dataclass
class PlainQueue:
    """One endpoint. The test sets `now`; each move is a plain call."""

    now: float
    items: list[Item] = field(default_factory=list)
    machines: dict[str, Machine] = field(default_factory=dict)
    lost: dict[str, tuple[str, float]] = field(default_factory=dict)
    held_until: dict[str, float] = field(default_factory=dict)
    swept: float | None = None
    patient_until: float = 0.0
    needed: dict[int, float] = field(default_factory=dict)
    averages: dict[str, float] = field(default_factory=dict)
    buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    desired: int = 0
    cause: str = ""
    numbers: int = 0

    # What follows from the requests.

    def waiting(self) -> list[Item]:
        """In order."""
        waiting = [item for item in self.items if item.state is RequestState.WAITING]
        return sorted(waiting, key=lambda item: (item.new.priority, item.number))

    def running(self) -> list[Item]:
        """In no order."""
        return [item for item in self.items if item.state is RequestState.RUNNING]

    def item(self, request_id: str) -> Item | None:
        """By id, unless it is forgotten."""
        self.items = [item for item in self.items if item.forget_at is None or item.forget_at > self.now]
        return next((item for item in self.items if item.new.id == request_id), None)

    def dead(self) -> list[Item]:
        """Newest first."""
        self.item("")
        dead = [item for item in self.items if item.state is RequestState.DEAD]
        return sorted(dead, key=lambda item: (item.finished, item.new.id), reverse=True)

    def mark(self, level: int) -> None:
        """So many were needed until now."""
        self.needed[min(max(level, 1), MAX_LEVEL)] = self.now

    def learn(self, name: str, sample: float) -> None:
        """Move an average by a fifth."""
        old = self.averages.get(name)
        self.averages[name] = sample if old is None else 0.8 * old + 0.2 * sample

    def place(self, item: Item) -> int | None:
        """How many wait before it."""
        return self.waiting().index(item) if item.state is RequestState.WAITING else None

    # How requests end.

    def end(self, item: Item, state: RequestState, error: str | None) -> None:
        """Give it its final state, or forget it where nobody will ask."""
        self.mark(len(self.waiting()) + len(self.running()))
        item.state, item.error, item.finished = state, error, self.now
        keep = RESULT_SECONDS if item.is_kept else TOLD_SECONDS
        if state is RequestState.DEAD:
            keep = DEAD_SECONDS
        elif not item.is_kept and state is RequestState.COMPLETED:
            keep = 0
        item.forget_at = self.now + keep

    def cancel_now(self, item: Item) -> RequestState:
        """Somebody does not want it."""
        self.end(item, RequestState.CANCELLED, "cancelled")
        return RequestState.CANCELLED

    def drop(self, item: Item) -> RequestState:
        """Nobody wants it, and unless its answer is kept nobody will ask."""
        self.end(item, RequestState.CANCELLED, "cancelled")
        item.forget_at = item.forget_at if item.is_kept else self.now
        return RequestState.CANCELLED

    def is_gone(self, item: Item) -> bool:
        """Whether its gateway is silent and its answer would go nowhere."""
        if item.is_kept or item.new.caller is None:
            return False
        is_silent = self.held_until.get(item.new.caller.gateway, self.now) <= self.now
        return is_silent and self.patient_until <= self.now

    def wait_again(self, item: Item, fault: str) -> RequestState:
        """Put a running one back."""
        if item.is_cancelled:
            return self.cancel_now(item)
        why = None
        if item.faults >= MAX_FAULTS:
            why = f"the model died under it {item.faults} times; the last time: {fault}"
        elif item.takes >= MAX_TAKES:
            why = f"it was taken {item.takes} times and never finished"
        if why is not None:
            self.end(item, RequestState.DEAD, why)
            return RequestState.DEAD
        if self.is_gone(item):
            return self.drop(item)
        item.state, item.started = RequestState.WAITING, None
        item.until = self.now + max(item.left, LEAST_PATIENCE_SECONDS)
        return RequestState.WAITING

    def free(self, item: Item, state: ReplicaState) -> None:
        """Its replica has nothing in hand and has said so."""
        self.lost.pop(item.replica, None)
        machine = self.machines.get(item.replica)
        if machine is None:
            return
        machine.request, machine.beat = None, self.now
        if machine.state is ReplicaState.BUSY:
            machine.state = state
            machine.idle = self.now if state is ReplicaState.READY else None

    def mine(self, request_id: str, attempt: int) -> Item:
        """The request, if this attempt holds it."""
        item = self.item(request_id)
        if item is None or item.state is not RequestState.RUNNING or item.attempt != attempt:
            raise LeaseLostError
        return item

    def lose(self, replica: str) -> None:
        """Forget a replica, but not what it has in hand."""
        machine = self.machines.pop(replica, None)
        held = None if machine is None else machine.request or machine.former
        if held is not None:
            self.lost[replica] = (held, self.now)

    # The moves.

    def enqueue(self, request: NewRequest, bounds: Bounds) -> Enqueued:
        """See the port."""
        known = self.item(request.id)
        if known is not None:
            return Enqueued(request.id, self.place(known), is_repeat=False)
        self.pass_time()
        for item in self.items:
            if request.key and item.new.key and item.has_key and item.new.key.digest == request.key.digest:
                if item.new.key.fingerprint != request.key.fingerprint:
                    raise KeyConflictError
                return Enqueued(item.new.id, self.place(item), is_repeat=True)
        waiting = self.waiting()
        if len(waiting) >= bounds.waiting:
            raise QueueFullError("waiting", len(waiting))
        if sum(item.new.size for item in waiting) + request.size > bounds.waiting_bytes:
            raise QueueFullError("bytes", len(waiting))
        self.numbers += 1
        is_sync = request.caller is not None
        is_kept = not is_sync or request.key is not None
        until = self.now + request.queue_seconds
        self.items.append(Item(request, self.numbers, self.now, until, is_sync, is_kept))
        if request.caller is not None and not is_kept:
            gateway = request.caller.gateway
            self.held_until[gateway] = max(self.held_until.get(gateway, 0), self.now + HOLD_SECONDS)
        return Enqueued(request.id, self.place(self.items[-1]), is_repeat=False)

    def take(self, replica: str, lease_seconds: float) -> Taken | None:
        """See the port."""
        self.pass_time()
        machine = self.machines.get(replica)
        if machine is None or machine.state is not ReplicaState.READY:
            return None
        for item in self.waiting():
            if not self.is_gone(item):
                return self.hand_out(item, replica, lease_seconds)
            self.drop(item)
        return None

    def hand_out(self, item: Item, replica: str, lease_seconds: float) -> Taken:
        """Lease it."""
        machine = self.machines[replica]
        machine.state, machine.request = ReplicaState.BUSY, item.new.id
        machine.idle, machine.beat = None, self.now
        item.state, item.started, item.replica = RequestState.RUNNING, self.now, replica
        item.left, item.lease = item.until - self.now, self.now + lease_seconds
        item.attempt += 1
        item.takes += 1
        waited = self.now - item.since
        self.learn("wait", waited)
        new = item.new
        caller = new.caller if item.is_sync else None
        return Taken(
            new.id, item.attempt, new.head, new.body, new.body_ref, caller, waited, keeps_answer=item.is_kept
        )

    def renew(self, request_id: str, attempt: int, lease_seconds: float) -> None:
        """See the port."""
        item = self.mine(request_id, attempt)
        item.lease = self.now + lease_seconds
        if item.replica in self.machines:
            self.machines[item.replica].beat = self.now

    def finish(
        self, request_id: str, attempt: int, answer: Answer | None, next_lease_seconds: float | None
    ) -> Taken | None:
        """See the port."""
        item = self.mine(request_id, attempt)
        assert item.started is not None
        self.learn("run", self.now - item.started)
        self.free(item, ReplicaState.READY)
        if item.is_cancelled:
            self.drop(item)
        else:
            item.answer = answer if item.is_kept else None
            self.end(item, RequestState.COMPLETED, None)
        return None if next_lease_seconds is None else self.take(item.replica, next_lease_seconds)

    def fail(self, request_id: str, attempt: int, error: str) -> None:
        """See the port."""
        item = self.mine(request_id, attempt)
        self.free(item, ReplicaState.STARTING)
        if item.is_cancelled:
            self.cancel_now(item)
        else:
            self.end(item, RequestState.FAILED, error)

    def give_back(self, request_id: str, attempt: int, fault: str | None) -> RequestState:
        """See the port."""
        item = self.mine(request_id, attempt)
        self.free(item, ReplicaState.READY if fault is None else ReplicaState.STARTING)
        item.faults += fault is not None
        return self.wait_again(item, fault or "")

    def cancel(self, request_id: str) -> RequestState | None:
        """See the port."""
        item = self.item(request_id)
        if item is None:
            return None
        if item.state is RequestState.WAITING:
            return self.cancel_now(item)
        item.is_cancelled = item.is_cancelled or item.state is RequestState.RUNNING
        return item.state

    def hold(self, gateway: str, request_ids: Sequence[str], seconds: float) -> list[str]:
        """See the port."""
        self.held_until[gateway] = max(self.held_until.get(gateway, 0), self.now + seconds)
        found = [(request_id, self.item(request_id)) for request_id in request_ids]
        return [each for each, item in found if item is None or item.is_over or item.is_cancelled]

    def sweep(self) -> None:
        """See the port."""
        self.pass_time()
        for item in self.waiting():
            if self.is_gone(item):
                self.drop(item)

    def pass_time(self) -> None:
        """What only time brings about; less, where so much has passed that it was the queue which was away."""
        if self.waiting() or self.running() or self.machines:
            self.note_pass()
        self.item("")
        for item in self.waiting():
            if item.until <= self.now:
                waited = f"waited {self.now - item.since:.1f} s for a replica, longer than its queue_seconds"
                self.end(item, RequestState.EXPIRED, waited)
        if self.patient_until > self.now:
            return
        for item in self.running():
            if item.lease <= self.now:
                holder = self.machines.get(item.replica)
                if holder is not None and holder.request == item.new.id:
                    self.lose(item.replica)
                self.wait_again(item, "")
        holders = {item.replica for item in self.running()}
        for replica, machine in list(self.machines.items()):
            if machine.beat <= self.now - SILENT_SECONDS and replica not in holders:
                self.lose(replica)

    def note_pass(self) -> None:
        """A long pause is an absence, unless another one has just been."""
        if self.swept is None:
            self.swept = self.now
        if self.now - self.swept >= AWAY_SECONDS and self.swept >= self.patient_until:
            self.patient_until = self.now + RETURN_SECONDS
        if self.now - self.swept >= NOTE_SECONDS:
            self.swept = self.now

    def join(self, replica: str, revision: str) -> str | None:
        """See the port."""
        before = self.machines.get(replica)
        self.lose(replica)
        held, at = self.lost.pop(replica, (None, self.now))
        self.machines[replica] = Machine(revision, self.now, self.now)
        if held is not None and at > self.now - RESULT_SECONDS:
            self.machines[replica].former = held
        if before is not None and before.state is ReplicaState.RETIRED:
            self.machines[replica].state = ReplicaState.RETIRED
        if held is None or at <= self.now - RESULT_SECONDS:
            return None
        item = self.item(held)
        if item is not None and item.state is RequestState.RUNNING and item.replica == replica:
            self.wait_again(item, "")
        return held

    def beat(self, replica: str, state: ReplicaState, detail: str) -> bool:
        """See the port."""
        machine = self.machines.get(replica)
        if machine is None:
            return False
        machine.beat = self.now
        if machine.state is ReplicaState.RETIRED:
            return True
        unready = {ReplicaState.STARTING, ReplicaState.FAILING}
        if state is ReplicaState.READY and machine.state in unready:
            self.recover(machine)
        elif state is ReplicaState.FAILING or (
            state is ReplicaState.STARTING and machine.state is not ReplicaState.FAILING
        ):
            machine.state, machine.detail, machine.idle = state, detail, None
        return True

    def recover(self, machine: Machine) -> None:
        """Its model answers."""
        machine.former = None
        machine.detail = ""
        machine.state = ReplicaState.READY if machine.request is None else ReplicaState.BUSY
        machine.idle = self.now if machine.request is None else None
        if machine.first_ready is None:
            machine.first_ready = self.now
            if self.now - machine.joined >= LEAST_START_SECONDS:
                self.learn("start", self.now - machine.joined)
            serving = {ReplicaState.READY, ReplicaState.BUSY}
            count = sum(each.state in serving for each in self.machines.values())
            self.mark(min(count, self.desired))

    def leave(self, replica: str) -> None:
        """See the port."""
        self.lose(replica)

    def retire(self, replicas: Sequence[str]) -> list[str]:
        """See the port."""
        idle = [each for each in replicas if each in self.machines and self.machines[each].request is None]
        for replica in idle:
            self.machines[replica].state = ReplicaState.RETIRED
        return idle

    def unretire(self, replicas: Sequence[str]) -> None:
        """See the port."""
        for machine in (self.machines[each] for each in replicas if each in self.machines):
            if machine.state is ReplicaState.RETIRED:
                was_ready = machine.idle is not None
                machine.state = ReplicaState.READY if was_ready else ReplicaState.STARTING

    def set_desired(self, desired: int, _ceiling: int, cause: str, hold_seconds: float) -> None:
        """See the port."""
        self.desired, self.cause = desired, cause
        self.needed = {level: at for level, at in self.needed.items() if self.now - at <= hold_seconds}

    def nudge(self) -> None:
        """See the port."""
        self.mark(1)

    def dead_letters(self, limit: int) -> list[RequestView]:
        """See the port."""
        return [self.show(item) for item in self.dead()[:limit]]

    def replay(self, request_id: str) -> bool:
        """See the port."""
        item = self.item(request_id)
        if item is None or item.state is not RequestState.DEAD:
            return False
        self.items.remove(item)
        self.numbers += 1
        until = self.now + item.new.queue_seconds
        fresh = Item(item.new, self.numbers, self.now, until, is_sync=False, is_kept=True)
        fresh.attempt = item.attempt
        self.items.append(fresh)
        return True

    def purge(self, request_id: str | None) -> list[str]:
        """See the port."""
        purged = [item for item in self.dead() if request_id is None or item.new.id == request_id]
        self.items = [item for item in self.items if item not in purged]
        return [item.new.id for item in purged]

    def allow(self, bucket: str, count: int, seconds: float) -> Allowance:
        """See the port; the bucket is kept as the allowances in it and when that was so."""
        per_second = count / seconds
        held, at = self.buckets.get(bucket, (float(count), self.now))
        held = min(count, held + (self.now - at) * per_second)
        is_allowed = held >= 1 - 1e-6
        held -= is_allowed
        self.buckets[bucket] = (held, self.now)
        reset, retry = (count - held) / per_second, 0 if is_allowed else (1 - held) / per_second
        return Allowance(is_allowed, int(held + 1e-6), reset, retry)

    def ping(self) -> None:
        """See the port."""

    # The views.

    def find(self, request_id: str) -> RequestView | None:
        """See the port."""
        item = self.item(request_id)
        return None if item is None else self.show(item)

    def show(self, item: Item) -> RequestView:
        """One request."""
        ends = [at for at in (item.started, item.finished, self.now) if at is not None]
        return RequestView(
            id=item.new.id,
            state=item.state,
            position=self.place(item),
            attempt=item.attempt,
            enqueued_at=item.since,
            started_at=item.started,
            finished_at=item.finished,
            error=item.error,
            answer=item.answer,
            priority=item.new.priority,
            waited_seconds=ends[0] - item.since,
            caller_kind="sync" if item.is_sync else "async",
            body_ref=item.new.body_ref,
        )

    def look(self) -> EndpointView:
        """See the port."""
        waiting = self.waiting()
        return EndpointView(
            now=self.now,
            waiting=len(waiting),
            running=len(self.running()),
            waiting_bytes=sum(item.new.size for item in waiting),
            oldest_enqueued_at=min((item.since for item in waiting), default=None),
            dead=len(self.dead()),
            desired=self.desired,
            cause=self.cause,
            run_seconds=self.averages.get("run"),
            start_seconds=self.averages.get("start"),
            wait_seconds=self.averages.get("wait"),
            needed=dict(self.needed),
            replicas=tuple(self.show_replica(each) for each in sorted(self.machines)),
        )

    def show_replica(self, replica: str) -> ReplicaView:
        """One replica."""
        machine = self.machines[replica]
        return ReplicaView(
            id=replica,
            state=machine.state,
            revision=machine.revision,
            joined_at=machine.joined,
            ready_at=machine.first_ready,
            idle_since=machine.idle,
            beat_at=machine.beat,
            request=machine.request,
            detail=machine.detail,
        )
