"""The usage store of a program: `Ledger` in threads of its own, opened beside what else its program does.

SQL's packages are imported there too: they cost a start a third of a second.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from runtime.usage.places import SqlPlace
from runtime.usage.port import Account, Period, Sample, Step, UsageAwayError

if TYPE_CHECKING:
    from runtime.usage.ledger import Ledger

CALL_SECONDS = 20.0
"""Longest call, its wait for those before it included."""
CLOSE_SECONDS = 15.0
"""Longest wait for the calls under way at the end; the database's own bounds are shorter."""
MOST_ASKED = 16
"""Most accounts that wait or are added up at one time."""

T = TypeVar("T")


class SqlUsage:
    """A `Usage` in a database. Counts and accounts have a thread each: who asks holds up no count."""

    def __init__(self, place: SqlPlace) -> None:
        self._place = place
        self._counting = ThreadPoolExecutor(1, thread_name_prefix="usage-count")
        self._telling = ThreadPoolExecutor(1, thread_name_prefix="usage-tell")
        self._opening = Lock()
        self._ledger: Ledger | None = None
        self._asked = 0

    async def open(self) -> None:
        """Import what SQL takes, connect, and bring the tables up to date."""
        await self._call(self._counting, lambda _: None)

    async def add(self, slot: int, samples: Sequence[Sample]) -> bool:
        """Add the count of a slot."""
        return await self._call(self._counting, lambda ledger: ledger.add(slot, samples))

    async def account(self, period: Period, step: Step, endpoints: Collection[str] | None) -> Account:
        """What was used."""
        if self._asked >= MOST_ASKED:
            raise UsageAwayError(f"{self._place}: {MOST_ASKED} accounts are being added up already")
        self._asked += 1
        try:
            return await self._call(self._telling, lambda ledger: ledger.account(period, step, endpoints))
        finally:
            self._asked -= 1

    async def close(self) -> None:
        """Wait for the calls under way, a while at most, and close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                for threads in (self._counting, self._telling):
                    await asyncio.to_thread(threads.shutdown, cancel_futures=True)
                if self._ledger is not None:
                    await asyncio.to_thread(self._ledger.close)

    async def _call(self, threads: ThreadPoolExecutor, act: Callable[["Ledger"], T]) -> T:
        called = asyncio.get_running_loop().run_in_executor(threads, self._act, act)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await called
        except TimeoutError as exc:
            raise UsageAwayError(f"{self._place}: no answer within {CALL_SECONDS:.0f} s") from exc

    def _act(self, act: Callable[["Ledger"], T]) -> T:
        with self._opening:
            if self._ledger is None:
                self._ledger = _open(self._place)
        return act(self._ledger)


@asynccontextmanager
async def open_usage(place: SqlPlace | None) -> AsyncIterator[SqlUsage | None]:
    """The store while the block runs; None where none is to be kept."""
    if place is None:
        yield None
        return
    usage = SqlUsage(place)
    try:
        yield usage
    finally:
        await usage.close()


def _open(place: SqlPlace) -> "Ledger":
    try:
        from runtime.usage.ledger import Ledger  # noqa: PLC0415 - as the module says

        return Ledger.open(place)
    except ImportError as exc:
        raise UsageAwayError(
            f"{place}: needs the extra cluster, which is not installed ({exc.name})"
        ) from exc
