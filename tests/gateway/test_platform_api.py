"""What the platform says of itself: endpoints, health, metrics; and what it has no path for."""

import asyncio
from pathlib import Path

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record

from runtime.queue.port import QueueUnavailableError, ReplicaState

OWN = {"authorization": f"Bearer {OWNER}"}


async def test_health_is_200_while_a_replica_can_serve(stage: Stage) -> None:
    """Nothing is queued; a busy replica is a healthy one."""
    await stage.ready()
    ready = await stage.client.get("/e/embed/healthcheck")
    await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})
    await stage.take()
    busy = await stage.client.get("/e/embed/healthcheck?x=1")

    assert (ready.status_code, busy.status_code) == (200, 200)
    assert ready.headers["x-user-request-id"].startswith("embed.")
    assert (await stage.queue.look("embed")).waiting == 0


async def test_health_at_zero_wakes_a_replica(stage: Stage) -> None:
    """503 with the cause and when to ask again; the clients repeat until then."""
    answer = await stage.client.get("/e/embed/healthcheck")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not-ready")
    assert int(answer.headers["retry-after"]) >= 1
    assert "no replica is running" in answer.json()["error"]["message"]
    view = await stage.queue.look("embed")
    assert (view.waiting, set(view.needed)) == (0, {1})


async def test_only_a_get_of_the_health_path_is_answered_here(stage: Stage) -> None:
    """A POST to it is the model's."""
    call = asyncio.create_task(stage.client.post("/e/embed/healthcheck"))

    await stage.serve_one(200, (), b"model")

    assert (await call).content == b"model"


async def test_health_of_a_private_endpoint_needs_a_token(tmp_path: Path) -> None:
    """It wakes a replica, which costs money."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        assert (await stage.client.get("/e/embed/healthcheck")).status_code == 401


async def test_endpoint_shows_replicas_queue_and_cause(stage: Stage) -> None:
    """All that a person asks for who waits."""
    await stage.ready(replica="r1")
    await stage.queue.join("embed", "r2", "1")
    await stage.queue.beat("embed", "r2", ReplicaState.FAILING, "exit 1\nImportError: no module x")
    await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})

    answer = await stage.client.get("/v1/endpoints/embed", headers=OWN)

    shown = answer.json()
    oldest = shown["queue"].pop("oldest_seconds")
    assert 0 <= oldest < 5
    assert shown == {
        "name": "embed",
        "url": f"http://127.0.0.1:{stage.port}/e/embed",
        "urls": [f"http://127.0.0.1:{stage.port}/e/embed", f"http://embed.localhost:{stage.port}"],
        "access": "public",
        "template": None,
        "health": "/healthcheck",
        "hardware": "cpu",
        "replicas": {
            "desired": 0,
            "starting": 0,
            "ready": 1,
            "busy": 0,
            "retired": 0,
            "failing": 1,
            "min": 0,
            "max": 2,
        },
        "queue": {"waiting": 1, "running": 0, "wait_seconds": None, "run_seconds": None, "dead": 0},
        "waiting": {"position": 1, "cause": "behind 1 waiting", "estimate_seconds": None},
        "replica_list": [
            {"id": "r1", "state": "ready", "detail": ""},
            {"id": "r2", "state": "failing", "detail": "exit 1\nImportError: no module x"},
        ],
    }


async def test_list_shows_what_the_token_opens(tmp_path: Path) -> None:
    """By name; the others are not even named."""
    async with gateway_stage(tmp_path, record("embed"), record("chat", access="private")) as stage:
        everything = await stage.client.get("/v1/endpoints", headers=OWN)
        some = await stage.client.get("/v1/endpoints", headers={"authorization": f"Bearer {EMBED_ONLY}"})

        assert [one["name"] for one in everything.json()["endpoints"]] == ["chat", "embed"]
        assert [one["name"] for one in some.json()["endpoints"]] == ["embed"]


@pytest.mark.parametrize("path", ["/v1/endpoints", "/v1/endpoints/embed"])
async def test_endpoints_need_a_token(stage: Stage, path: str) -> None:
    """Also public ones."""
    answer = await stage.client.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_endpoint_of_another_token_is_forbidden(tmp_path: Path) -> None:
    """Whether it exists or not."""
    async with gateway_stage(tmp_path, record("chat")) as stage:
        for name in ("chat", "nothing"):
            answer = await stage.client.get(
                f"/v1/endpoints/{name}", headers={"authorization": f"Bearer {EMBED_ONLY}"}
            )
            assert answer.status_code == 403


async def test_double_slashes_count_as_one(stage: Stage) -> None:
    """One of the original clients asks so."""
    answer = await stage.client.get(f"http://127.0.0.1:{stage.port}//v1//endpoints", headers=OWN)

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/e/embd/infer", "/e/Embed/x"])
async def test_unknown_endpoint_hints_at_a_near_miss(stage: Stage, path: str) -> None:
    """404 with an id."""
    answer = await stage.client.post(path, content=b"x")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-endpoint")
    assert "Did you mean 'embed'?" in answer.json()["error"]["message"]
    assert answer.headers["x-user-request-id"] == answer.json()["error"]["request_id"]


@pytest.mark.parametrize("path", ["/", "/v2/x", "/e", "/v1/endpoints/"])
async def test_unknown_path_is_not_found(stage: Stage, path: str) -> None:
    """As JSON, with where things are."""
    answer = await stage.client.get(path, headers=OWN)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-route")


async def test_wrong_method_is_named(stage: Stage) -> None:
    """405."""
    answer = await stage.client.post("/v1/endpoints", headers=OWN)

    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method-not-allowed")


@pytest.mark.parametrize("target", ["/e/embed/ws", "/ws"])
async def test_websocket_is_refused_clearly(stage: Stage, target: str) -> None:
    """501 that says what to do instead."""
    host = "embed.localhost" if target == "/ws" else "x"
    connection = await stage.connect()
    connection.write(
        f"GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )

    assert await connection.read_status() == 501
    assert b"websocket-unsupported" in await connection.read_until(b"}}")


async def test_gateway_is_healthy_while_its_queue_answers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says so when it does not."""
    well = await stage.client.get("/healthz")

    async def away() -> None:
        raise QueueUnavailableError

    monkeypatch.setattr(stage.queue, "ping", away)
    ill = await stage.client.get("/healthz")

    assert (well.status_code, well.json()) == (200, {"status": "ok"})
    assert (ill.status_code, ill.json()["error"]["code"]) == (503, "queue-unavailable")


async def test_metrics_count_requests_refusals_and_the_queue(stage: Stage) -> None:
    """On both ports, by endpoint; names of endpoints that do not exist are no labels."""
    call = asyncio.create_task(stage.client.post("/e/embed/x"))
    await stage.serve_one()
    await call
    await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})
    await stage.client.post("/e/embed/x", content=b"x" * 2_000_000)
    await stage.client.post("/e/nothing/x")

    for client in (stage.client, stage.inner):
        lines = set((await client.get("/metrics")).text.splitlines())
        assert lines >= {
            'moorage_requests_total{endpoint="embed",outcome="answered"} 1.0',
            'moorage_requests_total{endpoint="embed",outcome="accepted"} 1.0',
            'moorage_requests_total{endpoint="embed",outcome="refused"} 1.0',
            'moorage_refusals_total{endpoint="embed",reason="body-too-large"} 1.0',
            'moorage_refusals_total{endpoint="",reason="unknown-endpoint"} 1.0',
            'moorage_request_seconds_count{endpoint="embed"} 1.0',
            'moorage_answer_wait_seconds_count{endpoint="embed"} 1.0',
            'moorage_in_flight_requests{endpoint="embed"} 0.0',
            'moorage_queue_waiting_requests{endpoint="embed"} 1.0',
            'moorage_replicas{endpoint="embed",state="ready"} 1.0',
        }


async def test_metrics_outlive_a_queue_that_is_away(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own figures are what one needs then."""

    async def away(_endpoint: str) -> None:
        raise QueueUnavailableError

    monkeypatch.setattr(stage.queue, "look", away)

    answer = await stage.client.get("/metrics")
    shown = await stage.client.get("/v1/endpoints", headers=OWN)

    assert answer.status_code == 200
    assert "moorage_requests" in answer.text
    assert shown.status_code == 503
