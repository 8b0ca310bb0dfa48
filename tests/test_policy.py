"""The scaling policy, by tables and by laws."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.views import empty_view

from runtime.policy import Want, choose_victims, decide, share_slots
from runtime.queue.port import ReplicaState, ReplicaView
from runtime.wire import Scaling

NOW = 1_000.0
START_SECONDS = 60.0
EMPTY = empty_view(NOW)


def replica(
    name: str, state: ReplicaState, *, idle_since: float | None = None, joined_at: float = NOW - 10
) -> ReplicaView:
    """A replica as its worker reports it."""
    ready_at = None if state is ReplicaState.STARTING else joined_at + 1
    return ReplicaView(name, state, "rev", joined_at, ready_at, idle_since, NOW, None, "")


def scaling(least: int = 0, most: int = 4, timeout: int = 300) -> Scaling:
    """Bounds of a made-up endpoint."""
    return Scaling(min=least, max=most, timeout=timeout)


@pytest.mark.parametrize(
    ("waiting", "running", "needed", "desired"),
    [
        (0, 0, {}, 0),
        (1, 0, {}, 1),
        (3, 0, {}, 3),
        (9, 0, {}, 4),
        (1, 2, {}, 3),
        (0, 0, {2: NOW - 299}, 2),
        (0, 0, {2: NOW - 300}, 0),
        (0, 0, {2: NOW - 400, 1: NOW - 5}, 1),
        (0, 0, {9: NOW - 5}, 4),
    ],
)
def test_desired_is_demand_held_for_the_timeout_up_to_max(
    waiting: int, running: int, needed: dict[int, float], desired: int
) -> None:
    """Demand and the freshest need decide; max bounds both."""
    view = replace(EMPTY, waiting=waiting, running=running, needed=needed)

    assert decide(scaling(), START_SECONDS, view).desired == desired


def test_min_replicas_stay_without_demand() -> None:
    """An always-warm endpoint keeps its minimum."""
    assert decide(scaling(least=2), START_SECONDS, EMPTY).desired == 2


def test_busy_replicas_stay_when_max_is_lowered_below_them() -> None:
    """An edit of max never ends a running request."""
    busy = tuple(replica(f"r{n}", ReplicaState.BUSY) for n in range(3))
    view = replace(EMPTY, running=3, replicas=busy)

    assert decide(scaling(most=1), START_SECONDS, view).desired == 3


def test_replica_in_its_first_start_is_not_idle() -> None:
    """The request that woke it has gone; the start goes on."""
    view = replace(EMPTY, desired=1, replicas=(replica("r1", ReplicaState.STARTING),))

    assert decide(scaling(timeout=5), START_SECONDS, view).desired == 1


def test_first_start_past_its_limit_no_longer_holds() -> None:
    """A start that never ends must not cost for ever."""
    late = replica("r1", ReplicaState.STARTING, joined_at=NOW - START_SECONDS)
    view = replace(EMPTY, desired=1, replicas=(late,))

    assert decide(scaling(timeout=5), START_SECONDS, view).desired == 0


def test_replica_that_starts_in_the_place_of_a_busy_one_raises_nothing() -> None:
    """A rollout under load would take one more at each look, up to max."""
    pair = (replica("old", ReplicaState.BUSY), replica("new", ReplicaState.STARTING))
    view = replace(EMPTY, running=1, desired=1, replicas=pair)

    assert decide(scaling(), START_SECONDS, view).desired == 1


def test_recheck_is_due_when_the_hold_runs_out() -> None:
    """The caller need not poll to scale down in time."""
    view = replace(EMPTY, needed={1: NOW - 100})

    assert decide(scaling(), START_SECONDS, view).recheck_seconds == pytest.approx(200)


def test_victims_are_failing_then_starting_then_longest_idle() -> None:
    """What serves nobody goes first."""
    view = replace(
        EMPTY,
        replicas=(
            replica("fresh", ReplicaState.READY, idle_since=NOW - 1),
            replica("busy", ReplicaState.BUSY),
            replica("stale", ReplicaState.READY, idle_since=NOW - 90),
            replica("new", ReplicaState.STARTING),
            replica("broken", ReplicaState.FAILING),
        ),
    )

    assert choose_victims(view, 1) == ["broken", "new", "stale", "fresh"]


def test_busy_replicas_are_never_victims() -> None:
    """Not even when none should be left."""
    view = replace(EMPTY, replicas=(replica("a", ReplicaState.BUSY), replica("b", ReplicaState.BUSY)))

    assert choose_victims(view, 0) == []


def test_held_replicas_give_way_to_needed_ones() -> None:
    """An idle replica of one endpoint must not keep another's request waiting."""
    wants = {"idle": Want(desired=2, demanded=0), "asked": Want(desired=1, demanded=1, waiting_since=NOW)}

    assert share_slots(wants, slots=2) == {"idle": 1, "asked": 1}


def test_longest_waiting_endpoint_gets_the_last_slot() -> None:
    """First come, first served across endpoints too."""
    wants = {
        "a": Want(desired=1, demanded=1, waiting_since=NOW),
        "b": Want(desired=1, demanded=1, waiting_since=NOW - 9),
    }

    assert share_slots(wants, slots=1) == {"a": 0, "b": 1}


def test_slots_do_not_wander_while_work_waits_everywhere() -> None:
    """Whoever has waited longest changes all the time; what runs stays where it is."""
    wants = {
        "a": Want(desired=3, demanded=3, busy=1, standing=2, waiting_since=NOW),
        "b": Want(desired=3, demanded=3, busy=2, standing=2, waiting_since=NOW - 1),
        "c": Want(desired=3, demanded=3, busy=0, standing=2, waiting_since=NOW - 2),
    }

    assert share_slots(wants, slots=6) == {"a": 2, "b": 2, "c": 2}


def test_endpoint_with_more_than_its_even_share_gives_way() -> None:
    """It came first, but the other has work too."""
    wants = {
        "first": Want(desired=4, demanded=4, busy=2, standing=4, waiting_since=NOW),
        "second": Want(desired=4, demanded=4, standing=0, waiting_since=NOW),
    }

    assert share_slots(wants, slots=4) == {"first": 2, "second": 2}


@st.composite
def any_want(draw: st.DrawFn) -> Want:
    """Busy within demanded within desired, as `decide` gives them."""
    busy, more, held = (draw(st.integers(0, 5)) for _ in range(3))
    since = draw(st.none() | st.floats(0, NOW))
    standing = draw(st.integers(0, 9))
    return Want(busy + more + held, busy + more, busy, standing, since)


@given(wants=st.dictionaries(st.text("abcdef", min_size=1, max_size=3), any_want()), slots=st.integers(0, 20))
def test_slots_are_shared_lawfully(wants: dict[str, Want], slots: int) -> None:
    """Busy is kept, nobody gets more than it wants, no slot is idle while it is wanted, none is made up."""
    granted = share_slots(wants, slots)

    assert all(wants[name].busy <= granted[name] <= wants[name].desired for name in wants)
    busy = sum(want.busy for want in wants.values())
    wanted = sum(want.desired for want in wants.values())
    assert sum(granted.values()) == max(busy, min(slots, wanted))


@given(
    waiting=st.integers(0, 50),
    busy=st.integers(0, 6),
    ready=st.integers(0, 6),
    needed=st.dictionaries(st.integers(1, 60), st.floats(0, NOW)),
    least=st.integers(0, 5),
    more=st.integers(0, 5),
)
def test_decision_stays_between_its_laws(
    *, waiting: int, busy: int, ready: int, needed: dict[int, float], least: int, more: int
) -> None:
    """Never below min or busy, never above max unless busy, never below what is needed now."""
    replicas = [replica(f"b{n}", ReplicaState.BUSY) for n in range(busy)]
    replicas += [replica(f"r{n}", ReplicaState.READY, idle_since=NOW) for n in range(ready)]
    view = replace(EMPTY, waiting=waiting, running=busy, needed=needed, replicas=tuple(replicas))

    decision = decide(scaling(least, least + more), START_SECONDS, view)

    assert max(least, busy) <= decision.desired <= max(least + more, busy)
    assert decision.demanded <= decision.desired
    assert decision.desired >= min(view.demand, least + more)
