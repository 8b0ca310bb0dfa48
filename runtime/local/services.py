"""Keeps the queue's server and the gateway running; both outlive the supervisor."""

import asyncio
import sys
from collections.abc import Callable

from structlog.stdlib import BoundLogger

from runtime.local.backoff import Backoff
from runtime.local.notes import Notes, ServiceNote
from runtime.local.processes import Command, Process, adopt, base_environment, mark_of, start
from runtime.local.settings import Settings

GATEWAY = "gateway"
GATEWAY_GRACE_SECONDS = 30
PASSED = ("MOORAGE_PUBLIC_URL",)
"""Settings of the gateway that the user may give."""


class Service:
    """One process that must run: adopted or started, and started again when it ends."""

    def __init__(self, name: str, port: int, notes: Notes, log: BoundLogger) -> None:
        self.name = name
        self.port = port
        self._notes = notes
        self._log = log.bind(service=name)
        note = notes.service(name)
        self._process = adopt(note.process) if note.port == port else None

    @property
    def process(self) -> Process | None:
        """The process while it runs."""
        return self._process

    def ensure(self, command: Callable[[], Command]) -> Process:
        """The process, started unless it runs.

        Raises:
            OSError: it cannot be started.
        """
        if self._process is None or not self._process.alive:
            self._process = start(command())
            self._notes.write_service(self.name, ServiceNote(process=self._process.identity, port=self.port))
            self._log.info("service started", pid=self._process.identity.pid)
        return self._process

    async def keep(self, command: Callable[[], Command]) -> None:
        """Keep it running; never returns."""
        backoff = Backoff(first=0.2, most=10.0)
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


def gateway_command(settings: Settings, queue_url: str) -> Command:
    """How the gateway is started."""
    env = {
        **base_environment(settings.environ),
        **{name: settings.environ[name] for name in PASSED if name in settings.environ},
        "PYTHONPATH": str(settings.code),
        "PYTHONUNBUFFERED": "1",
        "MOORAGE_STATE": str(settings.state),
        "MOORAGE_QUEUE_URL": queue_url,
        "MOORAGE_PORT": str(settings.port),
        "MOORAGE_GRACE_SECONDS": str(GATEWAY_GRACE_SECONDS),
    }
    log = settings.places.logs / "gateway.log"
    argv = (sys.executable, "-m", "runtime.gateway")
    return Command(argv, env, settings.root, log, mark_of(settings.state, GATEWAY))
