"""How a client's wait can end without an answer, and that the queue hears of it."""

import asyncio
from pathlib import Path

import httpx
import pytest
from support.gateway_stage import Stage, gateway_stage, record, until

from runtime.gateway.holding import Holding
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import HOLD_SECONDS, QueueUnavailableError
from runtime.wire import RequestState

REQUEST = b"POST /e/embed/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"


class Clock:
    """A queue's clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """The moment."""
        return self.now


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and wire code of a refusal."""
    error = answer.json()["error"]
    assert error["request_id"] == answer.headers["x-user-request-id"]
    return answer.status_code, error["code"]


async def waiting(stage: Stage) -> int:
    """Requests that wait in the queue."""
    return (await stage.queue.look("embed")).waiting


async def queued_id(stage: Stage) -> str:
    """The id of the one request that waits, once the queue has it."""
    await until(lambda: bool(stage.gateway.waiters.queued()))
    return stage.gateway.waiters.queued()["embed"][0]


async def test_client_that_leaves_while_it_waits_is_removed_from_the_queue(stage: Stage) -> None:
    """At once, not when its turn comes."""
    connection = await stage.connect()
    connection.write(REQUEST)
    await queued_id(stage)
    assert await waiting(stage) == 1

    connection.drop()

    await until(lambda: len(stage.gateway.waiters) == 0)
    assert await waiting(stage) == 0


async def test_client_that_leaves_while_it_runs_is_told_to_the_worker(stage: Stage) -> None:
    """With 410; the request is not run again."""
    connection = await stage.connect()
    connection.write(REQUEST)
    taken = await stage.take()

    connection.drop()
    await until(lambda: len(stage.gateway.waiters) == 0)

    assert await stage.answer(taken) == 410
    assert await stage.queue.give_back("embed", taken.id, 1, fault=None) is RequestState.CANCELLED


async def test_waiting_too_long_says_how_long_and_why(tmp_path: Path) -> None:
    """And takes the request out of the queue."""
    async with gateway_stage(tmp_path, record(limits={"queue_seconds": 1}), clock=Clock()) as stage:
        answer = await stage.client.post("/e/embed/infer")

        assert error_of(answer) == (504, "waited-too-long")
        assert "waited 1 s" in answer.json()["error"]["message"]
        assert "no replica is running" in answer.json()["error"]["message"]
        assert await waiting(stage) == 0


async def test_request_that_expired_in_the_queue_says_so(tmp_path: Path) -> None:
    """The queue's clock may be a little ahead of the gateway's."""
    clock = Clock()
    async with gateway_stage(tmp_path, record(limits={"queue_seconds": 50}), clock=clock) as stage:
        call = asyncio.create_task(stage.client.post("/e/embed/infer"))
        await queued_id(stage)
        clock.now += 51
        await stage.queue.sweep("embed")
        await stage.gateway.holding.renew()

        assert error_of(await call) == (504, "waited-too-long")


async def test_run_is_not_cut_by_the_waiting_deadline(tmp_path: Path) -> None:
    """The two deadlines are two."""
    async with gateway_stage(tmp_path, record(limits={"queue_seconds": 1}), clock=Clock()) as stage:
        call = asyncio.create_task(stage.client.post("/e/embed/infer", timeout=10))
        taken = await stage.take()
        waiter = stage.gateway.waiters.find(taken.id)
        assert waiter is not None

        waiter.wait_until(0)
        await asyncio.sleep(0)
        assert await stage.answer(taken, 200, (), b"late") == 204

        assert (await call).content == b"late"


async def test_running_too_long_is_an_error_of_its_own(tmp_path: Path) -> None:
    """The gateway's own deadline, should the worker's fail."""
    async with gateway_stage(tmp_path, record()) as stage:
        call = asyncio.create_task(stage.client.post("/e/embed/infer", timeout=10))
        taken = await stage.take()
        waiter = stage.gateway.waiters.find(taken.id)
        assert waiter is not None

        # The first deadline finds it running and gives it its time; the second finds the same attempt.
        while not call.done():
            waiter.wait_until(0)
            await asyncio.sleep(0.01)

        assert error_of(await call) == (504, "ran-too-long")
        assert await stage.answer(taken) == 410


async def test_dead_letter_is_told_with_its_reason(stage: Stage) -> None:
    """Found out by renewing the hold."""
    call = asyncio.create_task(stage.client.post("/e/embed/infer"))
    for _ in range(3):
        taken = await stage.take()
        await stage.queue.give_back("embed", taken.id, taken.attempt, fault="killed by signal 9")

    await stage.gateway.holding.renew()

    assert error_of(await call) == (502, "dead-letter")
    assert "killed by signal 9" in (await call).json()["error"]["message"]


async def test_failed_run_is_told_with_its_reason(stage: Stage) -> None:
    """As the worker wrote it down."""
    call = asyncio.create_task(stage.client.post("/e/embed/infer"))
    taken = await stage.take()
    await stage.queue.fail("embed", taken.id, taken.attempt, "it ran longer than 60 s")

    await stage.gateway.holding.renew()

    assert error_of(await call) == (502, "failed")
    assert "longer than 60 s" in (await call).json()["error"]["message"]


async def test_cancelled_request_is_told_at_once(stage: Stage) -> None:
    """By the gateway that did it."""
    call = asyncio.create_task(stage.client.post("/e/embed/infer"))
    request_id = await queued_id(stage)

    cancelled = await stage.client.delete(f"/v1/requests/{request_id}")

    assert cancelled.json() == {"response_id": request_id, "state": "cancelled"}
    assert error_of(await call) == (410, "cancelled")


async def test_request_cancelled_elsewhere_while_it_runs_is_told(stage: Stage) -> None:
    """Found out by renewing the hold."""
    call = asyncio.create_task(stage.client.post("/e/embed/infer"))
    taken = await stage.take()
    await stage.queue.cancel(taken.id)

    await stage.gateway.holding.renew()

    assert error_of(await call) == (410, "cancelled")
    assert await stage.answer(taken) == 410


async def test_request_cancelled_elsewhere_while_it_waits_is_told(stage: Stage) -> None:
    """By the API of a cluster, which is another process."""
    call = asyncio.create_task(stage.client.post("/e/embed/infer"))
    request_id = await queued_id(stage)
    await stage.queue.cancel(request_id)

    await stage.gateway.holding.renew()

    assert error_of(await call) == (410, "cancelled")


async def say_nothing(stage: Stage, clock: Clock) -> None:
    """For longer than the gateway's hold lasts, while the queue is swept as a scaler does it."""
    for _ in range(HOLD_SECONDS + 1):
        clock.now += 1
        await stage.queue.sweep("embed")


async def test_request_that_the_queue_forgot_is_told(tmp_path: Path) -> None:
    """A queue that lost its data, or did not hear of us, must not leave anyone waiting."""
    clock = Clock()
    async with gateway_stage(tmp_path, clock=clock) as stage:
        call = asyncio.create_task(stage.client.post("/e/embed/infer"))
        await queued_id(stage)
        await say_nothing(stage, clock)

        await stage.gateway.holding.renew()

        assert error_of(await call) == (503, "request-lost")


async def test_hold_keeps_a_waiting_request_alive(tmp_path: Path) -> None:
    """Without it the queue drops what nobody waits for."""
    clock = Clock()
    async with gateway_stage(tmp_path, clock=clock) as stage:
        call = asyncio.create_task(stage.client.post("/e/embed/infer"))
        await queued_id(stage)
        for _ in range(4):
            clock.now += 5
            await stage.gateway.holding.renew()

        await stage.serve_one(200, (), b"served")

        assert (await call).content == b"served"


async def test_requests_of_a_gateway_that_is_gone_leave_the_queue(tmp_path: Path) -> None:
    """When its hold has run out no worker gets them; async and keyed ones stay."""
    clock = Clock()
    async with gateway_stage(tmp_path, clock=clock) as stage:
        call = asyncio.create_task(stage.client.post("/e/embed/infer"))
        await queued_id(stage)
        keyed = asyncio.create_task(stage.client.post("/e/embed/infer", headers={"idempotency-key": "k"}))
        await stage.until_waiting(2)
        await stage.client.post("/e/embed/infer", headers={"x-octoai-async": "1"})

        await say_nothing(stage, clock)
        first = await stage.take(replica="r1")
        second = await stage.take(replica="r2")

        assert first.caller is not None
        assert second.caller is None
        assert await waiting(stage) == 0
        call.cancel()
        keyed.cancel()


async def test_hold_outlives_a_queue_that_is_away(stage: Stage) -> None:
    """The next one works again."""

    class Away(MemoryQueue):
        async def hold(self, *_args: object) -> list[str]:
            raise QueueUnavailableError

    call = asyncio.create_task(stage.client.post("/e/embed/infer"))
    await queued_id(stage)
    gateway = stage.gateway

    await Holding(Away(), "gateway", gateway.waiters, gateway.holding._log).renew()
    await gateway.holding.renew()
    await stage.serve_one()

    assert (await call).status_code == 200


async def test_full_queue_refuses_with_an_honest_retry_after(tmp_path: Path) -> None:
    """What waits, times the average run, by the replicas there may be."""
    async with gateway_stage(tmp_path, record(limits={"waiting": 3}, scaling={"max": 1})) as stage:
        calls = [asyncio.create_task(stage.client.post("/e/embed/infer")) for _ in range(3)]
        await until(lambda: sum(map(len, stage.gateway.waiters.queued().values())) == 3)

        refused = await stage.client.post("/e/embed/infer")

        assert error_of(refused) == (429, "queue-full")
        assert refused.headers["retry-after"] == "3"
        assert "limits.waiting" in refused.json()["error"]["message"]
        for _ in calls:
            await stage.serve_one()
        assert [(await call).status_code for call in calls] == [200] * 3


@pytest.mark.parametrize("asynchronous", ["", "1"])
async def test_queue_that_is_away_is_no_traceback(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, asynchronous: str
) -> None:
    """It is a 503 that says when to come again, and nothing was accepted."""

    async def away(*_args: object) -> int:
        raise QueueUnavailableError("Connection refused 10.0.0.1:6379")

    monkeypatch.setattr(stage.queue, "enqueue", away)

    answer = await stage.client.post("/e/embed/infer", headers={"x-octoai-async": asynchronous})

    assert error_of(answer) == (503, "queue-unavailable")
    assert answer.headers["retry-after"] == "2"
    assert "10.0.0.1" not in answer.text


async def test_fault_of_ours_shows_no_detail(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets an id to report, the log gets the traceback."""

    async def broken(*_args: object) -> int:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(stage.queue, "enqueue", broken)

    answer = await stage.client.post("/e/embed/infer")

    assert error_of(answer) == (500, "internal")
    assert "secret detail" not in answer.text


async def test_endpoint_that_may_have_no_replica_is_switched_off(tmp_path: Path) -> None:
    """It says so instead of letting anyone wait."""
    async with gateway_stage(tmp_path, record(scaling={"max": 0})) as stage:
        assert error_of(await stage.client.post("/e/embed/infer")) == (503, "switched-off")


async def test_requests_are_served_first_come_first_served(stage: Stage) -> None:
    """Sync and async alike."""
    calls = []
    for number in range(4):
        headers = {"x-octoai-async": "1"} if number % 2 else {}
        call = stage.client.post("/e/embed/x", content=b"%d" % number, headers=headers)
        calls.append(asyncio.create_task(call))
        await stage.until_waiting(number + 1)

    bodies = []
    for number in range(4):
        taken = await stage.take()
        bodies.append(taken.body)
        if taken.caller is not None:
            assert await stage.answer(taken) == 204
        await stage.queue.finish("embed", taken.id, taken.attempt, None)
        await calls[number]

    assert bodies == [b"0", b"1", b"2", b"3"]
