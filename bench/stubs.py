"""The models of a run: N stubs that serve one request at a time and count overlaps."""

import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Placement, Running, running, wait_until
from runtime.local.ports import Ports

START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Stubs:
    """Stubs that answer."""

    ports: tuple[int, ...]
    processes: tuple[Running, ...]

    def overlaps(self) -> int:
        """How often a second request came while one was running."""
        return sum(int(_get(port, "/overlaps")) for port in self.ports)


@contextmanager
def start_stubs(
    program: Path, count: int, sleep_ms: int, placement: Placement, folder: Path
) -> Iterator[Stubs]:
    """Stubs that run as long as the block.

    Raises:
        BenchError: one does not answer.
    """
    promised = Ports(random.Random())  # noqa: S311 - ports are no secret
    ports = tuple(promised.take() for _ in range(count))
    with ExitStack() as stack:
        processes = tuple(
            stack.enter_context(
                running(
                    "stub",
                    [str(program), f"-port={port}", f"-sleep={sleep_ms}ms"],
                    core=placement.load,
                    log=folder / f"stub-{port}.log",
                )
            )
            for port in ports
        )
        wait_until(
            lambda: all(answers(port, "/healthcheck") for port in ports),
            START_SECONDS,
            "every stub answers",
            processes,
        )
        yield Stubs(ports, processes)


def answers(port: int, path: str) -> bool:
    """Whether a GET on a loopback port gives 200 now."""
    try:
        _get(port, path)
    except (urllib.error.URLError, OSError):
        return False
    return True


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as response:
        body: bytes = response.read()
        return body
