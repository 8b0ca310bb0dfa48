"""Why a request waits, how long yet, and when there will be room: pure facts."""

from dataclasses import replace

import pytest

from runtime.queue.port import EndpointView, ReplicaState, ReplicaView
from runtime.waiting import explain, seconds_until_clear
from runtime.wire import Scaling

NOW = 1_000_000.0
ONE_TO_FOUR = Scaling(min=1, max=4, timeout=60)


def view(
    *replicas: ReplicaState,
    waiting: int = 0,
    run: float | None = 2.0,
    start: float | None = 30.0,
    cause: str = "",
    joined: float = NOW,
) -> EndpointView:
    """An endpoint at NOW."""
    return EndpointView(
        now=NOW,
        waiting=waiting,
        running=0,
        waiting_bytes=0,
        oldest_enqueued_at=None,
        dead=0,
        desired=len(replicas),
        cause=cause,
        run_seconds=run,
        start_seconds=start,
        replicas=[
            ReplicaView(f"r{at}", state, "1", joined, None, None, NOW, None, f"detail {at}")
            for at, state in enumerate(replicas)
        ],
    )


READY, BUSY, STARTING, FAILING = (
    ReplicaState.READY,
    ReplicaState.BUSY,
    ReplicaState.STARTING,
    ReplicaState.FAILING,
)


def test_nothing_holds_up_the_first_where_a_replica_is_idle() -> None:
    """No cause and no wait."""
    why = explain(view(READY, BUSY), ONE_TO_FOUR, position=0)

    assert (why.cause, why.estimate_seconds) == ("", 0.0)


@pytest.mark.parametrize(
    ("position", "cause", "seconds"),
    [(0, "next, when a busy replica is free", 0.5), (3, "behind 3 waiting", 3.5)],
)
def test_turns_of_busy_replicas_are_waited_out(position: int, cause: str, seconds: float) -> None:
    """Two replicas of 2 s a run: half a run each for what runs, one run each for what is before it."""
    why = explain(view(BUSY, BUSY), ONE_TO_FOUR, position)

    assert (why.cause, why.estimate_seconds) == (cause, seconds)


def test_rest_of_a_start_is_waited_out() -> None:
    """The oldest of those that are starting comes first."""
    why = explain(view(STARTING, joined=NOW - 10), ONE_TO_FOUR, position=0)

    assert (why.cause, why.estimate_seconds) == ("starting", 20.0)


def test_start_that_takes_longer_than_ever_is_about_to_end() -> None:
    """Never a negative time."""
    assert explain(view(STARTING, joined=NOW - 99), ONE_TO_FOUR, position=0).estimate_seconds == 0.0


def test_nothing_is_estimated_before_it_was_measured() -> None:
    """No number is better than a made-up one."""
    assert explain(view(BUSY, run=None), ONE_TO_FOUR, position=0).estimate_seconds is None
    assert explain(view(STARTING, start=None), ONE_TO_FOUR, position=0).estimate_seconds is None


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        (view(), "no replica is running; a request starts one"),
        (view(FAILING), "crash-looping: detail 0"),
        (view(FAILING, cause="no free slot"), "no free slot"),
        (view(BUSY, cause="no free slot", waiting=2), "behind 2 waiting; no free slot"),
    ],
)
def test_cause_is_the_nearest_that_is_known(seen: EndpointView, cause: str) -> None:
    """What the scaler wrote down goes before what can be guessed."""
    assert explain(seen, ONE_TO_FOUR).cause == cause


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        (view(BUSY, BUSY, waiting=10), 10.0),
        (view(BUSY, waiting=10, run=None), 10.0),
        (view(waiting=10, start=None), 5.0),
        (view(STARTING, waiting=10, joined=NOW - 10), 25.0),
        (view(BUSY, waiting=0), 1.0),
        (view(BUSY, waiting=1000), 600.0),
    ],
    ids=["two-serve", "run-unknown", "start-unknown", "starting", "at-least-1-s", "at-most-a-wait"],
)
def test_room_comes_when_what_waits_has_run(seen: EndpointView, seconds: float) -> None:
    """Measured runs and starts; nothing waits longer than it may."""
    assert seconds_until_clear(seen, ONE_TO_FOUR, 600.0) == seconds


def test_retired_replicas_serve_nobody() -> None:
    """They take no more."""
    seen = view(BUSY, ReplicaState.RETIRED, waiting=4)

    assert seconds_until_clear(seen, ONE_TO_FOUR, 600.0) == 8.0
    assert explain(replace(seen, waiting=4), ONE_TO_FOUR).estimate_seconds == 9.0
