"""The gateway as a process: its environment, its log, its end."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
from support.gateway_stage import OWNER, record, write_records
from support.valkey_server import ValkeyServer, free_port

from runtime.wire.places import Places

COMMAND = (sys.executable, "-m", "runtime.gateway")


async def start(**settings: str) -> asyncio.subprocess.Process:
    """A gateway process that logs to a pipe."""
    environment = {**os.environ, "MOORAGE_QUEUE_URL": "", **settings}
    return await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=asyncio.subprocess.PIPE)


async def read_event(process: asyncio.subprocess.Process, event: str) -> dict[str, object]:
    """The next log line of that event."""
    assert process.stderr is not None
    async with asyncio.timeout(10):
        while line := await process.stderr.readline():
            entry: dict[str, object] = json.loads(line)
            if entry["event"] == event:
                return entry
    raise AssertionError(f"the process ended without {event!r}")


async def test_process_serves_until_sigterm_and_logs_no_secret(tmp_path: Path) -> None:
    """Every log line is JSON, with request ids and without tokens, queries or bodies."""
    write_records(Places(tmp_path), [record(access="private")])
    with ValkeyServer(tmp_path) as valkey:
        settings = {"MOORAGE_QUEUE_URL": valkey.url, "MOORAGE_STATE": str(tmp_path)}
        process = await start(MOORAGE_PORT=str(free_port()), MOORAGE_GRACE_SECONDS="1", **settings)
        try:
            port = (await read_event(process, "listening"))["port"]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                transport = httpx.AsyncHTTPTransport(retries=5)
                async with httpx.AsyncClient(transport=transport) as patient:
                    health = await patient.get(f"http://127.0.0.1:{port}/healthz")
                headers = {"authorization": f"Bearer {OWNER}", "x-octoai-async": "1"}
                accepted = await client.post("/e/embed/x", headers=headers, content=b"body-secret")
                refused = await client.post(
                    "/e/embed/x?key=query-secret", headers={"authorization": "Bearer s3"}
                )
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = await process.communicate()

    assert (health.status_code, accepted.status_code, refused.status_code) == (200, 201, 401)
    assert process.returncode == 0
    entries = [json.loads(line) for line in log.splitlines()]
    assert refused.headers["x-user-request-id"] in {entry.get("request_id") for entry in entries}
    for secret in (OWNER, "body-secret", "query-secret", "s3"):
        assert secret.encode() not in log


async def test_wrong_setting_ends_the_process_with_its_name() -> None:
    """In one line, without a traceback."""
    process = await start()

    _, log = await process.communicate()

    assert process.returncode == 2
    assert json.loads(log)["fault"].startswith("MOORAGE_QUEUE_URL is not set")
