"""Other programs, run with a deadline; what they said last stands in the error."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

LAST_LINES = 20


class CommandError(Exception):
    """A program failed or took too long; the message ends in its last lines."""


def run_command(
    command: Sequence[str | Path],
    seconds: float,
    *,
    stdin: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a program prints.

    Args:
        command: the program and its arguments.
        seconds: after so long it is ended.
        stdin: what it reads.
        folder: where it runs.
        environment: its whole environment; without it this process's own.

    Raises:
        CommandError: it failed or took too long.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            cwd=folder,
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise CommandError(f"{words[:4]}: not done within {seconds:g} s\n{_last(exc.stderr)}") from exc
    if done.returncode:
        raise CommandError(f"{words[:4]}: status {done.returncode}\n{_last(done.stderr or done.stdout)}")
    return done.stdout


async def run_beside(command: Sequence[str | Path], seconds: float, *, stdin: str | None = None) -> str:
    """The same while the event loop goes on.

    Raises:
        CommandError: it failed or took too long.
    """
    return await asyncio.to_thread(run_command, command, seconds, stdin=stdin)


def _last(said: str | bytes | None) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said or ""
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])
