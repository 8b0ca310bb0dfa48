"""However the server's going is told, the queue says that it is away."""

from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as GoneError
from redis.exceptions import RedisClusterException, SlotNotCoveredError

from runtime.queue.port import QueueUnavailableError
from runtime.queue.valkey import ValkeyQueue


class Failing:
    """A client of a server that has gone: whatever is asked of it raises."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def register_script(self, _: str) -> Any:
        """A script that cannot be sent."""
        return self._fail

    def __getattr__(self, _: str) -> Any:
        return self._fail

    async def _fail(self, *_: object, **__: object) -> None:
        raise self._fault


@pytest.mark.parametrize(
    "fault",
    [
        GoneError("closed by server"),
        ConnectionResetError(),
        RedisClusterException("Redis Cluster cannot be connected."),
        SlotNotCoveredError("no node has the slot"),
        RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
    ],
)
async def test_every_fault_of_a_server_that_has_gone_is_told_as_unavailable(fault: Exception) -> None:
    """The last is uvloop's: the connection closed after redis-py had it and before it wrote."""
    client = cast("Redis", Failing(fault))
    queue = ValkeyQueue(client, client)

    for call in (queue.ping(), queue.look("embed"), queue.wait_for_work("embed", 1)):
        with pytest.raises(QueueUnavailableError):
            await call
