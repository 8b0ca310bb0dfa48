"""Keeps the queue's server and the gateway running; both outlive the supervisor."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from structlog.stdlib import BoundLogger

from runtime.local.backoff import Backoff
from runtime.local.notes import Notes, ServiceNote
from runtime.local.ports import is_free
from runtime.local.processes import Command, Process, adopt, base_environment, mark_of, start
from runtime.local.settings import Settings

GATEWAY = "gateway"
GATEWAY_GRACE_SECONDS = 30
SLACK_SECONDS = 5.0
"""What the end of a gateway may take beyond its grace."""
BESIDE_SECONDS = 15.0
"""How long a successor may take until it serves."""
POLL_SECONDS = 0.02
PASSED = (
    "MOORAGE_PUBLIC_URL",
    "MOORAGE_MOST_CLIENTS",
    "MOORAGE_MOST_BODY_MIB",
    "MOORAGE_MOST_STORE_MIB",
    "MOORAGE_SQL",
    "MOORAGE_SQL_PASSWORD_FILE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
)
"""Settings of the gateway that the user may give."""


class Service:
    """One process that must run: adopted or started, and started again when it ends."""

    def __init__(self, name: str, port: int, notes: Notes, log: BoundLogger, build: str = "") -> None:
        self.name = name
        self.port = port
        self._build = build
        self._notes = notes
        self._log = log.bind(service=name)
        note = notes.service(name)
        running = adopt(note.process) if note.port == port else None
        is_current = note.build == build
        self._process = running if is_current else None
        self._other = None if is_current else running

    @property
    def process(self) -> Process | None:
        """The process while it runs."""
        return self._process

    def ensure(self, command: Callable[[], Command]) -> Process:
        """The process, started unless it runs.

        Raises:
            OSError: it cannot be started.
        """
        if self._process is None or not self._runs():
            self._process = start(command())
            note = ServiceNote(process=self._process.identity, port=self.port, build=self._build)
            self._notes.write_service(self.name, note)
            self._log.info("service started", pid=self._process.identity.pid)
        return self._process

    async def keep(
        self, command: Callable[[], Command], is_serving: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """Keep it running; never returns.

        One of another build hands its clients over: with `is_serving`, which asks the new process, that one
        listens beside it before it is told to leave; without, once it listens no more.
        """
        async with asyncio.TaskGroup() as tasks:
            if self._other is not None:
                self._log.info("service of another build leaves", pid=self._other.identity.pid)
                if is_serving is not None:
                    await self._begin_beside(command, is_serving)
                tasks.create_task(self._other.stop(GATEWAY_GRACE_SECONDS + SLACK_SECONDS))
                if is_serving is None or not self._runs():
                    await self._until_left(self._other)
                self._other = None
            await self._keep(command)

    async def _begin_beside(
        self, command: Callable[[], Command], is_serving: Callable[[], Awaitable[bool]]
    ) -> None:
        """Start the process and return when it serves, or cannot beside the other one."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + BESIDE_SECONDS
        try:
            self.ensure(command)
        except OSError:
            return
        while self._runs() and clock() < deadline and not await is_serving():  # noqa: ASYNC110 - as below
            await asyncio.sleep(POLL_SECONDS)

    def _runs(self) -> bool:
        return self._process is not None and self._process.alive

    async def _until_left(self, other: Process) -> None:
        """Return when the other process listens no more; what it has accepted it may still finish."""
        while other.alive and not is_free(self.port):  # noqa: ASYNC110 - another process's socket, no event
            await asyncio.sleep(POLL_SECONDS)

    async def _keep(self, command: Callable[[], Command]) -> None:
        backoff = Backoff(first=0.2, most=2.0, healthy=10.0)
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            try:
                status: int | str | None = await self.ensure(command).wait()
            except OSError as exc:
                status = str(exc)
            delay = backoff.next_delay(clock() - begun)
            self._log.warning("service ended", status=status, restart_in_seconds=delay)
            await asyncio.sleep(delay)


def given_to_gateway(settings: Settings) -> dict[str, str]:
    """Settings of the gateway's own that the user gave."""
    return {name: settings.environ[name] for name in PASSED if name in settings.environ}


def gateway_command(settings: Settings, queue_url: str, inner_port: int) -> Command:
    """How the gateway is started; workers reach it on the inner port."""
    env = {
        **base_environment(settings.environ),
        **given_to_gateway(settings),
        "PYTHONPATH": str(settings.code),
        "PYTHONUNBUFFERED": "1",
        "MOORAGE_STATE": str(settings.state),
        "MOORAGE_QUEUE_URL": queue_url,
        "MOORAGE_PORT": str(settings.port),
        "MOORAGE_INNER_PORT": str(inner_port),
        "MOORAGE_REUSE_PORT": "1",
        "MOORAGE_GRACE_SECONDS": str(GATEWAY_GRACE_SECONDS),
    }
    log = settings.places.logs / "gateway.log"
    argv = (sys.executable, "-m", "runtime.gateway")
    return Command(argv, env, settings.root, log, mark_of(settings.state, GATEWAY))
