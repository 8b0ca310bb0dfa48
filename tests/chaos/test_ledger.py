"""What the ledger makes of a request's fate and of what was struck while it lived."""

from typing import Any

import pytest

from bench.chaos.ledger import Blow, Entry, Fate, Run, Verdict, judge
from bench.chaos.orders import Kind
from bench.chaos.schedule import Struck

PORT = 9000
OTHER_PORT = 9001


def entry(kind: Kind, fate: Fate, **changes: Any) -> Entry:
    """A request that lived from second 10 to 20."""
    return Entry(1, kind, 10.0, **{"ended_at": 20.0, "fate": fate, "request_ids": ["r"], **changes})


def run(begun_at: float, ended_at: float | None, port: int = PORT, name: str = "") -> Run:
    """A run of the request."""
    return Run("r", name or f"run-{begun_at}", port, begun_at, ended_at)


def verdict_on(one: Entry, *blows: Blow, runs: tuple[Run, ...] = (), overlaps: int = 0) -> Verdict:
    """The verdict on one request."""
    return judge([one], blows, runs, overlaps)


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.KEYED])
@pytest.mark.parametrize("fate", [Fate.OPEN, Fate.FAILED, Fate.BROKEN, Fate.WRONG])
def test_async_or_keyed_request_without_its_answer_is_lost_whatever_was_struck(
    kind: Kind, fate: Fate
) -> None:
    """No kill excuses it."""
    verdict = verdict_on(entry(kind, fate), Blow(15, Struck.GATEWAY), Blow(15, Struck.WORKER, PORT))

    assert len(verdict.lost) == 1
    assert not verdict.is_good


def test_answered_request_is_neither_lost_nor_unexplained() -> None:
    """The usual case."""
    verdict = verdict_on(entry(Kind.ASYNC, Fate.ANSWERED, runs=["a", "a"]))

    assert verdict.is_good


def test_sync_request_that_fails_with_its_gateway_is_counted_apart() -> None:
    """Visible, and allowed."""
    verdict = verdict_on(entry(Kind.SYNC, Fate.FAILED), Blow(15, Struck.GATEWAY))

    assert verdict.excused == {Kind.SYNC: 1}
    assert verdict.is_good


@pytest.mark.parametrize("at", [9.0, 21.0])
def test_gateway_killed_outside_its_lifetime_excuses_nothing(at: float) -> None:
    """A dying process is given half a second."""
    verdict = verdict_on(entry(Kind.SYNC, Fate.FAILED), Blow(at, Struck.GATEWAY))

    assert len(verdict.unexplained) == 1
    assert not verdict.is_good


@pytest.mark.parametrize("struck", [Struck.WORKER, Struck.MODEL, Struck.VALKEY, Struck.SUPERVISOR])
def test_sync_request_may_not_fail_with_anything_but_its_gateway(struck: Struck) -> None:
    """Its request was not answered yet, so it can run again."""
    verdict = verdict_on(entry(Kind.SYNC, Fate.FAILED), Blow(15, struck, PORT), runs=(run(14, None),))

    assert len(verdict.unexplained) == 1


def test_wrong_answer_is_excused_by_nothing() -> None:
    """A stream that ends early and cleanly is wrong too."""
    verdict = verdict_on(entry(Kind.STREAM, Fate.WRONG), Blow(15, Struck.GATEWAY))

    assert len(verdict.unexplained) == 1


def test_stream_broken_off_with_its_own_worker_is_a_broken_stream() -> None:
    """Visible, and allowed once a byte has left."""
    verdict = verdict_on(
        entry(Kind.STREAM, Fate.BROKEN), Blow(15, Struck.WORKER, PORT), runs=(run(14, None),)
    )

    assert verdict.broken_streams == 1
    assert verdict.is_good


def test_stream_broken_off_while_another_worker_dies_is_unexplained() -> None:
    """Only its own counts."""
    verdict = verdict_on(
        entry(Kind.STREAM, Fate.BROKEN), Blow(15, Struck.WORKER, OTHER_PORT), runs=(run(14, None),)
    )

    assert len(verdict.unexplained) == 1


def test_stream_of_a_worker_that_was_paused_before_it_broke_is_explained() -> None:
    """A worker that is silent too long is killed by its supervisor."""
    paused = Blow(14.5, Struck.PAUSE, PORT, seconds=18)

    verdict = verdict_on(entry(Kind.STREAM, Fate.BROKEN), paused, runs=(run(14, 15),))

    assert verdict.broken_streams == 1


def test_answers_of_two_runs_are_a_duplicate() -> None:
    """The client saw that the model worked twice."""
    verdict = verdict_on(entry(Kind.KEYED, Fate.ANSWERED, runs=["a", "b"]))

    assert len(verdict.duplicates) == 1
    assert not verdict.is_good


def test_repeated_events_are_a_duplicate() -> None:
    """So is a stream that begins again."""
    verdict = verdict_on(entry(Kind.STREAM, Fate.WRONG, is_repeated=True))

    assert len(verdict.duplicates) == 1


def test_an_overlap_breaks_the_contract() -> None:
    """One request at a time, ever."""
    verdict = verdict_on(entry(Kind.ASYNC, Fate.ANSWERED), overlaps=1)

    assert not verdict.is_good


@pytest.mark.parametrize("struck", [Struck.WORKER, Struck.MODEL])
def test_recovery_is_from_the_kill_to_the_next_run(struck: Struck) -> None:
    """By the clock that the models share with the strikes."""
    runs = (run(14, None), run(17.5, 18, OTHER_PORT))

    verdict = verdict_on(entry(Kind.ASYNC, Fate.ANSWERED), Blow(15, struck, PORT), runs=runs)

    assert [(one.struck, one.seconds) for one in verdict.recoveries] == [(struck, 2.5)]
    assert (verdict.reruns, verdict.unexplained_reruns) == (1, [])


def test_kill_of_an_idle_replica_is_no_recovery() -> None:
    """Nothing had to run again."""
    runs = (run(14, 14.5), run(17.5, 18))

    verdict = verdict_on(entry(Kind.ASYNC, Fate.ANSWERED), Blow(15, Struck.MODEL, PORT), runs=runs)

    assert verdict.recoveries == []


def test_second_run_without_a_strike_is_unexplained() -> None:
    """Healthy work was stolen; it is told, though no client saw it."""
    verdict = verdict_on(entry(Kind.ASYNC, Fate.ANSWERED), runs=(run(14, 15), run(16, 17)))

    assert verdict.unexplained_reruns == ["r"]
