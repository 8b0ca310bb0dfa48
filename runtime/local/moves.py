"""What to do about an endpoint's replicas: wanted and standing in, moves out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runtime.policy import choose_victims
from runtime.queue.port import EndpointView, ReplicaState, ReplicaView

SERVING = frozenset({ReplicaState.READY, ReplicaState.BUSY})


@dataclass(frozen=True, slots=True)
class Standing:
    """One replica as the supervisor holds it."""

    id: str
    revision: str
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do now; the next look decides about the rest."""

    start: int = 0
    """New replicas of the wanted revision."""
    retire: tuple[str, ...] = ()
    """To be stopped if the queue still finds them idle."""
    drain: tuple[str, ...] = ()
    """To be stopped in any case, after the request they have."""
    unretire: tuple[str, ...] = ()
    """Retired in the queue, but to stay."""


def plan_moves(
    wanted: int, revision: str, standing: Sequence[Standing], view: EndpointView, free: int
) -> Moves:
    """Moves towards so many replicas of a revision, with so many slots of the machine free.

    Replicas of other revisions are replaced: new ones start first where a slot is free, and an old one is
    drained for each new one that serves; without a free slot they are replaced one by one.
    """
    alive = [one for one in standing if not one.stopping]
    current = [one for one in alive if one.revision == revision]
    old = [one for one in alive if one.revision != revision]
    seen = {replica.id: replica for replica in view.replicas}
    start = max(0, min(wanted - len(current), free))
    if old:
        short = start == 0 and len(current) < wanted
        blocked = short and not any(one.stopping for one in standing)
        drain = _replaced(wanted, current, old, seen, blocked=blocked)
        return Moves(start=start, drain=drain, unretire=_wrongly_retired(alive, seen, drain))
    retire = _surplus(wanted, current, view, seen)
    return Moves(start=start, retire=retire, unretire=_wrongly_retired(current, seen, retire))


def _replaced(
    wanted: int,
    current: Sequence[Standing],
    old: Sequence[Standing],
    seen: dict[str, ReplicaView],
    *,
    blocked: bool,
) -> tuple[str, ...]:
    """Old replicas to drain, busy ones last."""
    serving = sum(one.id in seen and seen[one.id].state in SERVING for one in current)
    surplus = len(old) - max(0, wanted - serving)
    order = sorted((one.id for one in old), key=lambda one: (_is_busy(seen.get(one)), one))
    return tuple(order[: max(surplus, 1 if blocked else 0)])


def _surplus(
    wanted: int, current: Sequence[Standing], view: EndpointView, seen: dict[str, ReplicaView]
) -> tuple[str, ...]:
    """Replicas to retire: those that never joined the queue first, then as the policy chooses."""
    surplus = max(0, len(current) - wanted)
    unseen = [one.id for one in current if one.id not in seen][:surplus]
    kept = [seen[one.id] for one in current if one.id in seen]
    taking = sum(replica.state is not ReplicaState.RETIRED for replica in kept)
    gone = len(kept) - taking  # already retired, by us or by the supervisor before us
    left = max(0, taking - max(0, surplus - len(unseen) - gone))
    again = [replica.id for replica in kept if replica.state is ReplicaState.RETIRED]
    chosen = choose_victims(replace(view, replicas=kept), left)
    return (*unseen, *again[: surplus - len(unseen)], *chosen)


def _wrongly_retired(
    standing: Sequence[Standing], seen: dict[str, ReplicaView], going: Sequence[str]
) -> tuple[str, ...]:
    return tuple(
        one.id
        for one in standing
        if one.id in seen and seen[one.id].state is ReplicaState.RETIRED and one.id not in going
    )


def _is_busy(replica: ReplicaView | None) -> bool:
    return replica is not None and replica.state is ReplicaState.BUSY
