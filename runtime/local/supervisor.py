"""The supervisor: keeps the platform as its records say. Its own end stops nothing; the next one adopts all."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable

from structlog.stdlib import BoundLogger

from runtime.local.access_tokens import write_tokens
from runtime.local.engines import Engines
from runtime.local.environments import Environments, drop_drafts
from runtime.local.errors import LocalError
from runtime.local.fingerprint import build_of, code_fingerprint
from runtime.local.fleet import Crew, Fleet
from runtime.local.housekeeping import drop_environments, prefetch, trim_logs
from runtime.local.notes import Notes, ServiceNote, make_private
from runtime.local.pids import identify
from runtime.local.ports import Ports, is_free
from runtime.local.probes import OK, Probes
from runtime.local.records import Signature, read_plan, signature
from runtime.local.replica import Kit
from runtime.local.scaling import Scaler
from runtime.local.secret_values import SecretValues
from runtime.local.services import GATEWAY, Service, gateway_command, given_to_gateway
from runtime.local.settings import Settings
from runtime.local.sources import Sources
from runtime.local.strays import SUPERVISOR, kill_strays, known_processes
from runtime.local.valkey import VALKEY, server_command, server_of
from runtime.local.workers import worker_command
from runtime.queue.port import Queue, QueueUnavailableError
from runtime.queue.valkey import ValkeyQueue

WATCH_SECONDS = 1.0
AGAIN_SECONDS = 1.0
"""Pause after one of the loops failed in a way that nobody foresaw."""
PING_SECONDS = 0.05
HEALTHZ_SECONDS = 1.0

Loop = Callable[[], Awaitable[None]]


class _EndedError(Exception):
    """The supervisor was told to end."""


class Supervisor:
    """One run of the supervisor in one state folder."""

    def __init__(self, settings: Settings, log: BoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._notes = Notes(settings.places.run)
        self._code = code_fingerprint(settings.code)
        self._ports = Ports(random.Random())  # noqa: S311 - which free port is no secret
        self._fleets: dict[str, Fleet] = {}
        self._seen: Signature | None = None
        self._called = asyncio.Event()
        """Somebody says `up` again: look at the records, and try again what failed."""
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Keep everything running until SIGTERM or SIGINT, which end the supervisor and nothing else."""
        self._listen_to_signals()
        make_private(self._settings.state)
        note = ServiceNote(process=identify(os.getpid()), port=self._settings.port, build=self._code)
        self._notes.write_service(SUPERVISOR, note)
        known = {SUPERVISOR, *known_processes(self._notes)}
        for stray in await kill_strays(self._settings.state, known):
            self._log.warning("stray process killed", pid=stray.pid)
        drop_drafts(self._settings.places.venvs)
        try:
            await self._keep_platform()
        except* _EndedError:
            self._log.info("supervisor ends, what it kept runs on")

    async def _keep_platform(self) -> None:
        settings = self._settings
        valkey = Service(VALKEY, self._valkey_port(), self._notes, self._log)
        server = server_of(settings, valkey.port)
        gateway_build = build_of(self._code, server.url, *given_to_gateway(settings).values())
        gateway = Service(GATEWAY, settings.port, self._notes, self._log, gateway_build)
        queue = ValkeyQueue.connect(server.url)
        try:
            async with Probes() as probes, asyncio.TaskGroup() as tasks:
                kit = self._kit(queue, server.url, probes)
                scaler = Scaler(queue, self._fleets, settings.slots, self._log)
                crew = Crew(kit, tasks.create_task, self._ports.take, self._ports.free, scaler.wake)
                self._adopt(crew)
                inner_port = self._ports.take()

                async def gateway_serves() -> bool:
                    return await probes.ask(inner_port, "/healthz", HEALTHZ_SECONDS) == OK

                for loop in (
                    lambda: valkey.keep(lambda: server_command(server, settings)),
                    lambda: gateway.keep(
                        lambda: gateway_command(settings, server.url, inner_port), gateway_serves
                    ),
                    lambda: self._watch_records(crew),
                    lambda: self._scale(queue, scaler),
                    scaler.follow_demands,
                    lambda: prefetch(self._fleets, kit.sources),
                    lambda: drop_environments(self._fleets, kit.sources, self._notes),
                    lambda: trim_logs(settings.places),
                ):
                    tasks.create_task(self._again(loop))
                await self._ended.wait()
                raise _EndedError
        finally:
            await queue.close()

    async def _again(self, loop: Loop) -> None:
        """The edge of a loop's task: a fault in one ends neither the others nor the supervisor."""
        log = self._log
        while True:
            try:
                await loop()
            except Exception:
                log.exception("a loop of the supervisor failed, it begins again")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _scale(self, queue: Queue, scaler: Scaler) -> None:
        """Scale once the queue answers; a long append-only file takes its time to load."""
        while True:
            try:
                await queue.ping()
            except QueueUnavailableError:
                await asyncio.sleep(PING_SECONDS)
            else:
                return await scaler.run()

    async def _watch_records(self, crew: Crew) -> None:
        """Follow the records: each second, and at once on SIGHUP; never returns."""
        while True:
            now = signature(self._settings.places)
            if now != self._seen and await self._apply(crew):
                self._seen = now
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._called.wait()
            except TimeoutError:
                continue
            self._called.clear()
            for fleet in self._fleets.values():
                fleet.forget_fault()
            crew.wake()

    async def _apply(self, crew: Crew) -> bool:
        """Bring the fleets in line with the records; False where those cannot be read now."""
        try:
            plan = read_plan(self._settings.places)
        except LocalError as exc:
            self._log.warning("records cannot be read", fault=str(exc))
            return False
        write_tokens(self._settings.places, plan.account)
        for name, fleet in self._fleets.items():
            if name not in plan.endpoints and not fleet.leaving:
                self._log.info("endpoint is gone", endpoint=name)
                fleet.leave()
        for name, record in plan.endpoints.items():
            if name in self._fleets:
                self._fleets[name].apply(record)
            else:
                self._fleets[name] = Fleet(record, crew)
        self._log.info("records applied", endpoints=len(plan.endpoints))
        crew.wake()
        return True

    def _adopt(self, crew: Crew) -> None:
        """Go on with the replicas of the supervisor before this one."""
        for note in self._notes.replicas():
            fleet = self._fleets.setdefault(note.record.name, Fleet(note.record, crew))
            self._ports.keep({note.port, note.probe_port})
            fleet.adopt(note)

    def _kit(self, queue: Queue, queue_url: str, probes: Probes) -> Kit:
        settings = self._settings
        values = SecretValues(settings.places.secrets, settings.environ)
        sources = Sources(settings, values, Environments(settings), Engines(settings, values))
        return Kit(
            settings=settings,
            queue=queue,
            notes=self._notes,
            sources=sources,
            probes=probes,
            log=self._log,
            worker_command=lambda note, log: worker_command(note, settings, queue_url, log),
            clock=time.monotonic,
            build=build_of(self._code, queue_url),
        )

    def _valkey_port(self) -> int:
        """The port noted before, while its server runs or nobody else took it: gateway and workers know it."""
        note = self._notes.service(VALKEY)
        if note.port and (Service(VALKEY, note.port, self._notes, self._log).process or is_free(note.port)):
            return note.port
        return self._ports.take()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        loop.add_signal_handler(signal.SIGHUP, self._called.set)
