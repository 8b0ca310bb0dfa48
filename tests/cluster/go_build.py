"""Runs the Go compiler on a module: with a limit, a sign of life, and its last lines when it fails."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.go_modules import GoModule, VersionNotFoundError, linker_flags
from cluster.progress import Tell, duration

QUESTION_SECONDS = 300.0
"""For what go is asked; the first question may download a compiler."""
LAST_LINES = 25
LOG = "build.log"
CHATTER = ("go: downloading ", "go: finding ", "go: extracting ")


class BuildError(Exception):
    """A module's programs could not be built; the text says why and shows go's last lines."""


@dataclass(frozen=True, slots=True)
class Go:
    """The compiler, and how its progress is told."""

    program: str
    say: Tell
    heartbeat_seconds: float

    def ask(self, folder: Path, *words: str) -> str:
        """What `go words…` prints in a module's folder.

        Raises:
            BuildError: there is no go, or it fails.
        """
        asked = f"go {' '.join(words)}"
        try:
            answer = subprocess.run(
                (self.program, *words),
                cwd=folder,
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=QUESTION_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise BuildError(
                f"{self.program} is not installed. Install Go 1.26 or newer and put it on PATH."
            ) from None
        except subprocess.TimeoutExpired:
            raise BuildError(f"{asked} took longer than {duration(QUESTION_SECONDS)} in {folder}.") from None
        if answer.returncode != 0:
            raise BuildError(f"{asked} failed in {folder}:\n{_tail(answer.stderr)}")
        return answer.stdout.strip()

    def compile(self, module: GoModule, folder: Path, into: Path) -> None:
        """Build the module's programs, by the names that go gives them, into a folder.

        Raises:
            BuildError: go fails or takes longer than the module's limit.
        """
        log = into / LOG
        with log.open("w") as output:
            process = subprocess.Popen(
                (self.program, *_words(module, folder, into)),
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = self._watch(process, module, log)
            finally:
                _end(process)
        if code == 0:
            return
        limit = duration(module.limit_seconds)
        end = f"took longer than {limit}, its limit" if code is None else f"ended with {code}"
        raise BuildError(f"{module.name}: go build {end}. Its last lines:\n{_tail(_read(log))}")

    def _watch(self, process: subprocess.Popen[bytes], module: GoModule, log: Path) -> int | None:
        """The exit status; nothing if the limit is over and it still runs."""
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < module.limit_seconds:
            try:
                return process.wait(min(self.heartbeat_seconds, module.limit_seconds - spent))
            except subprocess.TimeoutExpired:
                # Go says what it compiles, but nothing while it links.
                *_, last = ("", *_read(log).splitlines())
                where = f", last {last}" if last else ""
                self.say(f"{module.name}: still building after {duration(time.monotonic() - begun)}{where}")
        return None


def _environment() -> Mapping[str, str]:
    """The user's own, for proxies and caches, but static programs of exactly what go.mod and go.sum say."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}


def _words(module: GoModule, folder: Path, into: Path) -> tuple[str, ...]:
    try:
        flags = linker_flags(module, (folder / "go.mod").read_text("utf-8"))
    except VersionNotFoundError as error:
        raise BuildError(f"{module.name}: {error}") from error
    # The same sources give the same bytes on any machine; -v shows how far it is.
    always = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-v", "-ldflags", flags)
    return ("build", *always, "-o", f"{into}/", *module.programs.values())


def _end(process: subprocess.Popen[bytes]) -> None:
    """Go and the compilers it started, whatever ends this process's wait."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(log: Path) -> str:
    return log.read_text("utf-8", "replace")


def _tail(output: str) -> str:
    """The last lines that are more than the name of a package or of a download, indented."""
    lines = output.splitlines()
    telling = [line for line in lines if " " in line.strip() and not line.startswith(CHATTER)]
    return "\n".join(f"  {line}" for line in (telling or lines)[-LAST_LINES:])
