"""Starts the runner on a tiny service, in a process of its own, as the platform does."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from support.ports import free_port

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 15.0


@dataclass
class Served:
    """A runner's process, its address and its log."""

    process: subprocess.Popen[bytes]
    url: str
    log_file: Path

    @property
    def log(self) -> str:
        """What it wrote so far, standard output and error together."""
        return self.log_file.read_text()

    def post(self, path: str = "/infer", **body: object) -> httpx.Response:
        """The answer to a JSON body."""
        return httpx.post(self.url + path, json=body, timeout=DEADLINE_SECONDS)

    def health(self) -> httpx.Response | None:
        """The health answer, or None while the port is closed."""
        try:
            return httpx.get(self.url + "/healthcheck", timeout=DEADLINE_SECONDS)
        except httpx.TransportError:
            return None

    def until_healthy(self) -> "Served":
        """Wait until it says RUNNING."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            answer = self.health()
            if answer is not None and answer.status_code == 200:
                return self
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(self.log)

    def until_logged(self, text: str) -> None:
        """Wait until `text` stands in the log."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for its end."""
        return self.process.wait(DEADLINE_SECONDS)


@contextmanager
def served(
    folder: Path, source: str, *arguments: str, python: Path | str = sys.executable, **env: str
) -> Iterator[Served]:
    """A runner on `service.py` with this source; killed at the end."""
    (folder / "service.py").write_text(textwrap.dedent(source))
    with started(folder, *arguments, python=python, **env) as runner:
        yield runner


@contextmanager
def started(
    folder: Path, *arguments: str, python: Path | str = sys.executable, **env: str
) -> Iterator[Served]:
    """A runner on what the folder holds, in `python`'s environment; killed at the end."""
    port = free_port()
    command = [python, "-m", "runtime.replica", "--folder", str(folder), "--port", str(port)]
    log_file = folder / "runner.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Served(process, f"http://127.0.0.1:{port}", log_file)
    finally:
        process.kill()
        process.wait()
