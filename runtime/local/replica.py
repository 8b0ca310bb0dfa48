"""One replica: keeps its model and its worker running as kubelet keeps two containers of a pod."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from structlog.stdlib import BoundLogger

from runtime.local.backoff import Backoff
from runtime.local.engines import remove_container
from runtime.local.errors import SecretError
from runtime.local.logs import last_lines, size_of
from runtime.local.notes import Notes, ReplicaNote
from runtime.local.probes import OK, UNHEALTHY
from runtime.local.probes import Path as ProbePath
from runtime.local.processes import Command, Process, adopt, mark_of, start
from runtime.local.racing import first_of
from runtime.local.secret_values import redacted
from runtime.local.settings import Settings
from runtime.local.sources import Sources, filled
from runtime.queue.port import Queue, QueueError, ReplicaState
from runtime.wire import EndpointRecord

CRASHES = 3
"""More restarts in a row than these, without the model getting ready, are a crash-loop."""
STARTUP_PERIOD_SECONDS = 0.2
LIVE_PERIOD_SECONDS = 1.0
PROBE_SECONDS = 5.0
SILENT_SECONDS = 15.0
"""A worker that answers no probe for so long is killed and started again."""
DRAIN_SECONDS = 5.0
"""How long an unhealthy model's worker may take to let go of it."""
MODEL_GRACE_SECONDS = 5.0
DRAIN_SLACK_SECONDS = 20.0
"""What a drain may take beyond the longest request: a lease and the answer's way out."""
TAIL_LINES = 20


class Phase(StrEnum):
    """What the supervisor knows of a replica."""

    STARTING = "starting"
    READY = "ready"
    FAILING = "failing"
    STOPPING = "stopping"


class Asks(Protocol):
    """Something that asks a worker's probe server."""

    async def ask(self, port: int, path: ProbePath, seconds: float) -> int | None:
        """The status of the answer, None when there is none in time."""
        ...


@dataclass(frozen=True, slots=True)
class Kit:
    """What every replica of one supervisor shares."""

    settings: Settings
    queue: Queue
    notes: Notes
    sources: Sources
    probes: Asks
    log: BoundLogger
    worker_command: Callable[[ReplicaNote, Path], Command]
    """How the worker of a replica is started, with its log."""
    clock: Callable[[], float]
    """Monotonic seconds."""
    build: str
    """What new replicas' workers and runners are made from."""


class Replica:
    """Model and worker of one replica, noted so that a later supervisor can go on with them."""

    def __init__(self, note: ReplicaNote, kit: Kit) -> None:
        self.note = note
        self.detail = ""
        """Why it is failing: how often, and its last log lines."""
        self._kit = kit
        self._model = adopt(note.model)
        self._worker = adopt(note.worker)
        self.phase = Phase.READY if self._model is not None and note.started else Phase.STARTING
        self._log_from = 0
        self._crashes = 0
        self._exchanging = False
        self._stop = asyncio.Event()
        self._log = kit.log.bind(endpoint=note.record.name, replica=note.id)

    @property
    def id(self) -> str:
        """Its name in the queue."""
        return self.note.id

    @property
    def revision(self) -> str:
        """What it was made from."""
        return self.note.revision

    def stop(self) -> None:
        """Let the worker finish what it has, then end worker and model; `run` returns after that."""
        self.phase = Phase.STOPPING
        self._stop.set()

    def apply(self, record: EndpointRecord) -> None:
        """Take over new limits; the worker is exchanged, once idle, if it must know of them."""
        if record == self.note.record:
            return
        before = self._worker_command()
        self._change(record=record)
        if self._worker is not None and before.env != self._worker_command().env:
            self._exchanging = True
            self._worker.signal(signal.SIGTERM)

    async def run(self) -> None:
        """Keep both processes running until `stop`; when cancelled they run on, for the next supervisor."""
        self._change()
        async with asyncio.TaskGroup() as keepers:
            tasks = [keepers.create_task(self._keep_worker()), keepers.create_task(self._keep_model())]
            await self._stop.wait()
            for task in tasks:
                task.cancel()
        await self._end()

    async def kill(self) -> None:
        """End both processes without waiting for anything: the last resort."""
        for process in (self._worker, self._model):
            if process is not None:
                await process.stop(0)
        await self._stop_model()
        self._kit.notes.drop_replica(self.note.record.name, self.id)

    async def report_failing(self) -> None:
        """Say again in the queue that it is crash-looping: its worker only knows that it is starting."""
        if self.phase is Phase.FAILING:
            await self._kit.queue.beat(self.note.record.name, self.id, ReplicaState.FAILING, self.detail)

    async def _keep_worker(self) -> None:
        backoff = Backoff()
        while True:
            begun = self._kit.clock()
            status = await self._run_worker()
            if self._exchanging:
                self._exchanging = False
                continue
            delay = backoff.next_delay(self._kit.clock() - begun)
            self._log.warning("worker ended", status=status, restart_in_seconds=delay)
            await asyncio.sleep(delay)

    async def _run_worker(self) -> int | str | None:
        """Start the worker unless it runs; its exit status, or why it could not be started."""
        try:
            worker = self._worker or start(self._worker_command())
        except OSError as exc:
            return str(exc)
        self._worker = worker
        self._change(worker=worker.identity)
        status = await worker.wait()
        self._worker = None
        self._change(worker=None)
        return status

    async def _keep_model(self) -> None:
        backoff = Backoff()
        while True:
            begun = self._kit.clock()
            fault = await self._run_model()
            ready = self.note.started
            await self._end_model()
            delay = backoff.next_delay(self._kit.clock() - begun if ready else 0.0)
            self._count_fault(fault, ready=ready)
            self._log.warning("model ended", fault=fault, restart_in_seconds=delay)
            with suppress(QueueError):
                await self.report_failing()
            await asyncio.sleep(delay)

    async def _run_model(self) -> str:
        """Start the model unless it runs; watch it until it ends or must be ended: why."""
        try:
            model = self._model or self._start_model()
        except (OSError, SecretError) as exc:
            return f"it cannot be started: {exc}"
        return await first_of(self._exited(model), self._probe())

    def _start_model(self) -> Process:
        note = self.note
        self._log_from = size_of(self.log_path)
        env = self._kit.sources.environment(note.record, note.launch, note.port)
        argv = filled(note.launch, note.port, container_of(note))
        mark = mark_of(self._kit.settings.state, f"{note.id}.model")
        model = start(Command(argv, env, Path(note.launch.cwd), self.log_path, mark))
        self._model = model
        self.phase = Phase.STARTING if self.phase is Phase.READY else self.phase
        self._change(model=model.identity, started=False)
        return model

    async def _exited(self, model: Process) -> str:
        status = await model.wait()
        if status is None:
            return "it ended"
        return f"it was killed by signal {-status}" if status < 0 else f"it exited with status {status}"

    async def _probe(self) -> str:
        """Ask as kubelet does: startup until it answers, then liveness; returns why it must be restarted."""
        if not self.note.started and not await self._starts_up():
            record = self.note.record
            return f"{record.health} did not answer 200 within {record.limits.start_seconds} s"
        return await self._stops_living()

    async def _starts_up(self) -> bool:
        deadline = self._kit.clock() + self.note.record.limits.start_seconds
        while self._kit.clock() < deadline:
            if await self._ask("/startup") == OK:
                self._crashes = 0
                self.detail = ""
                self.phase = Phase.READY if self.phase is not Phase.STOPPING else self.phase
                self._change(started=True)
                return True
            await asyncio.sleep(STARTUP_PERIOD_SECONDS)
        return False

    async def _stops_living(self) -> str:
        answered = self._kit.clock()
        while True:
            await asyncio.sleep(LIVE_PERIOD_SECONDS)
            status = await self._ask("/live")
            now = self._kit.clock()
            if status == UNHEALTHY:
                return "its health path failed, or a request ran too long"
            if status is not None:
                answered = now
            elif now - answered > SILENT_SECONDS and self._worker is not None:
                self._log.warning("worker answers no probe, killing it")
                self._worker.signal(signal.SIGKILL)
                answered = now

    async def _ask(self, path: ProbePath, seconds: float = PROBE_SECONDS) -> int | None:
        return await self._kit.probes.ask(self.note.probe_port, path, seconds)

    def _count_fault(self, fault: str, *, ready: bool) -> None:
        self._crashes = 0 if ready else self._crashes + 1
        if self.phase is Phase.STOPPING:
            return
        self.phase = Phase.FAILING if self._crashes > CRASHES else Phase.STARTING
        self.detail = self._failing_detail(fault) if self.phase is Phase.FAILING else ""

    def _failing_detail(self, fault: str) -> str:
        tail = last_lines(self.log_path, TAIL_LINES, self._log_from)
        try:
            tail = redacted(tail, self._kit.sources.secrets.fill(self.note.record.secrets))
        except SecretError:
            tail = ""
        told = f"the model ended {self._crashes} times before it was ready: {fault}"
        return f"{told}\n{tail}".strip()

    async def _end_model(self) -> None:
        """End it if it runs; its worker lets go of it first."""
        if self._model is not None and self._model.alive:
            await self._ask("/drain", DRAIN_SECONDS)
        await self._stop_model()

    async def _stop_model(self) -> None:
        if self._model is not None:
            await self._model.stop(MODEL_GRACE_SECONDS)
        await self._remove_container()
        self._model = None
        self._change(model=None, started=False)

    async def _remove_container(self) -> None:
        if self.note.launch.container:
            settings = self._kit.settings
            engine = self.note.launch.argv[0]
            await remove_container(engine, container_of(self.note), settings.environ, settings.state)

    async def _end(self) -> None:
        """End worker, then model; forget the replica in the queue and in the notes."""
        if self._worker is not None:
            await self._worker.stop(self.note.record.limits.request_seconds + DRAIN_SLACK_SECONDS)
        await self._stop_model()
        with suppress(QueueError):
            await self._kit.queue.leave(self.note.record.name, self.id)
        self._kit.notes.drop_replica(self.note.record.name, self.id)

    @property
    def log_path(self) -> Path:
        """Output of the model."""
        return self._kit.settings.places.logs / self.note.record.name / f"{self.id}.log"

    def _worker_command(self) -> Command:
        log = self.log_path.with_name(f"{self.id}.worker.log")
        return self._kit.worker_command(self.note, log)

    def _change(self, **changes: Any) -> None:
        """Change fields of the note, here and on disk."""
        self.note = self.note.model_copy(update=changes)
        self._kit.notes.write_replica(self.note)


def container_of(note: ReplicaNote) -> str:
    """Name of the replica's container, if it has one."""
    return f"moorage-{note.record.name}-{note.id}"
