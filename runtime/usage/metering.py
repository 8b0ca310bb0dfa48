"""Counting replicas, slot by slot: what the queue knows of them, written to the usage store."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from runtime.queue.port import EndpointView, Queue, QueueError, ReplicaState
from runtime.usage.port import SLOT_SECONDS, Sample, Usage, UsageAwayError

LOOK_SECONDS = 5.0
"""Longest look at all endpoints together."""


class Metering:
    """Counts the replicas of all endpoints, as long as its program runs.

    One that was removed is counted until its last replica has left.
    """

    def __init__(
        self,
        queue: Queue,
        usage: Usage,
        hardware: Callable[[], Mapping[str, str] | None],
        clock: Callable[[], float],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """`hardware` gives each endpoint's, or None while nobody knows yet; `clock` seconds since the epoch."""
        self._queue = queue
        self._usage = usage
        self._hardware = hardware
        self._clock = clock
        self._log = log
        self._is_away = False
        self._last: Mapping[str, str] = {}
        """Endpoints that had replicas when they were counted last."""

    async def follow(self) -> None:
        """Count for ever, early in each slot."""
        await self._tried(self._usage.open())
        while True:
            await asyncio.sleep(SLOT_SECONDS - self._clock() % SLOT_SECONDS)
            await self.count()

    async def count(self) -> None:
        """Count once. A slot that could not be counted is left out, and stays so."""
        hardware = self._hardware()
        if hardware is None:  # another program may know, and a slot has one count
            return
        await self._tried(self._count({**self._last, **hardware}))

    async def _tried(self, act: Awaitable[None]) -> None:
        try:
            await act
        except (UsageAwayError, QueueError, TimeoutError) as exc:
            self._tell_away(str(exc) or type(exc).__name__)
        except Exception:  # noqa: BLE001 - the edge of a count: logged, and the next one comes
            # Whatever is wrong here, the requests that this program serves are worth more.
            self._log.exception("usage is not counted")
        else:
            if self._is_away:
                self._log.info("usage is counted again")
            self._is_away = False

    async def _count(self, hardware: Mapping[str, str]) -> None:
        slot = int(self._clock() // SLOT_SECONDS)
        async with asyncio.timeout(LOOK_SECONDS):
            samples = [
                sample_of(name, kind, await self._queue.look(name)) for name, kind in sorted(hardware.items())
            ]
        used = [sample for sample in samples if sample.replicas]
        self._last = {sample.endpoint: sample.hardware for sample in used}
        await self._usage.add(slot, used)

    def _tell_away(self, fault: str) -> None:
        if not self._is_away:
            self._log.warning("usage is not counted", fault=fault)
        self._is_away = True


def sample_of(endpoint: str, hardware: str, view: EndpointView) -> Sample:
    """The replicas of an endpoint as its queue shows them."""
    return Sample(
        endpoint=endpoint,
        hardware=hardware,
        replicas=len(view.replicas),
        starting=sum(replica.ready_at is None for replica in view.replicas),
        busy=sum(replica.state is ReplicaState.BUSY for replica in view.replicas),
    )
