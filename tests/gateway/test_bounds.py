"""What one gateway takes on in all, and that it says so when it is full."""

import asyncio
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from support.gateway_stage import Stage, gateway_stage, record, until
from support.valkey_server import ValkeyServer

from runtime.gateway.errors import GatewayFullError
from runtime.gateway.room import MIB, Most, Room
from runtime.queue.valkey import ValkeyQueue

ASYNC = {"x-octoai-async": "1"}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and wire code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


async def test_client_beyond_the_bound_is_refused_with_when_to_come_again(tmp_path: Path) -> None:
    """Those who wait go on, and an async call needs no place."""
    async with gateway_stage(tmp_path, most=Most(clients=2)) as stage:
        calls = [asyncio.create_task(stage.client.post("/e/embed/x")) for _ in range(2)]
        await stage.until_waiting(2)

        refused = await stage.client.post("/e/embed/x")
        accepted = await stage.client.post("/e/embed/x", headers=ASYNC)

        assert code_of(refused) == (503, "gateway-full")
        assert int(refused.headers["retry-after"]) >= 1
        assert accepted.status_code == 201
        for _ in calls:
            await stage.serve_one()
        assert [(await call).status_code for call in calls] == [200, 200]
        assert stage.gateway.room.clients == 0


async def test_place_of_a_client_that_left_is_free(tmp_path: Path) -> None:
    """At once."""
    async with gateway_stage(tmp_path, most=Most(clients=1)) as stage:
        connection = await stage.connect()
        connection.write(b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\n\r\n")
        await stage.until_waiting(1)

        connection.drop()
        await until(lambda: stage.gateway.room.clients == 0)
        call = asyncio.create_task(stage.client.post("/e/embed/x"))
        await stage.serve_one()

        assert (await call).status_code == 200


async def test_bodies_beyond_the_bound_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """While another is being read; what was announced counts."""
    limits = {"body_mib": 4}
    async with gateway_stage(tmp_path, record(limits=limits), most=Most(body_mib=2)) as stage:
        slow = await stage.connect()
        slow.write(b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n\r\n")
        await until(lambda: stage.gateway.room.body_bytes == MIB)

        refused = await stage.client.post("/e/embed/x", content=b"x" * (2 * MIB))
        accepted = await stage.client.post("/e/embed/x", content=b"x" * MIB, headers=ASYNC)
        slow.drop()

        assert code_of(refused) == (503, "gateway-full")
        assert accepted.status_code == 201
        await until(lambda: stage.gateway.room.body_bytes == 0)


def test_body_that_is_alone_may_be_larger_than_the_bound() -> None:
    """Else a bound below `limits.body_mib` would refuse it for ever."""
    room = Room(lambda: 0.0, Most(body_mib=1))

    with room.body() as first:
        first.grow(5 * MIB)
        with room.body() as second, pytest.raises(GatewayFullError):
            second.grow(1)

    assert room.body_bytes == 0


async def test_body_of_unknown_length_counts_as_it_comes(tmp_path: Path) -> None:
    """It cannot hide behind chunks."""
    async with gateway_stage(tmp_path, most=Most(body_mib=1)) as stage:
        slow, other = await stage.connect(), await stage.connect()
        head = b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        slow.write(head)
        slow.write_chunk(b"x" * 100_000)
        await until(lambda: stage.gateway.room.body_bytes == 100_000)
        other.write(head)
        other.write_chunk(b"x" * MIB)

        assert await other.read_status() == 503


async def test_full_store_refuses_large_bodies_only(tmp_path: Path) -> None:
    """503 that says so; small ones need no store."""
    async with gateway_stage(tmp_path, most=Most(store_mib=1)) as stage:
        first = await stage.client.post("/e/embed/x", content=b"x" * 700_000, headers=ASYNC)
        second = await stage.client.post("/e/embed/x", content=b"x" * 700_000, headers=ASYNC)
        small = await stage.client.post("/e/embed/x", content=b"x", headers=ASYNC)

        assert [first.status_code, small.status_code] == [201, 201]
        assert code_of(second) == (503, "store-full")
        assert int(second.headers["retry-after"]) >= 10
        assert len(list(stage.places.objects.iterdir())) == 1


async def test_valkey_out_of_memory_refuses_and_drops_nothing(tmp_path: Path) -> None:
    """503 for new ones; what was accepted before is served, and then there is room again."""
    with ValkeyServer(tmp_path) as valkey:
        queue = ValkeyQueue.connect(valkey.url)
        async with gateway_stage(tmp_path / "state", record(limits={"waiting": 100}), queue=queue) as stage:
            await queue.ping()
            await limit_memory(valkey, 3 * MIB)
            accepted: list[str] = []
            while True:
                answer = await stage.client.post("/e/embed/x", content=b"x" * 200_000, headers=ASYNC)
                if answer.status_code != 201:
                    break
                accepted.append(answer.json()["response_id"])

            assert code_of(answer) == (503, "queue-unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert 0 < len(accepted) < 50
            served = [await serve(stage) for _ in accepted]
            assert served == accepted
            assert (await stage.client.post("/e/embed/x", headers=ASYNC)).status_code == 201
        await queue.close()


async def serve(stage: Stage) -> str:
    """Take and finish the next request; its id."""
    taken = await stage.take()
    assert len(taken.body) == 200_000
    await stage.queue.finish("embed", taken.id, taken.attempt, None)
    return taken.id


async def limit_memory(valkey: ValkeyServer, more: int) -> None:
    """Leave the server so many bytes beyond what it uses."""
    async with Redis(port=valkey.port) as client:
        used = (await client.info("memory"))["used_memory"]
        await client.config_set("maxmemory", used + more)
