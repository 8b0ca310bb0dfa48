"""A replica from its start to its end: states, and the hooks of the service in their order."""

import asyncio
import inspect
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from runtime.replica.errors import ServiceError
from runtime.replica.executor import InferenceThread
from runtime.replica.faults import told
from runtime.replica.routes import Route, find_routes
from runtime.replica.service import load_service
from runtime.replica.slot import Slot

log = logging.getLogger("moorage.replica")

SERVICE_FAILED = 3
"""Exit code when the service cannot be imported, constructed or set up."""

SHUTDOWN_SECONDS = 30.0
"""How long `on_server_shutdown` may take."""


class State(StrEnum):
    """What `/healthcheck` says; the names that OctoAI's server used."""

    UNINITIALIZED = "UNINITIALIZED"
    LAUNCH_PREDICT_LOOP = "LAUNCH_PREDICT_LOOP"
    """service.py is being imported and its class constructed."""
    SETUP_SERVICE = "SETUP_SERVICE"
    RUNNING = "RUNNING"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    STOPPED = "STOPPED"


class Replica:
    """The service with its thread, its routes and its state."""

    def __init__(self, folder: Path, module: str = "service", class_name: str | None = None) -> None:
        self.thread = InferenceThread()
        self.slot = Slot()
        self.state = State.UNINITIALIZED
        self.exit_code = 0
        self.routes: dict[str, Route] = {}
        self._service: Any = None
        self._source = (folder, module, class_name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start beside the open port, and stop when the block is left."""
        async with asyncio.TaskGroup() as group:
            boot = group.create_task(self._boot())
            yield
            boot.cancel()
        await self._stop()

    async def call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        """What the user's method returns: from the loop if it is `async def`, else from the thread."""
        function = inspect.unwrap(method)
        if inspect.isasyncgenfunction(function):
            return method(**arguments)
        if inspect.iscoroutinefunction(function):
            return await method(**arguments)
        return await self.thread.run(partial(method, **arguments))

    def told(self, fault: BaseException) -> str:
        """What the service raised, as its author wants to read it."""
        return told(fault, self._source[0])

    def drain(self) -> None:
        """Take no new request; the one that runs goes on."""
        if self.state is State.RUNNING:
            self.state = State.SHUTTING_DOWN

    async def _boot(self) -> None:
        try:
            await self._start()
        except ServiceError as exc:
            log.error("%s", exc)  # noqa: TRY400 - the user's fault, told without a traceback
            self._give_up()
        except Exception as exc:  # noqa: BLE001 - whatever the user's code raises
            log.error("the service failed in %s: %s", self.state, self.told(exc))  # noqa: TRY400 - told already
            self._give_up()

    async def _start(self) -> None:
        self.state = State.LAUNCH_PREDICT_LOOP
        self._service = await self.thread.run(load_service, *self._source)
        self.routes = find_routes(self._service)
        await self._hook("on_server_startup")
        self.state = State.SETUP_SERVICE
        await self._hook("store_assets")
        await self._hook("setup")
        self.state = State.RUNNING

    async def _stop(self) -> None:
        started = self.state in {State.RUNNING, State.SHUTTING_DOWN}
        self.state = State.SHUTTING_DOWN
        if started and not self.thread.busy:
            try:
                async with asyncio.timeout(SHUTDOWN_SECONDS):
                    await self._hook("on_server_shutdown")
            except Exception as exc:  # noqa: BLE001 - whatever the user's code raises
                log.error("on_server_shutdown failed: %s", self.told(exc))  # noqa: TRY400 - told already
        self.thread.close()
        self.state = State.STOPPED

    async def _hook(self, name: str) -> None:
        hook = getattr(self._service, name, None)
        if hook is not None:
            await self.call(hook)

    def _give_up(self) -> None:
        self.exit_code = SERVICE_FAILED
        signal.raise_signal(signal.SIGTERM)
