"""What to do about an endpoint's number: wanted and standing in, moves out. Pure.

A lowered number says how many pods go, never which. The ReplicaSet deletes pods that are unassigned, pending or
not ready before any other, whatever their cost, and only then the cheapest. So the number may be lowered only as
far as that order runs through replicas that are retired in the queue.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from runtime.policy import choose_victims
from runtime.queue.port import EndpointView, ReplicaState
from runtime.scaler.fleet import Fleet, Pod

GOING_COST, STAYING_COST = -1000, 1000
"""Pod-deletion-costs; a pod that is new in between has 0."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do now; the next look decides about the rest."""

    number: int
    """The number that should stand; a lower one only as far as `victims` could be retired."""
    victims: tuple[str, ...] = ()
    """To be retired before the number is lowered."""
    unretire: tuple[str, ...] = ()
    """Retired in the queue, but staying."""


def plan_moves(desired: int, target: int, fleet: Fleet, view: EndpointView) -> Moves:
    """Moves towards so many replicas.

    Args:
        desired: what the policy wants, at least as many as are busy.
        target: the number that stands: in the Deployment, or published to KEDA.
        fleet: the Deployment.
        view: what `view_of_fleet` made of it.
    """
    alive = fleet.alive
    if desired < target and not fleet.is_settled:
        return _plan_end(desired, target, alive, view)
    number = max(desired, target)
    is_deleting = fleet.is_settled and len(alive) > number  # the ReplicaSet has not done yet what it was told
    if desired >= target or is_deleting:
        return Moves(number, unretire=() if is_deleting else _retired(view, alive))
    if len(alive) < target and _is_exposed(alive, view):
        return Moves(target, unretire=_retired(view, alive))
    victims = _choose(alive, view, len(alive) - desired)
    number = min(target, max(desired, len(alive) - len(victims)))
    return Moves(number, victims, unretire=_without(_retired(view, alive), victims))


def removable(alive: Iterable[Pod], going: Collection[str]) -> int:
    """How many of the pods the ReplicaSet would delete before it came to one that is not going."""
    order = sorted(alive, key=lambda pod: (pod.rank, pod.name not in going))
    count = 0
    for pod in order:
        if pod.name not in going:
            break
        count += 1
    return count


def costs(alive: Iterable[Pod], going: Collection[str]) -> dict[str, int]:
    """The pod-deletion-cost of each pod: survivors would keep an old one otherwise."""
    return {pod.name: GOING_COST if pod.name in going else STAYING_COST for pod in alive}


def _plan_end(desired: int, target: int, alive: tuple[Pod, ...], view: EndpointView) -> Moves:
    """During a rollout two ReplicaSets share the number out between them: only none at all is sure."""
    names = {pod.name for pod in alive}
    is_idle = all(replica.request is None for replica in view.replicas if replica.id in names)
    if desired == 0 and is_idle:
        return Moves(0, tuple(sorted(names)))
    return Moves(target, unretire=_retired(view, alive))


def _is_exposed(alive: tuple[Pod, ...], view: EndpointView) -> bool:
    """Whether a busy pod counts as unready: it would go before pods that we have not heard of yet."""
    busy = {replica.id for replica in view.replicas if replica.request is not None}
    return any(pod.name in busy and not pod.is_ready for pod in alive)


def _choose(alive: tuple[Pod, ...], view: EndpointView, surplus: int) -> tuple[str, ...]:
    """Victims in the ReplicaSet's order of ranks, within a rank as the policy chooses; never past a survivor."""
    chosen: list[str] = []
    for _, group in groupby(sorted(alive, key=lambda pod: pod.rank), key=lambda pod: pod.rank):
        names = {pod.name for pod in group}
        left = surplus - len(chosen)
        replicas = [replica for replica in view.replicas if replica.id in names]
        again = [replica.id for replica in replicas if replica.state is ReplicaState.RETIRED][: max(0, left)]
        taking = [replica for replica in replicas if replica.state is not ReplicaState.RETIRED]
        wanted = max(0, left - len(again))
        fresh = choose_victims(replace(view, replicas=taking), len(taking) - wanted)
        chosen += [*again, *fresh]
        if len(again) + len(fresh) < len(names):
            break
    return tuple(chosen)


def _retired(view: EndpointView, alive: tuple[Pod, ...]) -> tuple[str, ...]:
    names = {pod.name for pod in alive}
    return tuple(
        replica.id
        for replica in view.replicas
        if replica.state is ReplicaState.RETIRED and replica.id in names
    )


def _without(names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)
