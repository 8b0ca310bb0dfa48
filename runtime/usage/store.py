"""The usage store of a program: `Ledger` in threads of its own, opened when it is first needed.

SQL's packages are imported there too: they cost a start a third of a second.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from runtime.usage.places import SqlPlace
from runtime.usage.port import Account, Period, Sample, Step, UsageAwayError

if TYPE_CHECKING:
    from runtime.usage.ledger import Ledger

THREADS = 2
"""Calls at one time: a count, and an account that somebody asks for."""
CALL_SECONDS = 20.0
"""Longest call, its wait for a thread included."""

T = TypeVar("T")


class SqlUsage:
    """A `Usage` in a database."""

    def __init__(self, place: SqlPlace) -> None:
        self._place = place
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="usage")
        self._opening = Lock()
        self._ledger: Ledger | None = None

    async def add(self, slot: int, samples: Sequence[Sample]) -> bool:
        """Add the count of a slot."""
        return await self._call(lambda ledger: ledger.add(slot, samples))

    async def account(self, period: Period, step: Step, endpoints: Collection[str] | None) -> Account:
        """What was used."""
        return await self._call(lambda ledger: ledger.account(period, step, endpoints))

    async def close(self) -> None:
        """Wait for the calls under way, which have their bounds, and close."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)

    async def _call(self, act: Callable[["Ledger"], T]) -> T:
        called = asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(self._act, act))
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
