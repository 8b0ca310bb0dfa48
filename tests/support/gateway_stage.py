"""A gateway on its stage: both ports on real sockets, a queue in memory, and a worker that the test plays."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import structlog
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from runtime.gateway.addresses import make_addresses
from runtime.gateway.assembly import Gateway, assemble
from runtime.gateway.forwarding import Forwarding
from runtime.gateway.listening import listen
from runtime.gateway.record_files import FolderSource
from runtime.gateway.registry import Endpoints
from runtime.gateway.room import DEFAULT_MOST, Most
from runtime.gateway.server import port_server
from runtime.gateway.tracing import NO_TRACING, Tracing
from runtime.objects import FolderObjects, Objects
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import Queue, ReplicaState, Taken
from runtime.usage import Usage
from runtime.wire import (
    AnswerHead,
    CommandSource,
    EndpointRecord,
    Headers,
    Limits,
    Scaling,
    TokenEntry,
    TokenGrant,
    Tokens,
    hash_token,
)
from runtime.wire.answers import frame_head
from runtime.wire.headers import ANSWER_SECRET, ATTEMPT, WAITED
from runtime.wire.places import Places

PATIENCE_SECONDS = 5.0
"""How long a test waits for what must come."""
LEASE_SECONDS = 10.0
PUBLIC_URL = "http://moorage.example"
OWNER = "moorage_owner"
"""A token that opens everything."""
EMBED_ONLY = "moorage_embed-only"
"""A token that opens `embed`."""


def record(name: str = "embed", **changes: Any) -> EndpointRecord:
    """A public endpoint; `limits` and `scaling` take single fields."""
    limits = {"queue_seconds": 60, "request_seconds": 60, "start_seconds": 60, "waiting": 10, "body_mib": 1}
    scaling = {"min": 0, "max": 2, "timeout": 60}
    fields: dict[str, Any] = {
        "name": name,
        "source": CommandSource(command="serve --port {port}"),
        "port": 8080,
        "health": "/healthcheck",
        "hardware": "cpu",
        "access": "public",
        "ingress": "public",
        "revision": "1",
        **changes,
        "limits": Limits(**{**limits, **changes.get("limits", {})}),
        "scaling": Scaling(**{**scaling, **changes.get("scaling", {})}),
    }
    return EndpointRecord(**fields)


def write_records(places: Places, records: Iterable[EndpointRecord]) -> None:
    """The files that a plan would write."""
    places.endpoints.mkdir(parents=True, exist_ok=True)
    for one in records:
        (places.endpoints / f"{one.name}.json").write_text(one.model_dump_json())
    grants = {
        OWNER: TokenGrant(name="owner", priority="high"),
        EMBED_ONLY: TokenGrant(name="ci", endpoints=("embed",)),
    }
    write_tokens(places, grants)


def write_tokens(places: Places, grants: Mapping[str, TokenGrant]) -> None:
    """The file of tokens, each with what it grants."""
    entries = tuple(TokenEntry(grant=grant, sha256=hash_token(token)) for token, grant in grants.items())
    places.tokens.write_text(Tokens(entries=entries).model_dump_json())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds; a test that waits in vain fails."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - any condition, so there is no event to wait for
            await asyncio.sleep(0.005)


@dataclass
class Connection:
    """A raw connection to a port, for what a well-behaved client cannot do."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def write_chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body."""
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end_chunks(self) -> None:
        """End a chunked body."""
        self.writer.write(b"0\r\n\r\n")

    async def read_until(self, mark: bytes) -> bytes:
        """What comes, up to a mark."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(mark)

    async def read_status(self) -> int:
        """The status of the next answer, whose head is read."""
        return int((await self.read_until(b"\r\n\r\n")).split()[1])

    async def read_rest(self) -> bytes:
        """All until the other end closes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read()

    def drop(self) -> None:
        """Close without a word."""
        self.writer.transport.abort()


@dataclass
class Stage:
    """A running gateway and what the test needs around it."""

    gateway: Gateway
    queue: Queue
    places: Places
    client: httpx.AsyncClient
    inner: httpx.AsyncClient
    port: int
    inner_port: int
    public_port: int
    """Where only endpoints of public ingress are to be seen."""
    source: FolderSource
    connections: list[Connection] = field(default_factory=list)

    @property
    def objects(self) -> FolderObjects:
        """Where large bodies and answers are."""
        return FolderObjects(self.places.objects)

    async def refresh(self) -> None:
        """Have the gateway see changed records now."""
        await self.source.refresh(self.gateway.endpoints)

    async def ready(self, endpoint: str = "embed", replica: str = "r1") -> None:
        """A replica joins and is ready."""
        await self.queue.join(endpoint, replica, "1")
        await self.queue.beat(endpoint, replica, ReplicaState.READY)

    async def until_waiting(self, number: int, endpoint: str = "embed") -> None:
        """Wait until so many requests wait."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.queue.look(endpoint)).waiting != number:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)

    async def take(self, endpoint: str = "embed", replica: str = "r1") -> Taken:
        """Take the next request as a worker that has just come up does."""
        await self.ready(endpoint, replica)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (taken := await self.queue.take(endpoint, replica, LEASE_SECONDS)) is None:
                await self.queue.wait_for_work(endpoint, 0.05)
        return taken

    async def answer(
        self, taken: Taken, status: int = 200, headers: Headers = (), body: bytes = b"", **changes: Any
    ) -> int:
        """Send a whole answer; the gateway's reply. `secret` and `attempt` may be forged."""
        framed = frame_head(AnswerHead(status, headers)) + body
        reply = await self.inner.post(
            f"/answers/{taken.id}", content=framed, headers=worker_headers(taken, **changes)
        )
        return reply.status_code

    async def serve_one(self, status: int = 200, headers: Headers = (), body: bytes = b"") -> Taken:
        """Take one request, answer it and finish it."""
        taken = await self.take()
        assert await self.answer(taken, status, headers, body) == 204
        await self.queue.finish("embed", taken.id, taken.attempt, None)
        return taken

    async def connect(self, port: int | None = None) -> Connection:
        """A raw connection, to the clients' port unless told otherwise."""
        connection = Connection(*await asyncio.open_connection("127.0.0.1", port or self.port))
        self.connections.append(connection)
        return connection

    async def begin_answer(self, taken: Taken, head: AnswerHead | None = None) -> Connection:
        """Open a worker's streamed answer by hand; with a head, its prefix is sent as the first chunk."""
        connection = await self.connect(self.inner_port)
        headers = {"host": "inner", "transfer-encoding": "chunked", **worker_headers(taken)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.write(f"POST /answers/{taken.id} HTTP/1.1\r\n{lines}\r\n".encode())
        if head is not None:
            connection.write_chunk(frame_head(head))
        return connection


def worker_headers(taken: Taken, secret: str | None = None, attempt: int | None = None) -> dict[str, str]:
    """What a worker says of itself."""
    assert taken.caller is not None
    return {
        WAITED: f"{taken.waited_seconds:.3f}",
        ANSWER_SECRET: taken.caller.secret if secret is None else secret,
        ATTEMPT: str(taken.attempt if attempt is None else attempt),
    }


@contextlib.asynccontextmanager
async def served(app: ASGIApp, listening: socket.socket | None = None) -> AsyncIterator[int]:
    """An application behind the same protocol as in production, on this socket or on any port; its port."""
    config = port_server(app, 0).config
    config.load()
    state = ServerState()
    bound = listen("127.0.0.1", 0) if listening is None else listening

    def protocol() -> asyncio.Protocol:
        return config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]  # uvicorn's own union of protocols

    server = await asyncio.get_running_loop().create_server(protocol, sock=bound)
    try:
        yield bound.getsockname()[1]
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await until(lambda: not state.tasks)


@contextlib.asynccontextmanager
async def gateway_stage(
    folder: Path,
    *records: EndpointRecord,
    clock: Callable[[], float] = time.time,
    most: Most = DEFAULT_MOST,
    queue: Queue | None = None,
    tracing: Tracing = NO_TRACING,
    domain: str | None = None,
    objects: Objects | None = None,
    forwarding: Forwarding | None = None,
    usage: Usage | None = None,
    proxies: int = 0,
) -> AsyncIterator[Stage]:
    """A running gateway with these endpoints, or one public `embed`; its queue is in memory unless given."""
    places = Places(folder)
    write_records(places, records or (record(),))
    queue = MemoryQueue(clock) if queue is None else queue
    source = FolderSource(places, places.tokens, structlog.get_logger())
    endpoints = Endpoints(source)
    await source.refresh(endpoints)
    objects = FolderObjects(places.objects) if objects is None else objects
    inner_socket = listen("127.0.0.1", 0)
    inner_port = inner_socket.getsockname()[1]
    gateway = assemble(
        queue,
        objects,
        endpoints,
        addresses=make_addresses(domain, f"http://api.{domain}" if domain else PUBLIC_URL, endpoints),
        inner_url=f"http://127.0.0.1:{inner_port}",
        log=structlog.get_logger(),
        clock=asyncio.get_running_loop().time,
        most=most,
        tracing=tracing,
        forwarding=forwarding,
        usage=usage,
        proxies=proxies,
    )
    async with (
        served(gateway.clients) as port,
        served(gateway.public) as public_port,
        served(gateway.inner, inner_socket),
    ):
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        inner = httpx.AsyncClient(base_url=f"http://127.0.0.1:{inner_port}", trust_env=False)
        async with client, inner:
            stage = Stage(gateway, queue, places, client, inner, port, inner_port, public_port, source)
            try:
                yield stage
            finally:
                for connection in stage.connections:
                    connection.drop()


def simple_gateway(queue: Queue, places: Places, inner_port: int) -> Gateway:
    """A gateway of one machine, for whoever runs its servers."""
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[_drop])
    objects, endpoints = FolderObjects(places.objects), Endpoints(FolderSource(places, places.tokens, log))
    return assemble(
        queue,
        objects,
        endpoints,
        addresses=make_addresses(None, PUBLIC_URL, endpoints),
        inner_url=f"http://127.0.0.1:{inner_port}",
        log=log,
        clock=asyncio.get_running_loop().time,
    )


def _drop(_logger: object, _name: str, _event: object) -> str:
    """Logs nothing."""
    raise structlog.DropEvent
