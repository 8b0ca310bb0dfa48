"""The queues that one contract holds for, each as a stage of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from support.queue_stage import SkewedClock, Stage
from support.valkey_server import ValkeyServer

from runtime.queue.memory import MemoryQueue
from runtime.queue.valkey import ValkeyQueue


@pytest.fixture(scope="session")
def alone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey that journals, for the whole run."""
    with ValkeyServer(tmp_path_factory.mktemp("alone")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey in cluster mode that owns every slot, for the whole run."""
    with ValkeyServer(tmp_path_factory.mktemp("cluster"), cluster=True) as server:
        yield server


@pytest.fixture(params=["memory", "alone", "cluster"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """An empty endpoint: in memory, on a Valkey alone and on one in cluster mode."""
    if request.param == "memory":
        clock = SkewedClock()
        yield Stage(MemoryQueue(clock), clock.advance)
        return
    server: ValkeyServer = request.getfixturevalue(f"{request.param}_server")
    queue = ValkeyQueue.connect(server.url)
    try:
        yield Stage(queue)
    finally:
        await queue.close()
