"""A worker's day: join, wait until the model is up, take one, serve it, take the next, leave when told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from runtime.objects import Objects
from runtime.queue.port import Queue, QueueUnavailableError, ReplicaState, Taken
from runtime.worker.condition import Condition
from runtime.worker.deliveries import Deliveries
from runtime.worker.errand import Errand, Then
from runtime.worker.http1 import Connections
from runtime.worker.model import Model
from runtime.worker.settings import WorkerSettings

BEAT_SECONDS = 4.0
"""How often the queue hears that this worker lives; it forgets one after 15 s."""
QUICK_CHECK_SECONDS = 0.1
SLOW_CHECK_SECONDS = 0.5
QUICK_CHECKS = 100
"""So many checks of a starting model come quickly, for most cold starts end there."""
IDLE_CHECK_SECONDS = 5.0
"""How often an idle model's health path is asked."""
WAIT_SECONDS = 1.0
AWAY_SECONDS = 0.5
"""Pause before the queue is tried again when it is away."""

_log = logging.getLogger(__name__)


@dataclass
class Duty:
    """The loop of one worker and the heart-beat beside it."""

    settings: WorkerSettings
    queue: Queue
    model: Model
    objects: Objects
    connections: Connections
    deliveries: Deliveries
    condition: Condition
    clock: Callable[[], float]
    _is_known: bool = field(default=False, init=False)
    """The queue knows this replica."""
    _is_newcomer: bool = field(default=True, init=False)
    """Not joined yet: what the replica's former worker left is not ours."""
    _checked_at: float = field(default=0.0, init=False)
    _errand: Errand | None = field(default=None, init=False)
    """What runs now."""
    _napping: asyncio.Timeout | None = field(default=None, init=False)

    async def run(self) -> None:
        """Serve until the condition says leave; the replica is out of the queue afterwards."""
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._beat()), group.create_task(self._wake_to_leave())]
            while not self.condition.is_leaving:
                await self._when_queue_answers(self._step)
            for task in beside:
                task.cancel()
        await self._when_queue_answers(self._leave, tries=3)

    async def _step(self) -> None:
        if not self._is_known:
            await self._join()
        elif not self.condition.may_take:
            await self._wait_for_model()
        else:
            await self._take_one()

    async def _join(self) -> None:
        held = await self.queue.join(self.settings.endpoint, self.settings.replica, self.settings.revision)
        if held is not None and self._is_newcomer:
            self.condition.want_restart(f"a former worker left request {held} to it")
        self._is_known, self._is_newcomer = True, False
        if self.condition.may_take:
            await self._report(ReplicaState.READY)

    async def _wait_for_model(self) -> None:
        """Ask the health path until it answers 200; then say ready."""
        checks = 0
        while not self.condition.may_take and not self.condition.is_leaving and self._is_known:
            if self.condition.restart_reason is None and not self.condition.is_draining:
                await self._check_model()
            if not self.condition.may_take:
                await self._pause(QUICK_CHECK_SECONDS if checks < QUICK_CHECKS else SLOW_CHECK_SECONDS)
            checks += 1
        if self.condition.may_take:
            await self._report(ReplicaState.READY)

    async def _take_one(self) -> None:
        taken = await self._take()
        if taken is not None:
            await self._serve(taken)
        elif self.clock() - self._checked_at > IDLE_CHECK_SECONDS:
            await self._check_model()
        else:
            await self._nap()

    async def _take(self) -> Taken | None:
        """Ask for the next; until the answer is there and noted, a drain must not count the replica as idle."""
        self.condition.note_taking(is_taking=True)
        try:
            taken = await self.queue.take(
                self.settings.endpoint, self.settings.replica, self.settings.lease_seconds
            )
            if taken is not None:
                self.condition.note_busy(is_busy=True)
            return taken
        finally:
            self.condition.note_taking(is_taking=False)

    async def _nap(self) -> None:
        """Wait for work, or until the worker is told to leave."""
        try:
            async with asyncio.timeout(2 * WAIT_SECONDS) as self._napping:
                await self.queue.wait_for_work(self.settings.endpoint, WAIT_SECONDS)
        except TimeoutError:
            return
        finally:
            self._napping = None

    async def _wake_to_leave(self) -> None:
        await self.condition.leaving.wait()
        if self._napping is not None:
            self._napping.reschedule(asyncio.get_running_loop().time())

    async def _serve(self, taken: Taken) -> None:
        """Serve one request after another, for as long as each end hands out the next."""
        upcoming: Taken | None = taken
        try:
            while upcoming is not None:
                then, upcoming = await self._serve_one(upcoming)
        finally:
            self.condition.note_busy(is_busy=False)
            self._checked_at = self.clock()
        if then is Then.JOIN:
            self._is_known = False
        elif then is Then.REPORT:
            await self._report_now()

    async def _serve_one(self, taken: Taken) -> tuple[Then, Taken | None]:
        self._errand = Errand(
            self.settings,
            self.queue,
            self.model,
            self.objects,
            self.connections,
            self.deliveries,
            self.condition,
            taken,
        )
        try:
            return await self._errand.run(), self._errand.next
        finally:
            self._errand = None

    async def _check_model(self) -> None:
        fault = await self.model.check()
        was_up = self.condition.is_up
        self.condition.note_health(is_up=fault is None, detail=fault or "")
        self._checked_at = self.clock()
        if was_up and fault is not None:
            await self._report(ReplicaState.STARTING, fault)

    async def _beat(self) -> None:
        """Renew the lease of what runs, or say that this worker lives; each three times before it is due."""
        period = min(BEAT_SECONDS, self.settings.lease_seconds / 3)
        while not self.condition.is_leaving or self._errand is not None:
            await asyncio.sleep(period)
            try:
                if self._errand is not None:
                    await self._errand.renew()
                elif self._is_known:
                    await self._report_now()
            except QueueUnavailableError as exc:
                _log.warning("no heart-beat: %s", exc)

    async def _report_now(self) -> None:
        await self._report(ReplicaState.READY if self.condition.may_take else ReplicaState.STARTING)

    async def _report(self, state: ReplicaState, detail: str = "") -> None:
        detail = detail or self.condition.restart_reason or ""
        self._is_known = await self.queue.beat(self.settings.endpoint, self.settings.replica, state, detail)

    async def _leave(self) -> None:
        await self.queue.leave(self.settings.endpoint, self.settings.replica)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.condition.wait_change()
        except TimeoutError:
            return

    async def _when_queue_answers(
        self, step: Callable[[], Awaitable[None]], tries: int | None = None
    ) -> None:
        """Do a step; when the queue is away, pause and join anew, for a lost answer may have been a take."""
        while True:
            try:
                return await step()
            except QueueUnavailableError as exc:
                _log.warning("the queue is away: %s", exc)
                self._is_known = False
                tries = None if tries is None else tries - 1
                if tries == 0 or self.condition.is_leaving:
                    return None
                await asyncio.sleep(AWAY_SECONDS)
