"""Counting replicas: what the queue shows, once a slot, with honest gaps."""

import asyncio
from collections.abc import Collection, Sequence

import pytest
import structlog
from structlog.testing import capture_logs
from support.queue_stage import HEAD, ROOMY

from runtime.queue.memory import MemoryQueue
from runtime.queue.port import EndpointView, NewRequest, QueueUnavailableError, ReplicaState
from runtime.usage import Account, Period, Sample, UsageAwayError, metering
from runtime.usage.metering import Metering
from runtime.usage.port import SLOT_SECONDS, Step
from runtime.wire import new_request_id

NOW = 1_000 * SLOT_SECONDS + 0.3


class Written:
    """A store that remembers what was added; away while told so."""

    def __init__(self) -> None:
        self.added: list[tuple[int, list[Sample]]] = []
        self.is_away = False
        self.is_open = False

    async def open(self) -> None:
        """Remember."""
        self.is_open = True

    async def add(self, slot: int, samples: Sequence[Sample]) -> bool:
        """Remember."""
        if self.is_away:
            raise UsageAwayError("the disk is full")
        self.added.append((slot, list(samples)))
        return True

    async def account(self, period: Period, step: Step, endpoints: Collection[str] | None) -> Account:
        """Nobody asks."""
        raise AssertionError((period, step, endpoints))


class AwayQueue(MemoryQueue):
    """Cannot be looked at."""

    async def look(self, endpoint: str) -> EndpointView:
        """Refuse."""
        raise QueueUnavailableError(f"away: {endpoint}")


class StuckQueue(MemoryQueue):
    """Gives no answer."""

    async def look(self, endpoint: str) -> EndpointView:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError(endpoint)


def metering_of(written: Written, queue: MemoryQueue, **hardware: str) -> Metering:
    """What counts these endpoints at `NOW`."""
    return Metering(queue, written, lambda: hardware, lambda: NOW, structlog.get_logger())


async def test_replicas_of_every_state_are_counted() -> None:
    """Each holds its hardware; who was never ready starts, who has a request is busy. At zero nothing is written."""
    written, queue = Written(), MemoryQueue()
    for replica in ("starts", "ready", "busy", "fails", "retired"):
        await queue.join("embed", replica, "1")
    for replica in ("busy", "ready", "fails", "retired"):
        await queue.beat("embed", replica, ReplicaState.READY)
    await queue.enqueue(NewRequest(new_request_id("embed"), HEAD, b"", 60), ROOMY)
    assert await queue.take("embed", "busy", 60) is not None
    await queue.beat("embed", "fails", ReplicaState.FAILING)
    await queue.retire("embed", ["retired"])

    await metering_of(written, queue, embed="a10g.1", asleep="cpu").count()

    assert written.added == [(1_000, [Sample("embed", "a10g.1", 5, 1, 1)])]


async def test_store_that_is_away_costs_its_slots_and_two_lines_of_the_log() -> None:
    """Not one a slot for as long as it lasts."""
    written = Written()
    counting = metering_of(written, MemoryQueue(), embed="cpu")

    with capture_logs() as logs:
        for written.is_away in (False, True, True, True, False, False):
            await counting.count()

    assert len(written.added) == 3
    assert [(entry["event"], entry.get("fault")) for entry in logs] == [
        ("usage is not counted", "the disk is full"),
        ("usage is counted again", None),
    ]


@pytest.mark.parametrize("kind", [AwayQueue, StuckQueue])
async def test_slot_that_could_not_be_seen_is_left_out(
    kind: type[MemoryQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No replicas seen is not the same as no replicas."""
    monkeypatch.setattr(metering, "LOOK_SECONDS", 0.05)
    written = Written()

    with capture_logs() as logs:
        await metering_of(written, kind(), embed="cpu").count()

    assert (written.added, [entry["event"] for entry in logs]) == ([], ["usage is not counted"])


async def test_counting_goes_on_slot_by_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each early in its own."""
    written = Written()
    monkeypatch.setattr(metering, "SLOT_SECONDS", 0.02)
    clock = asyncio.get_running_loop().time
    counting = Metering(MemoryQueue(), written, dict, clock, structlog.get_logger())

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await counting.follow()

    slots = [slot for slot, _ in written.added]
    assert written.is_open
    assert len(slots) > 3
    assert slots == sorted(set(slots))


async def test_nothing_is_counted_before_the_records_are_read() -> None:
    """A slot has one count: of a program that knows nothing it would be an empty one."""
    written = Written()
    counting = Metering(MemoryQueue(), written, lambda: None, lambda: NOW, structlog.get_logger())

    await counting.count()

    assert written.added == []


async def test_removed_endpoint_is_counted_until_its_last_replica_has_left() -> None:
    """Its record goes first, and what waits is worked off."""
    written, queue, hardware = Written(), MemoryQueue(), {"embed": "a10g.1"}
    counting = Metering(queue, written, lambda: hardware, lambda: NOW, structlog.get_logger())
    await queue.join("embed", "r1", "1")
    await counting.count()
    hardware.clear()
    await counting.count()
    await queue.leave("embed", "r1")
    await counting.count()

    embed = [Sample("embed", "a10g.1", 1, 1, 0)]
    assert [samples for _, samples in written.added] == [embed, embed, []]
    assert counting._last == {}


async def test_fault_that_nobody_foresaw_ends_no_program() -> None:
    """The requests that it serves are worth more; its log has the whole of it."""

    class Broken(Written):
        async def add(self, slot: int, samples: Sequence[Sample]) -> bool:
            raise KeyError(slot, samples)

    with capture_logs() as logs:
        await metering_of(Broken(), MemoryQueue(), embed="cpu").count()

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("usage is not counted", "error")]
