"""What kubelet hears when it asks the worker, over a real socket."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from support.ports import free_port
from support.worker_scene import eventually

from runtime.worker.condition import Condition
from runtime.worker.probes import serve_probes

DRAIN_SECONDS = 0.3


@pytest.fixture
def condition() -> Condition:
    """A replica whose model is up."""
    return Condition(is_up=True)


@pytest.fixture
async def probes(condition: Condition) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever asks."""
    port = free_port()
    async with (
        serve_probes(condition, "127.0.0.1", port, DRAIN_SECONDS),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client


async def ask(probes: httpx.AsyncClient, path: str) -> int:
    """The status of one probe."""
    return (await probes.get(path)).status_code


@pytest.mark.parametrize(
    ("is_up", "is_busy", "is_draining", "status"),
    [
        (True, False, False, 200),
        (True, True, False, 200),
        (False, True, False, 200),
        (True, True, True, 200),
        (True, False, True, 503),
        (False, False, False, 503),
    ],
)
async def test_replica_is_ready_while_it_may_take_or_is_busy(
    probes: httpx.AsyncClient,
    condition: Condition,
    *,
    is_up: bool,
    is_busy: bool,
    is_draining: bool,
    status: int,
) -> None:
    """A model that infers answers nobody, and is ready all the same."""
    condition.is_up, condition.is_busy, condition.is_draining = is_up, is_busy, is_draining

    assert await ask(probes, "/ready") == status


async def test_idle_replica_drains_at_once(probes: httpx.AsyncClient, condition: Condition) -> None:
    """And takes nothing afterwards."""
    assert await ask(probes, "/drain") == 200

    assert not condition.may_take


async def test_drain_waits_for_the_running_request(probes: httpx.AsyncClient, condition: Condition) -> None:
    """The model is stopped only when preStop has its answer."""
    condition.note_busy(is_busy=True)
    drain = asyncio.create_task(ask(probes, "/drain"))
    await eventually(lambda: condition.is_draining)
    assert not drain.done()

    condition.note_busy(is_busy=False)

    assert await drain == 200


async def test_drain_waits_for_a_request_on_its_way(probes: httpx.AsyncClient, condition: Condition) -> None:
    """The queue may already have handed it out."""
    condition.note_taking(is_taking=True)
    drain = asyncio.create_task(ask(probes, "/drain"))
    await eventually(lambda: condition.is_draining)

    condition.note_busy(is_busy=True)
    condition.note_taking(is_taking=False)
    await asyncio.sleep(0)
    assert not drain.done()
    condition.note_busy(is_busy=False)

    assert await drain == 200


async def test_drain_is_bounded(probes: httpx.AsyncClient, condition: Condition) -> None:
    """A request that outlives its request_seconds does not hold the pod for ever."""
    condition.note_busy(is_busy=True)

    assert await ask(probes, "/drain") == 503


async def test_drain_of_a_liveness_kill_ends_with_the_next_start(
    probes: httpx.AsyncClient, condition: Condition
) -> None:
    """Kubelet runs preStop before that kill, too, and asks for startup after it."""
    condition.want_restart("late")
    statuses = [await ask(probes, path) for path in ("/live", "/drain", "/startup")]
    condition.note_health(is_up=True)

    assert statuses == [503, 200, 503]
    assert [await ask(probes, path) for path in ("/startup", "/live", "/ready")] == [200, 200, 200]
