"""The laws of a lowered number."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.views import empty_view

from runtime.queue.port import ReplicaState, ReplicaView
from runtime.scaler.fleet import Fleet, Pod
from runtime.scaler.moves import costs, plan_moves, removable
from runtime.scaler.seeing import view_of_fleet

NOW = 10_000.0
EMPTY = empty_view(NOW)
STATES = [None, *ReplicaState]
"""What the queue knows of a pod; None: it has not joined."""


def make_pod(name: str, *, phase: str = "Running", ready: bool = True, assigned: bool = True) -> Pod:
    """A pod of one template."""
    return Pod(
        name=name,
        template="aaaa",
        created_at=NOW - 100,
        is_assigned=assigned,
        phase=phase,
        is_ready=ready,
        is_terminating=False,
        cost=0,
        model_started_at=NOW - 90,
        is_crash_looping=False,
    )


def make_replica(name: str, state: ReplicaState) -> ReplicaView:
    """A replica as its worker reports it."""
    request = f"embed.{name}" if state is ReplicaState.BUSY else None
    idle_since = NOW - 50 if state is ReplicaState.READY else None
    return ReplicaView(name, state, "1", NOW - 90, NOW - 80, idle_since, NOW, request, "")


def make_fleet(*pods: Pod, replicas: int | None = None) -> Fleet:
    """A settled Deployment."""
    number = len(pods) if replicas is None else replicas
    return Fleet("embed", "moorage-baseline", number, "1", "1", is_observed=True, created_at=0.0, pods=pods)


def deleted_by_replica_set(fleet: Fleet, number: int, written: dict[str, int]) -> set[str]:
    """Whom the ReplicaSet deletes; among equals the one that hurts most is assumed."""
    order = sorted(fleet.alive, key=lambda pod: (pod.rank, written.get(pod.name, pod.cost)))
    return {pod.name for pod in order[: max(0, len(order) - number)]}


pods = st.builds(
    lambda phase, ready, state: (phase, ready, state),
    st.sampled_from(["unassigned", "Pending", "Running"]),
    st.booleans(),
    st.sampled_from(STATES),
)


@given(
    st.lists(pods, max_size=7),
    st.integers(0, 7),
    st.integers(-2, 2),
    st.sets(st.integers(0, 6)),
)
def test_no_busy_replica_is_deleted(
    drawn: list[tuple[str, bool, ReplicaState | None]], desired: int, off: int, taken: set[int]
) -> None:
    """Whatever pods look like, and whoever takes a request before it can be retired."""
    fleet_pods = [
        make_pod(
            f"p{place}",
            phase="Pending" if phase == "unassigned" else phase,
            ready=ready and phase == "Running",
            assigned=phase != "unassigned",
        )
        for place, (phase, ready, _) in enumerate(drawn)
    ]
    replicas = [make_replica(f"p{place}", state) for place, (_, _, state) in enumerate(drawn) if state]
    fleet = make_fleet(*fleet_pods, replicas=max(0, len(fleet_pods) + off))
    view = view_of_fleet(replace(EMPTY, replicas=replicas), fleet, 60.0, fleet.pods)
    busy = {replica.id for replica in replicas if replica.request is not None}
    desired = max(desired, len(busy))

    moves = plan_moves(desired, fleet.replicas, fleet, view)
    busy |= {f"p{place}" for place in taken if place < len(drawn) and drawn[place][2] is ReplicaState.READY}
    going = set(moves.victims) - busy
    number = max(moves.number, min(fleet.replicas, len(fleet.alive) - removable(fleet.alive, going)))

    assert not set(moves.victims) & {replica.id for replica in replicas if replica.request is not None}
    if number < fleet.replicas:
        gone = deleted_by_replica_set(fleet, number, costs(fleet.alive, going))
        assert gone <= going
        assert number >= desired


@given(st.lists(pods, max_size=7), st.integers(0, 9))
def test_number_is_never_below_what_is_desired(
    drawn: list[tuple[str, bool, ReplicaState | None]], desired: int
) -> None:
    """And a raise goes to it at once."""
    fleet = make_fleet(*(make_pod(f"p{place}", ready=ready) for place, (_, ready, _) in enumerate(drawn)))
    replicas = [make_replica(f"p{place}", state) for place, (_, _, state) in enumerate(drawn) if state]

    moves = plan_moves(desired, fleet.replicas, fleet, replace(EMPTY, replicas=replicas))

    assert moves.number >= desired
    if desired >= fleet.replicas:
        assert moves.number == desired


@pytest.mark.parametrize(
    ("going", "count"),
    [
        (set(), 0),
        ({"ready"}, 0),
        ({"pending"}, 1),
        ({"pending", "ready"}, 1),
        ({"pending", "starting", "ready"}, 3),
    ],
)
def test_order_of_a_replica_set_bounds_what_may_go(going: set[str], count: int) -> None:
    """Unassigned, pending and unready pods go first, whatever their cost."""
    alive = [make_pod("ready"), make_pod("starting", ready=False), make_pod("pending", phase="Pending")]

    assert removable(alive, going) == count


def test_failing_and_starting_go_before_idle_ones() -> None:
    """As the policy chooses, where the ReplicaSet's order leaves a choice."""
    fleet = make_fleet(make_pod("a"), make_pod("b"), make_pod("c"))
    states = {"a": ReplicaState.READY, "b": ReplicaState.FAILING, "c": ReplicaState.STARTING}
    view = replace(EMPTY, replicas=[make_replica(name, state) for name, state in states.items()])

    assert plan_moves(1, 3, fleet, view).victims == ("b", "c")


def test_number_above_the_pods_sinks_without_a_victim() -> None:
    """The ReplicaSet could not make them all: a quota, say."""
    fleet = make_fleet(make_pod("a"), replicas=5)
    view = replace(EMPTY, replicas=[make_replica("a", ReplicaState.READY)])

    moves = plan_moves(2, 5, fleet, view)

    assert (moves.number, moves.victims) == (2, ())


def test_number_stays_while_unknown_pods_may_outlive_a_busy_one() -> None:
    """A pod that is busy but not ready yet would go before those that the copy lacks."""
    fleet = make_fleet(make_pod("a", ready=False), replicas=3)
    view = replace(EMPTY, replicas=[make_replica("a", ReplicaState.BUSY)])

    assert plan_moves(2, 3, fleet, view).number == 3
