"""Workers' users on a real Valkey: all that a worker does on its endpoint, nothing elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import structlog
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError
from support.polling import until
from support.valkey_server import ValkeyServer

from runtime.queue.port import (
    Answer,
    Bounds,
    Caller,
    LeaseLostError,
    NewRequest,
    QueueUnavailableError,
    ReplicaState,
)
from runtime.queue.valkey import ValkeyQueue
from runtime.scaler.users import QueueUsers
from runtime.wire import AnswerHead, RequestHead, new_request_id
from runtime.wire.queue_users import worker_password, worker_user

KEY = "master"
ADMIN = "scaler"
ACL = f"user default off\nuser {ADMIN} on >admin ~* &* +@all\n"
BOUNDS = Bounds(100, 1 << 20)


class AclServer(ValkeyServer):
    """A server with an ACL file, which outlives it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.acl = folder / "users.acl"
        self.acl.write_text(ACL)

    @property
    def admin_url(self) -> str:
        """The scaler's."""
        return f"valkey://{ADMIN}:admin@127.0.0.1:{self.port}"

    def worker_url(self, endpoint: str) -> str:
        """An endpoint's workers'."""
        return f"valkey://{worker_user(endpoint)}:{worker_password(KEY, endpoint)}@127.0.0.1:{self.port}"

    def ask(self, endpoint: str) -> "Redis":
        """A plain client as that endpoint's worker."""
        return Redis(port=self.port, username=worker_user(endpoint), password=worker_password(KEY, endpoint))

    def users(self) -> set[str]:
        """Names of all users."""
        with self.admin() as client:
            return set(client.acl_users())

    def admin(self) -> "Redis":
        """A plain client as the scaler."""
        return Redis(port=self.port, username=ADMIN, password="admin")

    def _command(self) -> list[str]:
        return [*super()._command(), "--aclfile", str(self.acl)]

    def _serves(self, client: "Redis") -> bool:
        del client
        with suppress(Exception), self.admin() as admin:
            return bool(admin.ping())
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AclServer]:
    """A running server that knows the scaler only."""
    with AclServer(tmp_path) as running:
        yield running


@asynccontextmanager
async def keeping(server: AclServer, names: set[str]) -> AsyncIterator[QueueUsers]:
    """A keeper of these endpoints' users."""
    users = QueueUsers.connect(server.admin_url, KEY, lambda: names, lambda: None, log=structlog.get_logger())
    assert users is not None
    try:
        yield users
    finally:
        await users.close()


@asynccontextmanager
async def queue_at(url: str) -> AsyncIterator[ValkeyQueue]:
    """A queue as whoever the URL names."""
    queue = ValkeyQueue.connect(url)
    try:
        yield queue
    finally:
        await queue.close()


async def enqueue(queue: ValkeyQueue, *, is_sync: bool = False) -> str:
    """Let a request to `embed` in."""
    caller = Caller("gateway", "http://gateway", "secret") if is_sync else None
    head = RequestHead("POST", "/", ())
    new = NewRequest(new_request_id("embed"), head, b"body", queue_seconds=600, caller=caller)
    return (await queue.enqueue(new, BOUNDS)).request_id


async def test_worker_can_do_all_a_worker_does(server: AclServer) -> None:
    """Join, beat, take, renew, finish, fail, give back, leave, and wait for work."""
    async with (
        keeping(server, {"embed"}) as users,
        queue_at(server.admin_url) as gateway,
        queue_at(server.worker_url("embed")) as worker,
    ):
        await users.keep()
        for is_sync in (False, True, False, False):
            await enqueue(gateway, is_sync=is_sync)
        await worker.join("embed", "a", "1")
        await worker.beat("embed", "a", ReplicaState.READY)
        await worker.wait_for_work("embed", 0.1)
        first = await worker.take("embed", "a", 15)
        assert first is not None
        await worker.renew("embed", first.id, first.attempt, 15)
        answer = Answer(AnswerHead(200, ()), b"done")
        second = await worker.finish("embed", first.id, first.attempt, answer, next_lease_seconds=15)
        assert second is not None
        await worker.give_back("embed", second.id, second.attempt, fault="the model died")
        await worker.beat("embed", "a", ReplicaState.READY)
        third = await worker.take("embed", "a", 15)
        assert third is not None
        await worker.fail("embed", third.id, third.attempt, "broken off")
        await worker.ping()
        await worker.leave("embed", "a")
        view = await gateway.look("embed")

    assert (view.waiting, view.running, view.replicas) == (2, 0, ())


async def test_worker_takes_over_what_time_has_ended(server: AclServer) -> None:
    """A take sweeps: expiry, takeover and dead letters run under the worker's rights too."""
    async with (
        keeping(server, {"embed"}) as users,
        queue_at(server.admin_url) as gateway,
        queue_at(server.worker_url("embed")) as worker,
    ):
        await users.keep()
        await enqueue(gateway)
        for replica in ("a", "b"):
            await worker.join("embed", replica, "1")
            await worker.beat("embed", replica, ReplicaState.READY)
        lost = await worker.take("embed", "a", 0.01)
        assert lost is not None
        await asyncio.sleep(0.02)

        again = await worker.take("embed", "b", 15)

        assert again is not None
        assert again.attempt == 2
        with pytest.raises(LeaseLostError):
            await worker.renew("embed", lost.id, lost.attempt, 15)


async def test_take_of_an_abandoned_request_is_allowed(server: AclServer) -> None:
    """Its gateway fell silent; the drop needs no more rights."""
    async with (
        keeping(server, {"embed"}) as users,
        queue_at(server.admin_url) as gateway,
        queue_at(server.worker_url("embed")) as worker,
    ):
        await users.keep()
        await enqueue(gateway, is_sync=True)
        with server.admin() as admin:
            admin.zadd("moorage:{embed}:holds", {"gateway": 1})
        await worker.join("embed", "a", "1")
        await worker.beat("embed", "a", ReplicaState.READY)

        assert await worker.take("embed", "a", 15) is None


async def test_worker_can_do_nothing_on_another_endpoint(server: AclServer) -> None:
    """Neither by a move nor by a command."""
    async with (
        keeping(server, {"embed", "ocr"}) as users,
        queue_at(server.worker_url("embed")) as worker,
    ):
        await users.keep()
        for move in (
            worker.join("ocr", "a", "1"),
            worker.take("ocr", "a", 15),
            worker.beat("ocr", "a", ReplicaState.READY),
            worker.wait_for_work("ocr", 0.1),
            worker.leave("ocr", "a"),
        ):
            with pytest.raises(QueueUnavailableError, match=r"(?i)permission"):
                await move


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "moorage:{ocr}:meta"),
        ("HGETALL", "moorage:{embed}:meta"),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("PUBLISH", "other", "x"),
        ("SUBSCRIBE", "moorage:other"),
        ("MONITOR",),
        ("EVAL", "return redis.call('GET', 'moorage:{ocr}:meta')", "0"),
        ("SHUTDOWN",),
    ],
)
async def test_worker_has_no_other_command(server: AclServer, command: tuple[str, ...]) -> None:
    """Only what its moves need."""
    async with keeping(server, {"embed"}) as users:
        await users.keep()

    with server.ask("embed") as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)


async def test_script_of_its_own_reaches_no_other_endpoint(server: AclServer) -> None:
    """A worker may load scripts; their commands are checked as its own."""
    async with keeping(server, {"embed"}) as users:
        await users.keep()

    with server.ask("embed") as client:
        script = client.register_script("return redis.call('HGET', 'moorage:{ocr}:meta', 'ticket')")
        with pytest.raises(Exception, match=r"(?i)permission|ACL"):
            script(keys=["moorage:{embed}"])


async def test_users_come_with_endpoints_and_go_with_them(server: AclServer) -> None:
    """One that has left cannot log in any more."""
    names = {"embed", "ocr"}
    async with keeping(server, names) as users:
        await users.keep()
        before = server.users()
        names.discard("ocr")
        await users.keep()

    assert before == {"default", ADMIN, "worker-embed", "worker-ocr"}
    assert server.users() == {"default", ADMIN, "worker-embed"}
    with server.ask("ocr") as client, pytest.raises(AuthenticationError):
        client.ping()


async def test_keeping_them_twice_changes_nothing(server: AclServer) -> None:
    """Nor by another leader, which does not know what was written."""
    async with keeping(server, {"embed"}) as users:
        await users.keep()
        with server.admin() as admin:
            before = admin.acl_list()
        await users.keep()
    async with keeping(server, {"embed"}) as users:
        await users.keep()

    with server.admin() as admin:
        assert admin.acl_list() == before


async def test_users_survive_a_restart_in_the_file(server: AclServer) -> None:
    """Workers may log in before any scaler is there."""
    async with keeping(server, {"embed"}) as users:
        await users.keep()
    server.kill()
    server.start()

    with server.ask("embed") as client:
        assert client.ping()


async def test_users_are_written_again_to_a_server_that_lost_them(server: AclServer) -> None:
    """Its ACL file was lost with its disk."""
    async with keeping(server, {"embed"}) as users:
        await users.keep()
        server.kill()
        server.acl.write_text(ACL)
        server.start()

        await users.keep()

    assert "worker-embed" in server.users()


async def test_user_of_an_endpoint_that_left_before_we_came_is_removed(server: AclServer) -> None:
    """The scaler before us died in between."""
    async with keeping(server, {"embed", "old"}) as users:
        await users.keep()
    async with keeping(server, {"embed"}) as users:
        await users.keep()

    assert "worker-old" not in server.users()


async def test_other_users_are_left_alone(server: AclServer) -> None:
    """The gateway's, say."""
    with server.admin() as admin:
        admin.execute_command("ACL SETUSER", "gateway", "on")
    async with keeping(server, set()) as users:
        await users.keep()

    assert "gateway" in server.users()


async def test_running_keeper_sees_new_endpoints_and_faults(server: AclServer) -> None:
    """A server that is away is waited for."""
    names: set[str] = set()
    async with keeping(server, names) as users:
        task = asyncio.create_task(users.run())
        await asyncio.sleep(0)
        names.add("embed")
        try:
            await until(lambda: "worker-embed" in server.users())
        finally:
            task.cancel()
            await asyncio.wait({task})


def test_cluster_mode_keeps_none() -> None:
    """A managed cluster has no ACL commands."""
    url = "valkeys+cluster://cache.example:6379"

    assert QueueUsers.connect(url, KEY, set, lambda: None, log=structlog.get_logger()) is None
