"""A replica's model and worker, kept running as kubelet keeps a pod's containers."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from support.polling import until
from support.records import make_record

from runtime.local.engines import Engines
from runtime.local.environments import Environments
from runtime.local.notes import Launch, Notes, ReplicaNote
from runtime.local.pids import ProcessId, is_alive
from runtime.local.probes import Path as ProbePath
from runtime.local.processes import Command, Process, mark_of
from runtime.local.replica import Kit, Phase, Replica
from runtime.local.secret_values import SecretValues
from runtime.local.settings import Settings
from runtime.local.sources import Sources
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import ReplicaState
from runtime.wire import EndpointRecord

SLEEP = "import time; time.sleep(60)"


@dataclass
class Worker:
    """Answers probes as it is told, and notes what it was asked."""

    startup: int | None = 200
    live: int | None = 200
    asked: list[str] = field(default_factory=list)

    async def ask(self, port: int, path: ProbePath, seconds: float) -> int | None:  # noqa: ARG002 - as Probes
        """The status that the test set."""
        self.asked.append(path)
        return {"/startup": self.startup, "/live": self.live, "/drain": 200}[path]


@dataclass
class Stage:
    """A replica of a Python script, its worker a script too."""

    settings: Settings
    worker: Worker = field(default_factory=Worker)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    worker_script: str = SLEEP

    def replica(self, script: str = SLEEP, record: EndpointRecord | None = None) -> Replica:
        """A replica that was not started yet."""
        launch = Launch(argv=(sys.executable, "-c", script), cwd=str(self.settings.root))
        note = ReplicaNote(
            id="ab12", record=record or make_record(), launch=launch, port=21000, probe_port=21001
        )
        return Replica(note, self.kit())

    def kit(self) -> Kit:
        """What the replica gets of its supervisor."""
        values = SecretValues(self.settings.places.secrets, {})
        return Kit(
            settings=self.settings,
            queue=self.queue,
            notes=Notes(self.settings.places.run),
            sources=Sources(
                self.settings, values, Environments(self.settings), Engines(self.settings, values)
            ),
            probes=self.worker,
            log=structlog.stdlib.get_logger(),
            worker_command=self._worker_command,
            clock=time.monotonic,
            build="c0de.1",
        )

    def _worker_command(self, note: ReplicaNote, log: Path) -> Command:
        argv = (sys.executable, "-c", self.worker_script)
        env = {"LIMIT": str(note.record.limits.request_seconds)}
        return Command(argv, env, self.settings.root, log, mark_of(self.settings.state, "w"))


@asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[Replica]:
    """The replica runs in the block and is stopped after it."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(replica.run())
        yield replica
        replica.stop()


def processes(replica: Replica) -> set[ProcessId]:
    """Noted processes that run."""
    return {one for one in (replica.note.model, replica.note.worker) if one is not None and is_alive(one)}


async def test_a_stopped_replica_leaves_nothing(settings: Settings) -> None:
    """No process, no note."""
    stage = Stage(settings)
    async with running(stage.replica()) as replica:
        await until(lambda: replica.phase is Phase.READY and len(processes(replica)) == 2)
        kept = processes(replica)
        assert len(list(Notes(settings.places.run).replicas())) == 1

    assert not any(is_alive(one) for one in kept)
    assert list(Notes(settings.places.run).replicas()) == []


async def test_a_cancelled_replica_runs_on_and_is_adopted(settings: Settings) -> None:
    """With the same processes, and without a question for startup."""
    stage = Stage(settings)
    first = stage.replica()
    task = asyncio.ensure_future(first.run())
    await until(lambda: first.phase is Phase.READY and len(processes(first)) == 2)
    task.cancel()
    await asyncio.wait([task])
    kept = processes(first)
    stage.worker.asked.clear()

    note = next(Notes(settings.places.run).replicas())
    async with running(Replica(note, stage.kit())) as second:
        await until(lambda: "/live" in stage.worker.asked)

        assert processes(second) == kept
        assert second.phase is Phase.READY
        assert "/startup" not in stage.worker.asked
    for ours in (first._model, first._worker):
        assert ours is not None
        await ours.wait()  # reaps: they were this process's children


async def test_an_unhealthy_model_is_drained_and_started_again(settings: Settings) -> None:
    """The worker runs on."""
    stage = Stage(settings)
    async with running(stage.replica()) as replica:
        await until(lambda: replica.phase is Phase.READY)
        model, worker = replica.note.model, replica.note.worker

        stage.worker.live = 503
        await until(lambda: "/drain" in stage.worker.asked)
        stage.worker.live = 200
        await until(lambda: replica.note.model not in {model, None})

        assert not is_alive(model)
        assert replica.note.worker == worker


async def test_a_model_that_ends_by_itself_is_started_again(settings: Settings) -> None:
    """Nobody is asked to drain what is gone."""
    stage = Stage(settings)
    async with running(stage.replica()) as replica:
        await until(lambda: replica.phase is Phase.READY)
        model = replica.note.model
        assert model is not None and is_alive(model)  # noqa: PT018 - the second needs the first

        await end(model)
        await until(lambda: replica.phase is Phase.READY and replica.note.model not in {model, None})

        assert "/drain" not in stage.worker.asked


async def end(process: ProcessId) -> None:
    """SIGKILL it and see it gone."""
    Process(process).signal(signal.SIGKILL)
    await until(lambda: not is_alive(process))


async def test_a_worker_that_ends_is_started_again(settings: Settings) -> None:
    """The model runs on."""
    stage = Stage(settings)
    async with running(stage.replica()) as replica:
        await until(lambda: replica.phase is Phase.READY and replica.note.worker is not None)
        model, worker = replica.note.model, replica.note.worker
        assert worker is not None

        await end(worker)
        await until(lambda: replica.note.worker not in {worker, None})

        assert replica.note.model == model


async def test_a_model_that_never_starts_is_a_crash_loop_with_its_last_lines(settings: Settings) -> None:
    """After three tries more; secrets are blotted out, and it is tried on."""
    settings.state.mkdir()
    settings.places.secrets.touch(mode=0o600)
    settings.places.secrets.write_text("key: hunter22\n")
    stage = Stage(settings)
    await stage.queue.join("embed", "ab12", "1")
    record = make_record(secrets={"KEY": "key"})
    script = "import os, sys; print('no weights', os.environ['KEY']); sys.exit(3)"
    stage.worker.startup = None

    async with running(stage.replica(script, record)) as replica:
        await until(lambda: replica.phase is Phase.FAILING)

        assert replica.detail == (
            "the model ended 4 times before it was ready: it exited with status 3\nno weights ***"
        )
        await until(lambda: replica.note.model is None)
        await replica.report_failing()
        seen = (await stage.queue.look("embed")).replicas[0]
        assert seen.state is ReplicaState.FAILING
        assert "hunter22" not in seen.detail


@pytest.mark.timeout(60)
async def test_a_model_that_is_not_ready_in_time_is_restarted(settings: Settings) -> None:
    """Its health path is named."""
    stage = Stage(settings)
    stage.worker.startup = 503
    limits = make_record().limits.model_copy(update={"start_seconds": 0})

    async with running(stage.replica(record=make_record(limits=limits))) as replica:
        await until(lambda: replica.note.model is not None)
        model = replica.note.model
        # Its worker has 5 s to let go of it, and the pause before it is started again comes on top.
        await until(lambda: replica.note.model not in {model, None}, 45)

    assert not is_alive(model)


async def test_new_limits_exchange_the_worker_and_leave_the_model(settings: Settings) -> None:
    """Access and scaling exchange nothing."""
    stage = Stage(settings)
    async with running(stage.replica()) as replica:
        await until(lambda: replica.phase is Phase.READY and replica.note.worker is not None)
        model, worker = replica.note.model, replica.note.worker

        replica.apply(make_record(access="public"))
        assert worker is not None
        assert is_alive(worker)

        limits = make_record().limits.model_copy(update={"request_seconds": 5})
        replica.apply(make_record(limits=limits))
        await until(lambda: replica.note.worker not in {worker, None})
        assert replica.note.model == model
