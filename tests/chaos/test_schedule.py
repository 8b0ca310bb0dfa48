"""The schedule of strikes and the load are functions of the seed."""

from collections import Counter
from itertools import pairwise

import pytest

from bench.chaos.orders import KIND_SHARES, Kind, plan_orders
from bench.chaos.schedule import BAG, Struck, plan_strikes

LEASE = 15.0


def test_same_seed_gives_the_same_strikes() -> None:
    """What went wrong once can be looked at again."""
    assert plan_strikes("a", 2, 300, LEASE) == plan_strikes("a", 2, 300, LEASE)


def test_another_seed_gives_other_strikes() -> None:
    """Else one run would do."""
    assert plan_strikes("a", 2, 300, LEASE) != plan_strikes("b", 2, 300, LEASE)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    """How many requests are sent changes nothing of what strikes them."""
    short = plan_strikes("a", 2, 100, LEASE)

    long = plan_strikes("a", 2, 300, LEASE)

    assert long[: len(short)] == short


def test_a_kill_falls_in_every_interval() -> None:
    """Never more than one and a half intervals without one."""
    kills = [strike.at for strike in plan_strikes("a", 2, 300, LEASE) if strike.struck is not Struck.PAUSE]

    assert all(0 < later - earlier <= 3 for earlier, later in pairwise([0.0, *kills]))


def test_every_kind_has_its_share_of_kills() -> None:
    """Drawn from a bag without putting back."""
    kills = [strike.struck for strike in plan_strikes("a", 1, 7 * 10 + 1, LEASE)]

    shares = Counter(kind for kind in kills if kind is not Struck.PAUSE)

    assert shares == {kind: 10 * count for kind, count in Counter(BAG).items()}


def test_pauses_are_by_turns_shorter_and_longer_than_a_lease_and_never_overlap() -> None:
    """One at a time, so that each is over when the next begins."""
    pauses = [one for one in plan_strikes("a", 2, 300, LEASE) if one.struck is Struck.PAUSE]

    assert {pause.seconds > LEASE for pause in pauses} == {True, False}
    assert all(pause.seconds < LEASE / 2 or pause.seconds > LEASE + 1 for pause in pauses)
    assert all(one.at + one.seconds <= again.at or one.seconds > LEASE for one, again in pairwise(pauses))


def test_same_seed_gives_the_same_load() -> None:
    """Kinds, endpoints, sleeps and sizes."""
    assert plan_orders("a", 500) == plan_orders("a", 500)


def test_load_has_every_kind_in_about_its_share() -> None:
    """In per cent of all."""
    found = Counter(order.kind for order in plan_orders("a", 10_000))

    assert {kind: pytest.approx(count / 100, abs=3) for kind, count in found.items()} == KIND_SHARES


def test_streams_have_events_and_others_a_short_sleep() -> None:
    """5 to 60 ms of work, and 5 to 20 events."""
    orders = plan_orders("a", 1000)

    assert all((order.chunks > 0) == (order.kind is Kind.STREAM) for order in orders)
    assert all(5 <= order.sleep_ms <= 60 for order in orders)
