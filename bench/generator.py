"""One run of the load generator, and what it measured."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.processes import argv_on

GRACE_SECONDS = 40.0
"""Beyond its own time limit: its longest wait for one answer is 30 s."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a load generator is to do: a closed loop, bounded in count and time."""

    clients: int
    most_requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it."""

    seconds: float
    cpu_seconds: float
    """Of the generator itself."""
    latencies_ms: tuple[float, ...]
    """Good requests only, ascending."""
    errors: dict[str, int]
    """How often what went wrong."""


def generate(
    program: Path, targets: Sequence[str], order: Order, *, core: int | None, authorization: str = ""
) -> Load:
    """Call the targets; client i calls target i modulo their number.

    Raises:
        BenchError: the generator failed or did not end.
    """
    argv = [
        str(program),
        f"-targets={','.join(targets)}",
        f"-clients={order.clients}",
        f"-requests={order.most_requests}",
        f"-for={order.seconds}s",
    ]
    try:
        done = subprocess.run(
            argv_on(core, argv),
            env={**os.environ, "LOAD_AUTHORIZATION": authorization},
            capture_output=True,
            timeout=order.seconds + GRACE_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as exc:
        raise BenchError(f"The load generator did not end {GRACE_SECONDS:g} s after its time.") from exc
    except subprocess.CalledProcessError as exc:
        raise BenchError(f"The load generator failed:\n{exc.stderr.decode(errors='replace')}") from exc
    return read_report(done.stdout)


def read_report(text: bytes) -> Load:
    """What the generator wrote."""
    report = json.loads(text)
    return Load(
        seconds=report["seconds"],
        cpu_seconds=report["cpu_seconds"],
        latencies_ms=tuple(sorted(us / 1000 for us in report["latencies_us"])),
        errors=report["errors"],
    )
