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
from support.valkey_server import ValkeyServer, free_port

from runtime.queue.port import ReplicaState
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AccountRecord
from runtime.wire.places import Places

DOMAIN = "moorage.example"


async def ask(port: int, host: str, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """One answer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(
            method, f"http://127.0.0.1:{port}{path}", headers={"host": host, **headers}
        )


async def until_ready(inner_port: int) -> None:
    """Wait for the probe."""
    async with asyncio.timeout(15):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await ask(inner_port, "x", "/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.timeout(60)
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
