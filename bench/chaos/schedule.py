"""What is struck, and when: a pure function of the seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

PAUSE_EVERY = 8
"""A worker is paused once in so many intervals, between the kills."""
JITTER = 0.25
"""How far a strike may lie from its beat, as a share of the interval."""
MOST_INDEX = 1 << 16


class Struck(StrEnum):
    """What a strike hits. All but the last are SIGKILL."""

    GATEWAY = "gateway"
    WORKER = "worker"
    MODEL = "model"
    SUPERVISOR = "supervisor"
    VALKEY = "valkey"
    PAUSE = "pause"
    """SIGSTOP of a worker, SIGCONT some seconds later."""


BAG = (
    Struck.GATEWAY,
    Struck.WORKER,
    Struck.WORKER,
    Struck.MODEL,
    Struck.MODEL,
    Struck.SUPERVISOR,
    Struck.VALKEY,
)
"""Kills are drawn from this bag without putting back, so that each kind has its share in a short run too."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike of the schedule."""

    at: float
    """Seconds after the load began."""
    struck: Struck
    index: int
    """Its half, modulo their number: which of those that run by then; where even, of those at work."""
    seconds: float = 0.0
    """How long a pause lasts."""


def plan_strikes(seed: str, interval: float, until: float, lease_seconds: float) -> tuple[Strike, ...]:
    """A kill every `interval` seconds and a pause now and then, up to `until` seconds, in order of time.

    Pauses are by turns a third of a lease, which must change nothing, and more than a lease, after which the
    request is another worker's.
    """
    strikes = [*_kills(seed, interval, until), *_pauses(seed, interval, until, lease_seconds)]
    return tuple(sorted(strikes, key=lambda strike: strike.at))


def _kills(seed: str, interval: float, until: float) -> Iterator[Strike]:
    chance = random.Random(f"kills of {seed}")  # noqa: S311 - a schedule is to be repeated
    bag: list[Struck] = []
    for beat in range(1, int(until / interval)):
        if not bag:
            bag = list(BAG)
            chance.shuffle(bag)
        at = interval * (beat + chance.uniform(-JITTER, JITTER))
        yield Strike(at, bag.pop(), chance.randrange(MOST_INDEX))


def _pauses(seed: str, interval: float, until: float, lease_seconds: float) -> Iterator[Strike]:
    chance = random.Random(f"pauses of {seed}")  # noqa: S311 - the same
    step = interval * PAUSE_EVERY
    for turn in range(1, int(until / step)):
        seconds = lease_seconds * (1.2 if turn % 2 == 0 else 1 / 3)
        at = step * (turn + chance.uniform(-JITTER, JITTER))
        yield Strike(at, Struck.PAUSE, chance.randrange(MOST_INDEX), seconds)
