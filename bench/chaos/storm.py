"""One run: the platform up, the load on, the strikes falling, the ledger judged, every process gone."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, TCPConnector

from bench.chaos.clients import Callers
from bench.chaos.errors import ChaosError
from bench.chaos.journal import Journal
from bench.chaos.ledger import Fate, judge
from bench.chaos.orders import ENDPOINTS, Kind, Order, plan_orders
from bench.chaos.report import Outcome
from bench.chaos.schedule import plan_strikes
from bench.chaos.site import LEASE_SECONDS, Site, make_site, site_folder
from bench.chaos.striker import Striker

PROGRESS_SECONDS = 10.0
AGAIN_AT_ONCE = 32
"""How many answers are asked for again at one time."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is made of."""

    seed: str
    requests: int = 10_000
    interval: float = 2.0
    """Seconds between two kills."""
    rate: float = 50.0
    """Requests that begin in a second."""
    clients: int = 100
    """Most requests at one time."""
    deadline_seconds: float = 120.0
    """A request without its answer after so long is lost."""
    limit_seconds: float = 420.0
    """Longest that the load may take; requests that have not begun by then are not sent."""
    keep: Path | None = None
    """Folder in which everything is left for reading."""


async def storm(options: Options, tell: Callable[[str], None]) -> Outcome:
    """Make one run.

    Raises:
        ChaosError: the platform does not come up, or the load cannot be brought to its end.
    """
    with site_folder(options.keep) as folder:
        site = make_site(folder)
        try:
            tell(f"seed {options.seed}: starting a platform in {folder}")
            await site.up()
            return await _Run(options, site, tell).make()
        finally:
            # Shielded: whatever ends us, nothing of ours goes on.
            await asyncio.shield(site.end())


class _Run:
    def __init__(self, options: Options, site: Site, tell: Callable[[str], None]) -> None:
        self._options = options
        self._site = site
        self._tell = tell
        self._orders = plan_orders(options.seed, options.requests)
        self._journal = Journal(site.journal)
        self._striker = Striker(site, self._journal, time.monotonic)

    async def make(self) -> Outcome:
        options = self._options
        begun_at = time.monotonic()
        connector = TCPConnector(limit=0, force_close=True)
        async with ClientSession(connector=connector, trust_env=False) as session:
            callers = Callers(session, self._site.url, time.monotonic, options.deadline_seconds)
            honours_keys = await callers.honours_keys(Order(-1, Kind.KEYED, ENDPOINTS[0], 5))
            await self._strike_and_load(callers)
            self._tell("load over; asking for every kept answer again")
            await self._ask_again(callers, honours_keys=honours_keys)
        if len(callers.entries) < options.requests:
            unsent = options.requests - len(callers.entries)
            raise ChaosError(f"{unsent} requests were not sent within {options.limit_seconds:g} s.")
        journal = self._journal
        journal.read_on()
        return Outcome(
            seed=options.seed,
            verdict=judge(
                callers.entries, self._striker.blows, list(journal.runs.values()), len(journal.overlaps)
            ),
            silences=callers.silences,
            strikes=self._striker.blows,
            seconds=time.monotonic() - begun_at,
            missed=len(self._striker.missed),
            honours_keys=honours_keys,
            lease_seconds=LEASE_SECONDS,
        )

    async def _strike_and_load(self, callers: Callers) -> None:
        options = self._options
        strikes = plan_strikes(options.seed, options.interval, options.limit_seconds, LEASE_SECONDS)
        async with asyncio.TaskGroup() as beside:
            told = beside.create_task(self._tell_progress(callers))
            async with asyncio.TaskGroup() as calls:
                striking = beside.create_task(self._striker.follow(strikes))
                with suppress(TimeoutError):
                    async with asyncio.timeout(options.limit_seconds):
                        await self._send_all(callers, calls)
                striking.cancel()
            told.cancel()

    async def _send_all(self, callers: Callers, calls: asyncio.TaskGroup) -> None:
        """Begin requests at the rate; when the clients are all at work, as they get free."""
        free = asyncio.Semaphore(self._options.clients)
        begun_at = time.monotonic()

        async def call(order: Order) -> None:
            try:
                await callers.call(order)
            finally:
                free.release()

        for order in self._orders:
            due = begun_at + order.number / self._options.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await free.acquire()
            calls.create_task(call(order))

    async def _ask_again(self, callers: Callers, *, honours_keys: bool) -> None:
        kinds = {Kind.ASYNC, Kind.KEYED} if honours_keys else {Kind.ASYNC}
        kept = [one for one in callers.entries if one.kind in kinds and one.fate is Fate.ANSWERED]
        at_once = asyncio.Semaphore(AGAIN_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for entry in kept:
                await at_once.acquire()
                asking = group.create_task(callers.ask_again(self._orders[entry.number], entry))
                asking.add_done_callback(lambda _: at_once.release())

    async def _tell_progress(self, callers: Callers) -> None:
        begun_at = time.monotonic()
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            entries = callers.entries
            ended = sum(entry.ended_at is not None for entry in entries)
            bad = sum(entry.fate not in {Fate.OPEN, Fate.ANSWERED} for entry in entries)
            self._tell(
                f"{time.monotonic() - begun_at:4.0f} s: {len(entries)} of {len(self._orders)} sent, "
                f"{ended} ended, {bad} of them without an answer, {len(self._striker.blows)} strikes"
            )
