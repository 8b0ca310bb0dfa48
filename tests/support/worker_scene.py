"""A worker on its stage: a queue in memory, a scripted model, a gateway that writes down what it hears."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from runtime.objects import FolderObjects, Objects
from runtime.objects.places import FolderPlace
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import Answer, Bounds, Caller, IdempotencyKey, NewRequest, Queue, RequestView
from runtime.wire import AnswerHead, RequestHead, RequestState, new_request_id
from runtime.wire.answers import HeadReader
from runtime.worker.condition import Condition
from runtime.worker.deliveries import Deliveries, open_deliveries
from runtime.worker.duty import Duty
from runtime.worker.http1 import Connections
from runtime.worker.model import Model
from runtime.worker.settings import WorkerSettings

ENDPOINT = "embed"
ROOMY = Bounds(1000, 1 << 30)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Heard:
    """One answer as a gateway received it."""

    request_id: str
    attempt: int
    secret: str
    waited: float
    head: AnswerHead
    body: bytes
    is_whole: bool


@dataclass
class FakeGateway:
    """Takes answers in; `refuse` makes it say that nobody waits."""

    heard: list[Heard] = field(default_factory=list)
    refuse: int | None = None
    pause: asyncio.Event | None = None
    """Set it to let answers be read on."""
    arrived: bytearray = field(default_factory=bytearray)
    """All bytes of all answers, as they come."""

    async def answer(self, request: web.Request) -> web.Response:
        """Read one answer, whole or broken off."""
        if self.refuse is not None:
            return web.Response(status=self.refuse)
        received = bytearray()
        is_whole = False
        try:
            if self.pause is not None:
                await self.pause.wait()
            async for chunk in request.content.iter_any():
                received += chunk
                self.arrived += chunk
            is_whole = True
        finally:
            # A connection that breaks off cancels this handler.
            self._note(request, bytes(received), is_whole=is_whole)
        return web.Response(status=204)

    def _note(self, request: web.Request, received: bytes, *, is_whole: bool) -> None:
        found = HeadReader().feed(received)
        assert found is not None
        head, body = found
        self.heard.append(
            Heard(
                request_id=request.match_info["id"],
                attempt=int(request.headers["moorage-attempt"]),
                secret=request.headers["moorage-answer-secret"],
                waited=float(request.headers["moorage-waited"]),
                head=head,
                body=body,
                is_whole=is_whole,
            )
        )


@dataclass
class Scene:
    """One worker with everything round it, and what a test asks most."""

    queue: Queue
    condition: Condition
    gateway: FakeGateway
    gateway_url: str
    objects: Objects

    async def submit(
        self,
        *,
        body: bytes = b"{}",
        is_async: bool = False,
        is_keyed: bool = False,
        target: str = "/infer",
        method: str = "POST",
    ) -> str:
        """Queue one request; its id."""
        caller = None if is_async else Caller("gateway-1", self.gateway_url, "s3cret")
        head = RequestHead(
            method, target, (("content-type", "application/json"), ("x-two", "a"), ("x-two", "b"))
        )
        request_id = new_request_id(ENDPOINT)
        key = IdempotencyKey(request_id, "same") if is_keyed else None
        await self.queue.enqueue(NewRequest(request_id, head, body, 60, caller=caller, key=key), ROOMY)
        return request_id

    async def stored(self, answer: Answer) -> bytes:
        """The body of a kept answer."""
        if answer.body_ref is None:
            return answer.body
        return b"".join([chunk async for chunk in self.objects.read(answer.body_ref)])

    async def hear(self, number: int = 1) -> list[Heard]:
        """Wait until the gateway has heard so many answers."""
        await eventually(lambda: len(self.gateway.heard) >= number)
        return self.gateway.heard

    async def end_of(self, request_id: str) -> RequestView:
        """Wait until a request is in a final state."""
        while True:
            view = await self.queue.find(request_id)
            if view is not None and view.state not in {RequestState.WAITING, RequestState.RUNNING}:
                return view
            await asyncio.sleep(0.01)


async def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - it watches what has no event
            await asyncio.sleep(0.005)


class StageHand:
    """Builds scenes and takes them down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends: list[Callable[[], Awaitable[object]]] = []
        self.condition = Condition()
        self._model_server: TestServer | None = None
        self.queue_clock: Callable[[], float] = time.time

    async def build(
        self,
        handler: Handler,
        *,
        request_seconds: float = 5.0,
        lease_seconds: float = 5.0,
        queue: Queue | None = None,
        objects: Objects | None = None,
    ) -> Scene:
        """Start a model that answers by `handler`, a gateway and the worker between them."""
        gateway = FakeGateway()
        gateway_server = await self._serve("/answers/{id}", gateway.answer)
        model_server = self._model_server = await self._serve("/{tail:.*}", _with_health(handler))
        connections = Connections(asyncio.get_running_loop().time)
        queue = queue or MemoryQueue(self.queue_clock)
        objects = objects or FolderObjects(self._folder)
        settings = WorkerSettings(
            queue_url="",
            endpoint=ENDPOINT,
            replica="r1",
            revision="v1",
            model_address=("127.0.0.1", model_server.port or 0),
            health="/healthcheck",
            probe_host="127.0.0.1",
            probe_port=0,
            request_seconds=request_seconds,
            lease_seconds=lease_seconds,
            objects=FolderPlace(self._folder),
        )
        model = Model(connections, settings.model_address, settings.health)
        clock = asyncio.get_running_loop().time
        condition = self.condition
        work = asyncio.create_task(
            self._work(
                lambda deliveries: Duty(
                    settings, queue, model, objects, connections, deliveries, condition, clock
                )
            )
        )
        self._ends.append(lambda: self._end(work, connections))
        return Scene(queue, self.condition, gateway, str(gateway_server.make_url("")).rstrip("/"), objects)

    async def _work(self, work: Callable[[Deliveries], Duty]) -> None:
        async with open_deliveries() as deliveries:
            await work(deliveries).run()

    async def _serve(self, path: str, handler: Handler) -> TestServer:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", path, handler)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        self._ends.append(server.close)
        return server

    async def _end(self, work: "asyncio.Task[None]", connections: Connections) -> None:
        self.condition.leave()
        async with asyncio.timeout(10):
            await work
        connections.close()

    async def stop_model(self) -> None:
        """Nobody listens on the model's port any more."""
        assert self._model_server is not None
        await self._model_server.close()

    async def strike(self) -> None:
        """Take everything down, the worker first."""
        ends, self._ends = self._ends, []
        for end in sorted(ends, key=lambda end: getattr(end, "__name__", "") != "<lambda>"):
            await end()


def _with_health(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/healthcheck":
            return web.Response()
        return await handler(request)

    return answer


async def echo(request: web.Request) -> web.Response:
    """A model that says what it was asked."""
    body = await request.read()
    said = {
        "method": request.method,
        "target": request.raw_path,
        "two": request.headers.getall("x-two", []),
        "size": len(body),
        "length": request.headers.get("content-length"),
    }
    return web.Response(body=json.dumps(said).encode(), headers={"x-model": "yes"})
