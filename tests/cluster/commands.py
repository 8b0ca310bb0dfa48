"""Programs that run to their end, with a deadline; a failure shows what they said last."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.errors import ClusterError

LAST_LINES = 15


class CommandError(ClusterError):
    """A program failed or took too long; `said` is all that it wrote to standard error."""

    def __init__(self, text: str, said: str = "") -> None:
        super().__init__(text)
        self.said = said


async def command(
    *argv: str | Path, seconds: float, stdin: str = "", env: Mapping[str, str] | None = None
) -> str:
    """What the program wrote to standard output.

    Raises:
        CommandError: it is not there, failed, or ran longer than so many seconds.
    """
    words = [str(word) for word in argv]
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            # A Ctrl-C is ours to handle: it must not end the programs that take the cluster down.
            start_new_session=True,
        )
    except FileNotFoundError:
        raise CommandError(f"{words[0]} is not installed.") from None
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        raise CommandError(f"{shown(words)} took longer than {seconds:g} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = err.decode(errors="replace")
    if process.returncode:
        raise CommandError(f"{shown(words)} ended with {process.returncode}:\n{tail(said)}", said)
    return out.decode(errors="replace")


def shown(argv: Sequence[str], most: int = 160) -> str:
    """A command line as a person reads it, without what only leads into a namespace."""
    words = list(argv)
    if words and words[0] == "nsenter" and "--" in words:
        words = words[words.index("--") + 1 :]
    text = " ".join(words)
    return text if len(text) <= most else f"{text[:most]}…"


def tail(text: str, lines: int = LAST_LINES) -> str:
    """Its last lines that say something, indented."""
    return "\n".join(f"  {line}" for line in [line for line in text.splitlines() if line.strip()][-lines:])
