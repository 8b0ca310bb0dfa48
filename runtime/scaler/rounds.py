"""When each endpoint is looked at: at once when a demand is pushed, and in every sweep."""

import asyncio
from collections.abc import Callable
from zlib import crc32

from structlog.typing import FilteringBoundLogger

from runtime.queue.port import Queue, QueueError
from runtime.scaler.cluster import Cluster
from runtime.scaler.election import NotLeadingError
from runtime.scaler.metrics import Metrics
from runtime.scaler.roster import Roster
from runtime.scaler.tending import Tending

SWEEP_SECONDS = 1.0
QUIET_SECONDS = 5.0
"""How often an endpoint is looked at where nothing waits, runs or stands: what a lost signal costs at most."""
TEND_SECONDS = 30.0
"""Longest that one look may take before it is given up."""
SWEPT_AT_ONCE = 16
WOKEN_AT_ONCE = 64


class Rounds:
    """Looks at endpoints while this one leads. A wake never waits behind a sweep, nor for another endpoint."""

    def __init__(
        self,
        queue: Queue,
        cluster: Cluster,
        roster: Roster,
        tending: Tending,
        *,
        metrics: Metrics,
        log: FilteringBoundLogger,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._cluster = cluster
        self._roster = roster
        self._tending = tending
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._under_way: set[str] = set()
        self._again: dict[str, float] = {}
        """Endpoints that were woken while a look at them was under way, and when."""
        self._looked_at: dict[str, float] = {}
        self._group: asyncio.TaskGroup | None = None
        self._is_away = False
        self._faults: dict[str, str] = {}
        self.moved_at = clock()
        """When the last look or sweep ended."""

    async def run(self) -> None:
        """Sweep and follow pushed demands; never returns.

        Raises:
            NotLeadingError: another one leads now.
        """
        self.moved_at = self._clock()
        self._under_way, self._again, self._looked_at = set(), {}, {}
        self._tending.begin()
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._woken = asyncio.Semaphore(WOKEN_AT_ONCE)
            group.create_task(self._follow_demands())
            group.create_task(self._sweep_for_ever())

    def wake(self, name: str) -> None:
        """Look at an endpoint now, or again right after the look that is under way."""
        if self._group is None or self._roster.find(name) is None:
            return
        if name in self._under_way:
            self._again.setdefault(name, self._clock())
            return
        self._under_way.add(name)
        look = self._look_woken(name, self._clock())
        try:
            self._group.create_task(look)
        except RuntimeError:  # the term is over, and its group takes no more
            look.close()
            self._under_way.discard(name)

    async def _follow_demands(self) -> None:
        while True:
            async for name in self._queue.demands():
                self.wake(name)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _sweep_for_ever(self) -> None:
        while True:
            begun = self._clock()
            if self._roster.is_known and self._cluster.is_known:
                self._roster.adopt(self._cluster.endpoints())
                await self._sweep(begun)
            self.moved_at = self._clock()
            await asyncio.sleep(max(0.0, begun + SWEEP_SECONDS - self._clock()))

    async def _sweep(self, now: float) -> None:
        """Look at all that are due, a few at a time."""
        due = [name for name in self._roster.names() if self._is_due(name, now)]
        names = iter(due)

        async def work() -> None:
            for name in names:
                if name not in self._under_way:
                    self._under_way.add(name)
                    await self._look(name, is_sweep=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(SWEPT_AT_ONCE, len(due))):
                group.create_task(work())

    def _is_due(self, name: str, now: float) -> bool:
        outlook = self._tending.outlook(name)
        if outlook is None or not outlook.is_quiet or self._cluster_moves(name):
            return True
        # Half a sweep early, so that quiet ones do not slip to the sweep after.
        return now - self._looked_at.get(name, 0.0) >= QUIET_SECONDS - SWEEP_SECONDS / 2

    def _cluster_moves(self, name: str) -> bool:
        """Whether there are pods or a number although the last look found nothing."""
        return any(fleet.pods or fleet.replicas for fleet in self._cluster.fleets(name, ""))

    async def _look_woken(self, name: str, woken_at: float) -> None:
        async with self._woken:
            await self._look(name, is_sweep=False, woken_at=woken_at)

    async def _look(self, name: str, *, is_sweep: bool, woken_at: float | None = None) -> None:
        """One look, and another as long as it was woken meanwhile."""
        try:
            while True:
                await self._look_once(name, is_sweep=is_sweep, woken_at=woken_at)
                woken_at, is_sweep = self._again.pop(name, None), False
                if woken_at is None:
                    return
        finally:
            self.moved_at = self._clock()
            self._under_way.discard(name)
            self._again.pop(name, None)

    async def _look_once(self, name: str, *, is_sweep: bool, woken_at: float | None) -> None:
        if not (self._roster.is_known and self._cluster.is_known):
            return
        before = self._tending.outlook(name)
        try:
            async with asyncio.timeout(TEND_SECONDS):
                outlook = await self._tending.tend(name, is_sweep=is_sweep)
        except (QueueError, TimeoutError) as exc:
            self._note_away(str(exc) or "no answer in time")
            return
        except NotLeadingError:
            raise
        except Exception as exc:  # noqa: BLE001 - the edge of a look: its fault concerns this endpoint alone
            self._note_fault(name, exc)
            return
        self._faults.pop(name, None)
        self._note_back()
        # The first look counts as earlier by a share of the name's own, so that quiet ones do not all come at once.
        early = 0.0 if name in self._looked_at else QUIET_SECONDS * (crc32(name.encode()) % 1000) / 1000
        self._looked_at[name] = self._clock() - early
        if outlook is None:
            return
        if woken_at is not None and outlook.number > (before.number if before else 0):
            self._metrics.wake_seconds.observe(self._clock() - woken_at)
        self._look_again(name, outlook.decision.recheck_seconds)

    def _look_again(self, name: str, seconds: float | None) -> None:
        """Where a hold runs out before the next sweep, look just then."""
        if seconds is not None and seconds < SWEEP_SECONDS:
            asyncio.get_running_loop().call_later(seconds + 0.001, self.wake, name)

    def _note_fault(self, name: str, exc: Exception) -> None:
        fault = f"{type(exc).__name__}: {exc}"
        if self._faults.get(name) != fault:
            self._log.error("endpoint cannot be looked after", endpoint=name, exc_info=exc)
        self._faults[name] = fault

    def _note_away(self, fault: str) -> None:
        if not self._is_away:
            self._log.warning("queue is away", fault=fault)
        self._is_away = True

    def _note_back(self) -> None:
        if self._is_away:
            self._log.info("queue is back")
        self._is_away = False
