"""The gateway as the plan starts it: a domain, two ports, an inner host, tokens and objects elsewhere."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest
from support.gateway_stage import OWNER, record, write_records
from support.kube_api import KubeApi, serve_kube
from support.polling import until
from support.ports import free_port
from support.valkey_server import ValkeyServer

from runtime.queue.port import ReplicaState
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AccountRecord, Record
from runtime.wire.cluster import LABEL_RECORD, RECORD_KEY
from runtime.wire.places import Places

DOMAIN = "moorage.example"
RECORDS = "/api/v1/namespaces/moorage/configmaps"


async def ask(port: int, host: str, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """One answer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(
            method, f"http://127.0.0.1:{port}{path}", headers={"host": host, **headers}
        )


async def until_ready(inner_port: int) -> None:
    """Wait for the probe."""
    async with asyncio.timeout(40):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await ask(inner_port, "x", "/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
async def test_gateway_of_a_domain_as_a_process(tmp_path: Path) -> None:
    """Each port shows what it may, workers are told the inner host, and SIGTERM ends all of it."""
    places, tokens = Places(tmp_path / "state"), tmp_path / "mounted.json"
    write_records(places, [record("embed"), record("inside", ingress="private")])
    places.account.write_text(AccountRecord(account="acme").model_dump_json())
    places.tokens.rename(tokens)
    public, every, inner = free_port(), free_port(), free_port()
    with ValkeyServer(tmp_path) as valkey:
        settings = {
            "MOORAGE_QUEUE_URL": valkey.url,
            "MOORAGE_STATE": str(places.state),
            "MOORAGE_TOKENS": str(tokens),
            "MOORAGE_OBJECTS": "valkey",
            "MOORAGE_DOMAIN": DOMAIN,
            "MOORAGE_PORT": str(public),
            "MOORAGE_ALL_PORT": str(every),
            "MOORAGE_INNER_PORT": str(inner),
            "MOORAGE_INNER_HOST": "127.0.0.9",
            "MOORAGE_GRACE_SECONDS": "1",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "runtime.gateway",
            env={**os.environ, **settings},
            stderr=asyncio.subprocess.PIPE,
        )
        queue = ValkeyQueue.connect(valkey.url)
        try:
            await until_ready(inner)
            own = {"authorization": f"Bearer {OWNER}"}
            listed = await ask(public, f"api.{DOMAIN}", "/v1/endpoints", **own)
            hidden = await ask(public, f"inside-acme.{DOMAIN}", "/x", "POST", **{"x-octoai-async": "1"})
            shown = await ask(every, f"inside-acme.{DOMAIN}", "/x", "POST", **{"x-octoai-async": "1"})
            calling = asyncio.create_task(ask(public, f"embed-acme.{DOMAIN}", "/x", "POST"))
            await queue.join("embed", "r1", "1")
            async with asyncio.timeout(10):
                while (taken := await queue.take("embed", "r1", 10)) is None:
                    await queue.beat("embed", "r1", ReplicaState.READY)
            figures = await ask(inner, "x", "/metrics")
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = await process.communicate()
            await queue.close()
        refused = await calling

    assert [each["url"] for each in listed.json()["endpoints"]] == [f"https://embed-acme.{DOMAIN}"]
    assert (hidden.status_code, shown.status_code) == (404, 201)
    assert shown.json()["poll_url"].startswith(f"https://api.{DOMAIN}/v1/requests/inside.")
    assert taken.caller is not None
    assert taken.caller.url == f"http://127.0.0.9:{inner}"
    assert "moorage_port_requests_total" in figures.text
    assert refused.json()["error"]["code"] == "stopping"
    assert process.returncode == 0
    assert json.loads(log.splitlines()[-1])["event"] == "stopped"


def put_record(kube: KubeApi, kind: str, name: str, found: Record) -> None:
    """Write a record's ConfigMap, as the plan does."""
    metadata = {"name": name, "namespace": "moorage", "labels": {LABEL_RECORD: kind}}
    kube.put(RECORDS, {"metadata": metadata, "data": {RECORD_KEY: found.model_dump_json()}})


def kubeconfig(folder: Path, server: str) -> str:
    """A file that leads to an API."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


async def until_status(status: int, port: int, endpoint: str) -> None:
    """Wait until an endpoint's health path is answered so."""
    async with asyncio.timeout(40):
        while (await ask(port, f"{endpoint}-acme.{DOMAIN}", "/healthcheck")).status_code != status:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_gateway_of_a_namespace_as_a_process(tmp_path: Path) -> None:
    """Not ready before ConfigMaps were read; follows them; goes on with the last ones while the API is away."""
    kube = KubeApi(hang=asyncio.Event())
    put_record(kube, "endpoint", "endpoint-embed", record("embed"))
    put_record(kube, "account", "account", AccountRecord(account="acme"))
    port, inner = free_port(), free_port()
    with ValkeyServer(tmp_path) as valkey:
        async with serve_kube(kube) as client:
            settings = {
                "KUBECONFIG": kubeconfig(tmp_path, client.server),
                "MOORAGE_QUEUE_URL": valkey.url,
                "MOORAGE_NAMESPACE": "moorage",
                "MOORAGE_TOKENS": str(tmp_path / "tokens.json"),
                "MOORAGE_OBJECTS": "valkey",
                "MOORAGE_DOMAIN": DOMAIN,
                "MOORAGE_PORT": str(port),
                "MOORAGE_INNER_PORT": str(inner),
                "MOORAGE_GRACE_SECONDS": "1",
            }
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "runtime.gateway", env={**os.environ, **settings}
            )
            try:
                await until(lambda: bool(kube.asked), 40)
                unread = await ask(inner, "x", "/healthz")
                assert kube.hang is not None
                kube.hang.set()
                await until_ready(inner)
                await until_status(503, port, "embed")

                put_record(kube, "endpoint", "endpoint-chat", record("chat"))
                await until_status(503, port, "chat")
                kube.delete(RECORDS, "endpoint-chat")
                await until_status(404, port, "chat")
                kube.refusals = [500] * 1000
                kube.drop()
                await until(lambda: len(kube.refusals) < 999)
                away = await ask(port, f"embed-acme.{DOMAIN}", "/healthcheck")
            finally:
                process.send_signal(signal.SIGTERM)
                await process.wait()

    assert unread.status_code == 503
    assert away.json()["error"]["code"] == "not-ready"
    assert process.returncode == 0
