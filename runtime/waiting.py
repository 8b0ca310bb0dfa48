"""Why a request waits and for how long yet: the answer to "why am I waiting?". Pure."""

from dataclasses import dataclass

from runtime.queue.port import EndpointView, ReplicaState
from runtime.wire import Scaling

DEFAULT_RUN_SECONDS = 1.0
"""Assumed run of a request while none has been measured."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why, in words, and how long yet."""

    cause: str
    """Empty when nothing holds a request up."""
    estimate_seconds: float | None
    """Seconds until a replica takes it; None when nothing has been measured yet."""


def explain(view: EndpointView, scaling: Scaling, position: int | None = None) -> Waiting:
    """Why a request at this position waits; without one, why a request that came now would.

    The estimate comes from the moving averages of runs and starts that the queue keeps.
    """
    ahead = view.waiting if position is None else position
    idle = _count(view, ReplicaState.READY)
    serving = idle + _count(view, ReplicaState.BUSY)
    if serving == 0:
        return Waiting(_cause_without_replica(view), _estimate_start(view, scaling, ahead))
    if ahead < idle:
        return Waiting("", 0.0)
    return Waiting(_cause_behind(view, ahead), _estimate_turn(view, ahead - idle, serving))


def seconds_until_clear(view: EndpointView, scaling: Scaling, most: float) -> float:
    """How long what waits now will take: the honest Retry-After of a full queue, from 1 s to `most`.

    Waiting requests x average run / replicas that run them (as many as there may be before any is ready),
    after the rest of the start that they wait for.
    """
    serving = _count(view, ReplicaState.READY) + _count(view, ReplicaState.BUSY)
    run = DEFAULT_RUN_SECONDS if view.run_seconds is None else view.run_seconds
    start = 0.0 if serving else _start_left(view) or 0.0
    return min(max(1.0, start + view.waiting * run / (serving or max(1, scaling.max))), most)


def _count(view: EndpointView, state: ReplicaState) -> int:
    return sum(replica.state is state for replica in view.replicas)


def _cause_without_replica(view: EndpointView) -> str:
    if view.cause:
        return view.cause
    failing = [replica.detail for replica in view.replicas if replica.state is ReplicaState.FAILING]
    if failing:
        return f"crash-looping: {failing[0]}"
    if _count(view, ReplicaState.STARTING):
        return "starting"
    return "no replica is running; a request starts one"


def _cause_behind(view: EndpointView, ahead: int) -> str:
    behind = f"behind {ahead} waiting" if ahead else "next, when a busy replica is free"
    return f"{behind}; {view.cause}" if view.cause else behind


def _estimate_turn(view: EndpointView, ahead: int, serving: int) -> float | None:
    """A busy replica is on average half way through its run when one asks."""
    if view.run_seconds is None:
        return None
    return round(view.run_seconds * (0.5 + ahead) / serving, 1)


def _estimate_start(view: EndpointView, scaling: Scaling, ahead: int) -> float | None:
    left = _start_left(view)
    if left is None:
        return None
    turns = ahead // max(1, scaling.max)
    return round(left + turns * (view.run_seconds or 0.0), 1)


def _start_left(view: EndpointView) -> float | None:
    """Seconds until the first of the starting replicas is ready; None while nobody can know."""
    crash_loops = _count(view, ReplicaState.FAILING) and not _count(view, ReplicaState.STARTING)
    if view.start_seconds is None or crash_loops:
        return None
    begun = [
        view.now - replica.joined_at for replica in view.replicas if replica.state is ReplicaState.STARTING
    ]
    return max(0.0, view.start_seconds - max(begun, default=0.0))
