"""A whole platform in a folder of its own, its processes as the notes of its supervisor name them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.chaos.errors import ChaosError
from bench.chaos.orders import ENDPOINTS
from bench.chaos.reaper import end_all
from bench.chaos.schedule import Struck
from runtime.local.notes import Notes, ReplicaNote
from runtime.local.pids import MARK, ProcessId, is_alive
from runtime.local.ports import is_free
from runtime.local.processes import Process
from runtime.local.settings import Settings, read_settings
from runtime.local.up import start_supervisor

LEASE_SECONDS = 15.0
"""The lease of local workers; they cannot be told another."""
SLOTS = 6
REPLICAS = (1, 2)
IDLE_SECONDS = 5
UP_SECONDS = 90.0
_ROOT = Path(__file__).parents[2]
_STUB = Path(__file__).with_name("stub.py")
_FIRST_PORT = 18000

_ENDPOINT = """\
  - name: {name}
    access: public
    replicas: {{min: {least}, max: {most}}}
    timeout: {idle}
    limits: {{queue_seconds: 300, request_seconds: 60, start_seconds: 30, waiting: 5000}}
    local: {{command: '{command}'}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """One process to strike; `port` is its model's where it belongs to a replica."""

    process: ProcessId
    port: int | None = None


@dataclass
class Site:
    """One platform. Its supervisor is started again by `revive`, all else by the supervisor."""

    folder: Path
    settings: Settings
    _supervisors: list[Process] = field(default_factory=list, init=False)
    """Those that we started, the last one at the end."""
    _reaper: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self.settings.url

    @property
    def journal(self) -> Path:
        """What the models write."""
        return self.folder / "journal.jsonl"

    async def up(self) -> None:
        """What `make up` does.

        Raises:
            ChaosError: it does not come up.
        """
        self._start_reaper()
        (self.folder / "endpoints.yaml").write_text(endpoints_yaml(self.journal))
        await self._command("infra.local")
        await self._command("runtime.local", "up")

    def targets(self, struck: Struck) -> list[Target]:
        """The processes of a kind that run now, by endpoint and port."""
        notes = Notes(self.settings.places.run)
        if struck in {Struck.GATEWAY, Struck.SUPERVISOR, Struck.VALKEY}:
            process = notes.service(struck.value).process
            return [Target(process)] if process and is_alive(process) else []
        replicas = sorted(notes.replicas(), key=lambda note: (note.record.name, note.port))
        found = [(_process_of(note, struck), note.port) for note in replicas]
        return [Target(process, port) for process, port in found if process and is_alive(process)]

    def revive(self) -> None:
        """Start a supervisor unless one runs."""
        is_starting = self._supervisors and self._supervisors[-1].alive
        if not self.targets(Struck.SUPERVISOR) and not is_starting:
            self._supervisors.append(start_supervisor(self.settings))

    async def end(self) -> None:
        """End every process of it, by pid and whatever it is doing."""
        for target in [one for struck in Struck for one in self.targets(struck)]:
            Process(target.process).signal(signal.SIGCONT)
        await end_all(self.settings.state)
        for supervisor in self._supervisors:
            await supervisor.wait()
        if self._reaper is not None:
            self._reaper.kill()
            self._reaper.wait()

    def _start_reaper(self) -> None:
        reaper = (sys.executable, "-m", "bench.chaos.reaper", str(os.getpid()), str(self.settings.state))
        self._reaper = subprocess.Popen(reaper, cwd=_ROOT, stdin=subprocess.DEVNULL, start_new_session=True)

    async def _command(self, module: str, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=self.folder,
            env=dict(self.settings.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(UP_SECONDS):
                told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise ChaosError(f"{module}: {told.decode(errors='replace')}")


@contextmanager
def site_folder(keep: Path | None) -> Iterator[Path]:
    """A folder for the run: temporary, or the one where everything is to be kept."""
    if keep is None:
        with TemporaryDirectory(prefix="moorage-chaos-") as name:
            yield Path(name)
    else:
        keep.mkdir(parents=True)
        yield keep.resolve()


def make_site(folder: Path, environ: Mapping[str, str] = os.environ) -> Site:
    """A platform of this folder, not yet started: an AOF synced always, a free port."""
    # By the pid: of two runs that begin together neither may see the other's gateway.
    first = _FIRST_PORT + os.getpid() % 1000
    port = next(port for port in range(first, first + 500) if is_free(port))
    env = {name: value for name, value in environ.items() if not name.startswith("MOORAGE_") or name == MARK}
    env |= {
        "MOORAGE_PORT": str(port),
        "MOORAGE_SLOTS": str(SLOTS),
        "MOORAGE_APPENDFSYNC": "always",
        "PYTHONPATH": str(_ROOT),
    }
    return Site(folder, read_settings(env, folder))


def endpoints_yaml(journal: Path) -> str:
    """The project: endpoints whose replicas come and go within the machine's slots."""
    # -I and -S: models die and start often, and this one needs the standard library only.
    command = f"{sys.executable} -I -S {_STUB} --port {{port}} --journal {journal}"
    least, most = REPLICAS
    return "account: chaos\nendpoints:\n" + "".join(
        _ENDPOINT.format(name=name, least=least, most=most, idle=IDLE_SECONDS, command=command)
        for name in ENDPOINTS
    )


def _process_of(note: ReplicaNote, struck: Struck) -> ProcessId | None:
    return note.model if struck is Struck.MODEL else note.worker
