"""What a usage store can do, and the values it speaks in.

Replicas are counted once in `SLOT_SECONDS`, as a meter is read: one that is there then counts for the whole slot.
Several programs may count at the same time; of each slot the store takes the first count only.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

SLOT_SECONDS = 15
HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
KEPT_SECONDS = 400 * DAY_SECONDS
"""How long hours are kept: a year, and the month before it to compare with."""
MOST_TOTALS = 10_000
"""Most rows of one account."""

Step = Literal["hour", "day", "total"]
"""What one row of an account adds up."""


class UsageAwayError(Exception):
    """The store cannot be reached or does not work; a count that was given up may still be written."""


class TooManyTotalsError(Exception):
    """The account would have more than `MOST_TOTALS` rows."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The replicas of one endpoint at one moment."""

    endpoint: str
    hardware: str
    replicas: int
    """All that there are, whatever their state: each holds its hardware."""
    starting: int
    """Those of them that have never been ready."""
    busy: int


@dataclass(frozen=True, slots=True)
class Period:
    """Seconds since the epoch, whole hours; `until` is not in it."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Total:
    """What the replicas of one endpoint on one kind of hardware add up to."""

    endpoint: str
    hardware: str
    begins: int
    """The hour or day, seconds since the epoch; of a total over all the period's begin."""
    replica_seconds: int
    starting_seconds: int
    busy_seconds: int


@dataclass(frozen=True, slots=True)
class Account:
    """What was used in a period."""

    metered_seconds: int
    """How much of it somebody counted; for the rest nothing is known."""
    totals: Sequence[Total]
    """By begin, endpoint and hardware."""


class Usage(Protocol):
    """The store of usage."""

    async def open(self) -> None:
        """Get ready for what comes, which it does by itself otherwise: with little CPU that takes longer than a slot.

        Raises:
            UsageAwayError: the store is away.
        """
        ...

    async def add(self, slot: int, samples: Sequence[Sample]) -> bool:
        """Add the count of one slot (seconds since the epoch through `SLOT_SECONDS`); False where it has one.

        Raises:
            UsageAwayError: the store is away, or gave no answer in time.
        """
        ...

    async def account(self, period: Period, step: Step, endpoints: Collection[str] | None) -> Account:
        """What these endpoints, or all, have used.

        Raises:
            TooManyTotalsError: it has too many rows.
            UsageAwayError: the store is away.
        """
        ...
