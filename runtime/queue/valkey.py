"""The queue in Valkey: every move is one Lua script on the keys of one endpoint (lua/_keys.lua)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import OutOfMemoryError, RedisClusterException, RedisError

from runtime.queue.decode import decode_taken, encode_caller, endpoint_view, request_view
from runtime.queue.moves import CHANNEL, read_move
from runtime.queue.port import (
    Allowance,
    Answer,
    Bounds,
    EndpointView,
    Enqueued,
    KeyConflictError,
    LeaseLostError,
    NewRequest,
    QueueFullError,
    QueueOutOfMemoryError,
    QueueUnavailableError,
    ReplicaState,
    RequestView,
    Taken,
)
from runtime.wire import RequestState, endpoint_of, is_request_id

COMMAND_SECONDS = 5.0
"""Longest wait for one answer of the server, in seconds."""
LONGEST_WAIT_SECONDS = 1.0
"""Longest block on the wake list; a lost wake-up costs no more than this."""
MAX_CONNECTIONS = 512
RESUBSCRIBE_SECONDS = 0.5
FAULTS = (RedisError, RedisClusterException, OSError, RuntimeError)
"""What a server that has gone raises; RuntimeError is uvloop's, of a connection that closed before the write.

That no node of a cluster answers is no RedisError: redis-py has a base of its own for it.
"""


def connect_client(url: str, most_connections: int) -> "Redis | RedisCluster":
    """A client of the server or cluster at a queue's address; nothing is sent before its first command."""
    if is_cluster(url):
        return RedisCluster(**_options(url, most_connections))
    return connect_server(url, most_connections)


def connect_server(url: str, most_connections: int, *, retries: int = 1) -> Redis:
    """A client of the one server at an address, also where it is part of a cluster."""
    return Redis(**_options(url, most_connections), retry=Retry(NoBackoff(), retries))


def is_cluster(url: str) -> bool:
    """Whether a queue's address is one of a server in cluster mode."""
    return urlsplit(url).scheme.endswith("+cluster")


def _options(url: str, most_connections: int) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 6379,
        "username": parts.username or None,
        "password": parts.password,
        "ssl": parts.scheme.startswith("valkeys"),
        # No socket_timeout: with one, redis-py waits by asyncio.wait_for, which may lose a cancellation on
        # Python 3.11. Whoever sends commands sets their deadlines.
        "socket_timeout": None,
        "socket_connect_timeout": COMMAND_SECONDS,
        "max_connections": most_connections,
    }


class ValkeyQueue:
    """A `runtime.queue.port.Queue` on one Valkey server or a cluster of them."""

    def __init__(
        self, client: "Redis | RedisCluster", subscriber: Redis, read_script: Callable[[str], str] = read_move
    ) -> None:
        self._client = client
        self._subscriber = subscriber
        self._read_script = read_script
        self._scripts: dict[str, AsyncScript] = {}

    @classmethod
    def connect(cls, url: str, read_script: Callable[[str], str] = read_move) -> Self:
        """A queue at `valkey://[:password@]host:port`, or `valkey+cluster://…` for cluster mode.

        `valkeys` in place of `valkey` asks for TLS. Nothing is sent before the first move. `read_script`
        gives the script of a move by its name.
        """
        subscriber = connect_server(url, MAX_CONNECTIONS, retries=0)
        return cls(connect_client(url, MAX_CONNECTIONS), subscriber, read_script)

    async def enqueue(self, request: NewRequest, bounds: Bounds) -> Enqueued:
        """Journal a request; see the port."""
        caller, key = request.caller, request.key
        told, *rest = await self._move(
            "enqueue",
            endpoint_of(request.id),
            request.id,
            request.head.encode(),
            request.body,
            request.body_ref or "",
            request.size,
            encode_caller(caller),
            caller.gateway if caller and not request.keeps_answer else "",
            key.digest if key else "",
            key.fingerprint if key else "",
            request.priority,
            _ms(request.queue_seconds),
            bounds.waiting,
            bounds.waiting_bytes,
        )
        if told == b"full":
            raise QueueFullError(rest[0].decode(), rest[1])
        if told == b"conflict":
            raise KeyConflictError("its key was first sent with another request")
        request_id, position = rest
        return Enqueued(request_id.decode(), position, is_repeat=told == b"repeat")

    async def take(self, endpoint: str, replica: str, lease_seconds: float) -> Taken | None:
        """The first waiting request; see the port."""
        found = await self._move("take", endpoint, replica, _ms(lease_seconds))
        return None if found is None else decode_taken(found)

    async def renew(self, endpoint: str, request_id: str, attempt: int, lease_seconds: float) -> None:
        """Hold the lease longer; see the port."""
        _require(await self._move("renew", endpoint, request_id, attempt, _ms(lease_seconds)))

    async def finish(
        self,
        endpoint: str,
        request_id: str,
        attempt: int,
        answer: Answer | None,
        *,
        next_lease_seconds: float | None = None,
    ) -> Taken | None:
        """The model has finished, and the next is taken; see the port."""
        stored = (1, answer.head.encode(), answer.body, answer.body_ref or "") if answer else (0, "", "", "")
        lease = "" if next_lease_seconds is None else _ms(next_lease_seconds)
        told = await self._move("finish", endpoint, request_id, attempt, lease, *stored)
        _require(told)
        return decode_taken(told) if isinstance(told, list) else None

    async def fail(self, endpoint: str, request_id: str, attempt: int, error: str) -> None:
        """End it without an answer; see the port."""
        _require(await self._move("fail", endpoint, request_id, attempt, error))

    async def give_back(
        self, endpoint: str, request_id: str, attempt: int, *, fault: str | None
    ) -> RequestState:
        """Put it back in its place; see the port."""
        state = await self._move("give_back", endpoint, request_id, attempt, _reason(fault))
        _require(state)
        return RequestState(state.decode())

    async def cancel(self, request_id: str) -> RequestState | None:
        """Cancel a request; see the port."""
        if not is_request_id(request_id):
            return None
        state = await self._move("cancel", endpoint_of(request_id), request_id)
        return RequestState(state.decode()) if state else None

    async def hold(
        self, endpoint: str, gateway: str, request_ids: Sequence[str], seconds: float
    ) -> list[str]:
        """Say that a gateway's clients still wait; see the port."""
        gone = await self._move("hold", endpoint, gateway, _ms(seconds), *request_ids)
        return [request_id.decode() for request_id in gone]

    async def sweep(self, endpoint: str) -> None:
        """Expire, take over, forget; see the port."""
        await self._move("sweep", endpoint)

    async def look(self, endpoint: str) -> EndpointView:
        """The endpoint at this moment; see the port."""
        return endpoint_view(await self._move("look", endpoint))

    async def find(self, request_id: str) -> RequestView | None:
        """Where a request stands; see the port."""
        if not is_request_id(request_id):
            return None
        found = await self._move("find", endpoint_of(request_id), request_id)
        return request_view(found) if found else None

    async def dead_letters(self, endpoint: str, limit: int = 100) -> list[RequestView]:
        """Its dead letters, newest first; see the port."""
        return [request_view(found) for found in await self._move("dead_letters", endpoint, limit)]

    async def replay(self, request_id: str) -> bool:
        """Let a dead letter wait again; see the port."""
        if not is_request_id(request_id):
            return False
        return bool(await self._move("replay", endpoint_of(request_id), request_id))

    async def purge(self, endpoint: str, request_id: str | None = None) -> list[str]:
        """Forget dead letters; see the port."""
        purged = await self._move("purge", endpoint, request_id or "")
        return [each.decode() for each in purged]

    async def allow(self, bucket: str, count: int, seconds: float) -> Allowance:
        """Count against a rate limit; see the port."""
        told = await self._move("allow", f"rate:{bucket}", count, _ms(seconds))
        is_allowed, remaining, reset_ms, retry_ms = told
        return Allowance(bool(is_allowed), remaining, float(reset_ms) / 1000, float(retry_ms) / 1000)

    async def join(self, endpoint: str, replica: str, revision: str) -> str | None:
        """Add a replica; see the port."""
        held = await self._move("join", endpoint, replica, revision)
        return held.decode() if held else None

    async def beat(self, endpoint: str, replica: str, state: ReplicaState, detail: str = "") -> bool:
        """Report a replica's state; see the port."""
        return bool(await self._move("beat", endpoint, replica, state.value, detail))

    async def leave(self, endpoint: str, replica: str) -> None:
        """Forget a replica; see the port."""
        await self._move("leave", endpoint, replica)

    async def retire(self, endpoint: str, replicas: Sequence[str]) -> list[str]:
        """Make idle replicas take no more; see the port."""
        return [replica.decode() for replica in await self._move("retire", endpoint, *replicas)]

    async def unretire(self, endpoint: str, replicas: Sequence[str]) -> None:
        """Let retired replicas take again; see the port."""
        await self._move("unretire", endpoint, *replicas)

    async def set_desired(
        self, endpoint: str, desired: int, ceiling: int, cause: str, hold_seconds: float
    ) -> None:
        """Write down the scaler's decision; see the port."""
        await self._move("set_desired", endpoint, desired, ceiling, cause, _ms(hold_seconds))

    async def nudge(self, endpoint: str) -> None:
        """Say that one replica is needed; see the port."""
        await self._move("nudge", endpoint)

    async def wait_for_work(self, endpoint: str, seconds: float) -> None:
        """Block on the wake list; see the port."""
        wait = max(0.01, min(seconds, LONGEST_WAIT_SECONDS))
        await _answered("wait_for_work", self._client.blpop([f"{_base(endpoint)}:wake"], timeout=wait))

    async def demands(self) -> AsyncIterator[str]:
        """Endpoints whose demand has grown, as it happens; see the port."""
        while True:
            try:
                async with self._subscriber.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    while True:
                        message = await channel.get_message(
                            ignore_subscribe_messages=True, timeout=COMMAND_SECONDS
                        )
                        if message is not None:
                            yield _endpoint_of_base(message["data"].decode())
            except FAULTS:
                await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def ping(self) -> None:
        """Check that the server answers; see the port."""
        await _answered("ping", self._client.ping())

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()
        await self._subscriber.aclose()

    async def _move(self, name: str, endpoint: str, *args: str | bytes | float) -> Any:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._client.register_script(self._read_script(name))
        return await _answered(name, script(keys=[_base(endpoint)], args=args))


async def _answered(name: str, command: Awaitable[Any]) -> Any:
    """What the server answers in time.

    Raises:
        QueueUnavailableError: it does not, or has no memory left.
    """
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            return await command
    except OutOfMemoryError as exc:
        raise QueueOutOfMemoryError(f"{name}: {exc}") from exc
    except FAULTS as exc:
        raise QueueUnavailableError(f"{name}: {exc}") from exc


def _base(endpoint: str) -> str:
    return f"moorage:{{{endpoint}}}"


def _endpoint_of_base(base: str) -> str:
    return base.removeprefix("moorage:{").removesuffix("}")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _reason(fault: str | None) -> str:
    """What the script reads as no fault is empty; a fault never is."""
    return "" if fault is None else fault or "no reason was given"


def _require(told: object) -> None:
    if not told:
        raise LeaseLostError("another attempt holds this request now")
