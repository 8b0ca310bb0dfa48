"""Delays between tries."""

from runtime.local.backoff import Backoff


def test_delays_double_up_to_the_most() -> None:
    """Half a second, one, two … thirty."""
    backoff = Backoff()

    delays = [backoff.next_delay() for _ in range(9)]

    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_healthy_minute_begins_anew() -> None:
    """A fault after it counts as the first."""
    backoff = Backoff()
    for _ in range(5):
        backoff.next_delay()

    assert backoff.next_delay(healthy_seconds=59.0) == 16
    assert backoff.next_delay(healthy_seconds=60.0) == 0.5


def test_many_faults_do_not_overflow() -> None:
    """The delay stays the most."""
    assert Backoff(faults=100_000).next_delay() == 30
