"""Why am I waiting: in headers, in the API, and as events."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.gateway_stage import OWNER, PATIENCE_SECONDS, Stage, gateway_stage, record, until

from runtime.gateway.looks import Looks
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import Answer, EndpointView
from runtime.wire import AnswerHead

OWN = {"authorization": f"Bearer {OWNER}"}
ASYNC = {"x-octoai-async": "1"}


async def measured_run(stage: Stage) -> None:
    """Let the queue learn how long a run takes, and the gateway see it."""
    await stage.client.post("/e/embed/x", headers=ASYNC)
    taken = await stage.take()
    await stage.queue.finish("embed", taken.id, taken.attempt, None)
    await stage.client.get("/v1/endpoints/embed", headers=OWN)


async def test_accepted_async_call_says_where_it_stands(stage: Stage) -> None:
    """How many are before it, and how long that will take once a run was measured."""
    await measured_run(stage)
    taken_by = await stage.client.post("/e/embed/x", headers=ASYNC)
    await stage.take()

    second = await stage.client.post("/e/embed/x", headers=ASYNC)
    third = await stage.client.post("/e/embed/x", headers=ASYNC)

    positions = [answer.headers["x-queue-position"] for answer in (taken_by, second, third)]
    assert positions == ["0", "0", "1"]
    assert float(third.headers["x-queue-estimate-seconds"]) >= 0
    assert "x-queue-wait-seconds" not in third.headers


async def test_answer_says_how_long_its_request_waited(stage: Stage) -> None:
    """And where it stood when it was accepted."""
    call = asyncio.create_task(stage.client.post("/e/embed/x"))
    await stage.until_waiting(1)
    await asyncio.sleep(0.05)

    await stage.serve_one()
    answer = await call

    assert answer.headers["x-queue-position"] == "0"
    assert 0.04 < float(answer.headers["x-queue-wait-seconds"]) < PATIENCE_SECONDS


async def test_model_cannot_say_it_in_our_place(stage: Stage) -> None:
    """Its headers of these names are replaced."""
    call = asyncio.create_task(stage.client.post("/e/embed/x"))
    await stage.serve_one(headers=(("x-queue-position", "99"), ("idempotency-replayed", "true")))
    answer = await call

    assert answer.headers.get_list("x-queue-position") == ["0"]
    assert "idempotency-replayed" not in answer.headers


async def test_error_of_the_estimate_is_measured(stage: Stage) -> None:
    """What was told less what came true, by endpoint."""
    await measured_run(stage)
    call = asyncio.create_task(stage.client.post("/e/embed/x"))
    await stage.serve_one()
    await call
    await until(lambda: stage.gateway.room.clients == 0)

    metrics = (await stage.client.get("/metrics")).text

    assert 'moorage_wait_estimate_error_seconds_count{endpoint="embed"} 1.0' in metrics
    assert 'moorage_queue_wait_seconds_count{endpoint="embed"} 1.0' in metrics
    assert 'moorage_run_seconds_count{endpoint="embed"} 1.0' in metrics


async def test_starts_are_counted_once(stage: Stage) -> None:
    """However often they are scraped."""
    await stage.ready(replica="r1")
    await stage.queue.join("embed", "r2", "1")

    for _ in range(2):
        metrics = (await stage.client.get("/metrics")).text

    assert 'moorage_cold_starts_total{endpoint="embed"} 1.0' in metrics
    assert 'moorage_replica_start_seconds_count{endpoint="embed",stage="model"} 1.0' in metrics


async def test_refusals_are_counted_by_reason(stage: Stage) -> None:
    """By the code that the client reads."""
    await stage.client.post("/e/embed/x", headers={"x-priority": "first"})

    metrics = (await stage.client.get("/metrics")).text

    assert 'moorage_refusals_total{endpoint="embed",reason="malformed-request"} 1.0' in metrics


async def test_trace_context_reaches_the_model(stage: Stage) -> None:
    """As it came."""
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}
    await stage.client.post("/e/embed/x", headers={**ASYNC, **trace})

    taken = await stage.take()

    assert set(trace.items()) <= set(taken.head.headers)


class Follower:
    """A client of `/events`."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._lines:
                if line.startswith("data: "):
                    event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    return event
        raise AssertionError("the stream has ended")

    async def rest(self) -> list[str]:
        """All that still comes, to the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [line async for line in self._lines]


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look twenty times a second."""
    monkeypatch.setattr("runtime.gateway.events.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("runtime.gateway.looks.RECENT_SECONDS", 0.04)


async def test_events_tell_of_an_endpoint_as_it_changes(stage: Stage) -> None:
    """At once how it is, and then each change once."""
    async with stage.client.stream("GET", "/v1/endpoints/embed/events", headers=OWN) as response:
        follower = Follower(response.aiter_lines())
        first = await follower.next()
        await stage.client.post("/e/embed/x", headers=ASYNC)
        second = await follower.next()
        await stage.ready()
        third = await follower.next()

    assert response.headers["content-type"] == "text/event-stream"
    assert (first["waiting"], second["waiting"]) == (0, 1)
    assert "starts one" in second["cause"]
    assert (third["replicas"]["ready"], third["cause"]) == (1, "behind 1 waiting")


async def test_events_of_a_request_go_to_its_end(stage: Stage) -> None:
    """Position, running, completed; then the stream ends."""
    ahead = (await stage.client.post("/e/embed/x", headers=ASYNC)).json()["response_id"]
    mine = (await stage.client.post("/e/embed/x", headers=ASYNC)).json()["response_id"]

    path = f"/v1/endpoints/embed/events?request={mine}"
    async with stage.client.stream("GET", path, headers=OWN) as response:
        follower = Follower(response.aiter_lines())
        assert (await follower.next())["position"] == 1
        taken = await stage.take()
        assert taken.id == ahead
        assert (await follower.next())["position"] == 0
        await stage.queue.finish("embed", ahead, 1, None)
        taken = await stage.take()
        while (event := await follower.next())["status"] == "pending":
            pass
        await stage.queue.finish("embed", mine, taken.attempt, Answer(AnswerHead(200, ()), b""))
        last = await follower.next()
        rest = await follower.rest()

    assert (event["status"], last["status"]) == ("running", "completed")
    assert [line for line in rest if line] == []


async def test_followers_share_their_looks() -> None:
    """At most one in RECENT_SECONDS of one endpoint, however many ask."""
    looked, now = [], [0.0]

    class Counted(MemoryQueue):
        async def look(self, endpoint: str) -> EndpointView:
            looked.append(endpoint)
            await asyncio.sleep(0)
            return await super().look(endpoint)

    looks = Looks(Counted(), lambda: now[0])
    for moment in (10.0, 10.03, 10.05):
        now[0] = moment
        await asyncio.gather(*(looks.recent("embed") for _ in range(20)))

    assert looked == ["embed", "embed"]


async def test_silence_is_filled_with_comments(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no proxy takes the connection for dead."""
    monkeypatch.setattr("runtime.gateway.events.HEARTBEAT_SECONDS", 0.1)

    async with stage.client.stream("GET", "/v1/endpoints/embed/events", headers=OWN) as response:
        lines = response.aiter_lines()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await anext(lines)).startswith(":"):
                pass


async def test_followers_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that leaves makes room."""
    monkeypatch.setattr("runtime.gateway.events.MOST_FOLLOWERS", 1)
    path = "/v1/endpoints/embed/events"

    async with stage.client.stream("GET", path, headers=OWN) as first:
        await Follower(first.aiter_lines()).next()
        refused = await stage.client.get(path, headers=OWN)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway-full")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with stage.client.stream("GET", path, headers=OWN) as second:
                if second.status_code == 200:
                    break


async def test_events_end_when_the_gateway_stops(stage: Stage) -> None:
    """A follower does not hold it up."""
    async with stage.client.stream("GET", "/v1/endpoints/embed/events", headers=OWN) as response:
        follower = Follower(response.aiter_lines())
        await follower.next()

        stage.gateway.begin_leaving()

        assert [line for line in await follower.rest() if line] == []


async def test_events_of_another_endpoints_request_are_not_found(tmp_path: Path) -> None:
    """Nor those of one that is unknown."""
    async with gateway_stage(tmp_path, record(), record("chat")) as stage:
        other = (await stage.client.post("/e/chat/x", headers=ASYNC)).json()["response_id"]

        for request_id in (other, "nonsense", f"embed.{'0' * 32}"):
            answer = await stage.client.get(f"/v1/endpoints/embed/events?request={request_id}", headers=OWN)
            assert answer.status_code == 404
