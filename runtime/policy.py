"""The scaling policy: state and clock in, a desired number out. Pure.

The same functions serve the local supervisor, the scaler in a cluster and the trace simulator. Hold state
lives in the queue (`EndpointView.needed`), so whoever asks next goes on where the last one stopped.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.queue.port import EndpointView, ReplicaState, ReplicaView
from runtime.wire import Scaling


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas an endpoint should have."""

    desired: int
    demanded: int
    """How many of them demand or `min` needs at this moment; the others are held for the idle `timeout`."""
    recheck_seconds: float | None
    """When a hold runs out, in seconds from now; None when none does."""


@dataclass(frozen=True, slots=True)
class Want:
    """What one endpoint asks of a machine with few slots."""

    desired: int
    demanded: int
    busy: int = 0
    standing: int = 0
    """Replicas that it has now."""
    waiting_since: float | None = None
    """When its longest-waiting request came in; None when none waits."""


def decide(scaling: Scaling, start_seconds: float, view: EndpointView) -> Decision:
    """Demand, held for `timeout` after it was last needed, between min and max, never below what is busy.

    A replica that is still in its first start is not idle, for up to `start_seconds`: a request that
    gave up must not end the start that the next one is about to need. It holds the number that was wanted and
    raises none: during a rollout new replicas start beside those whose place they take.
    """
    held = _held_level(scaling.timeout, view)
    busy = sum(replica.state is ReplicaState.BUSY for replica in view.replicas)
    starting = sum(_is_in_first_start(replica, view.now, start_seconds) for replica in view.replicas)
    demanded = max(_clamp(view.demand, scaling), busy)
    kept = min(busy + starting, view.desired)
    desired = max(_clamp(max(view.demand, held, kept), scaling), busy)
    return Decision(desired, demanded, _recheck_seconds(scaling.timeout, view, held))


def share_slots(wants: Mapping[str, Want], slots: int) -> dict[str, int]:
    """How many replicas each endpoint may have on a machine with so many slots.

    Busy replicas keep theirs. Of those needed now (minimums too) each endpoint gets one, first where a request
    has waited longest; then it keeps what it has up to its even share, so that slots do not wander while work
    waits everywhere; then each gets its even share, then one each in turn. Idle ones that are merely held come last. The sum is at most
    `slots`, unless more are busy.
    """
    order = sorted(wants, key=lambda name: (_since(wants[name]), name))
    granted = {name: wants[name].busy for name in order}
    free = slots - sum(granted.values())
    even = math.ceil(slots / max(1, sum(want.demanded > 0 for want in wants.values())))
    for goal in (
        {name: min(1, want.demanded) for name, want in wants.items()},
        {name: min(want.standing, even, want.demanded) for name, want in wants.items()},
        {name: min(even, want.demanded) for name, want in wants.items()},
        {name: want.demanded for name, want in wants.items()},
        {name: want.desired for name, want in wants.items()},
    ):
        free = _grant_in_turn(granted, goal, free)
    return granted


def choose_victims(view: EndpointView, desired: int) -> list[str]:
    """Replicas to retire so that `desired` are left: failing, then starting, then longest idle; never busy."""
    alive = [replica for replica in view.replicas if replica.state is not ReplicaState.RETIRED]
    idle = sorted((r for r in alive if r.state is not ReplicaState.BUSY), key=_worth)
    return [replica.id for replica in idle[: max(0, len(alive) - desired)]]


def _held_level(timeout: float, view: EndpointView) -> int:
    return max((level for level, at in view.needed.items() if view.now - at < timeout), default=0)


def _recheck_seconds(timeout: float, view: EndpointView, held: int) -> float | None:
    if held <= view.demand:
        return None
    return max(0.0, view.needed[held] + timeout - view.now)


def _is_in_first_start(replica: ReplicaView, now: float, start_seconds: float) -> bool:
    is_starting = replica.state is ReplicaState.STARTING and replica.ready_at is None
    return is_starting and now - replica.joined_at < start_seconds


def _clamp(number: int, scaling: Scaling) -> int:
    return max(scaling.min, min(number, scaling.max))


def _since(want: Want) -> float:
    return math.inf if want.waiting_since is None else want.waiting_since


def _grant_in_turn(granted: dict[str, int], goals: Mapping[str, int], free: int) -> int:
    """One slot each in turn until the goals are met or no slot is free; what stays free comes back."""
    while free > 0:
        short = [name for name in granted if granted[name] < goals[name]]
        if not short:
            break
        for name in short[:free]:
            granted[name] += 1
        free -= len(short[:free])
    return free


_ORDER = {ReplicaState.FAILING: 0, ReplicaState.STARTING: 1, ReplicaState.READY: 2}


def _worth(replica: ReplicaView) -> tuple[int, float, str]:
    """Smallest goes first: among the starting the newest, among the idle the longest idle."""
    age = -replica.joined_at if replica.idle_since is None else replica.idle_since
    return (_ORDER[replica.state], age, replica.id)
