"""Counting replicas, slot by slot: what the queue knows of them, written to the usage store."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from runtime.queue.port import EndpointView, Queue, QueueError, ReplicaState
from runtime.usage.port import SLOT_SECONDS, Sample, Usage, UsageAwayError

LOOK_SECONDS = 5.0
"""Longest look at all endpoints together."""


class Metering:
    """Counts the replicas of all endpoints that there are, as long as its program runs."""

    def __init__(
        self,
        queue: Queue,
        usage: Usage,
        hardware: Callable[[], Mapping[str, str]],
        clock: Callable[[], float],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """`hardware` gives each endpoint's, as it is now; `clock` seconds since the epoch."""
        self._queue = queue
        self._usage = usage
        self._hardware = hardware
        self._clock = clock
        self._log = log
        self._is_away = False

    async def follow(self) -> None:
        """Count for ever, early in each slot."""
        while True:
            await asyncio.sleep(SLOT_SECONDS - self._clock() % SLOT_SECONDS)
            await self.count()

    async def count(self) -> None:
        """Count once. A slot that could not be counted is left out, and stays so."""
        slot = int(self._clock() // SLOT_SECONDS)
        try:
            await self._usage.add(slot, await self._samples())
        except (UsageAwayError, QueueError, TimeoutError) as exc:
            if not self._is_away:
                self._log.warning("usage is not counted", fault=str(exc) or type(exc).__name__)
            self._is_away = True
        else:
            if self._is_away:
                self._log.info("usage is counted again")
            self._is_away = False

    async def _samples(self) -> list[Sample]:
        async with asyncio.timeout(LOOK_SECONDS):
            hardware = sorted(self._hardware().items())
            samples = [sample_of(name, kind, await self._queue.look(name)) for name, kind in hardware]
        return [sample for sample in samples if sample.replicas]


def sample_of(endpoint: str, hardware: str, view: EndpointView) -> Sample:
    """The replicas of an endpoint as its queue shows them."""
    return Sample(
        endpoint=endpoint,
        hardware=hardware,
        replicas=len(view.replicas),
        starting=sum(replica.ready_at is None for replica in view.replicas),
        busy=sum(replica.state is ReplicaState.BUSY for replica in view.replicas),
    )
