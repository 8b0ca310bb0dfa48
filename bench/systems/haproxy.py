"""HAProxy with one connection a server: in memory and in C, the floor that any queue can reach."""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.processes import Placement, running, wait_until
from bench.stubs import START_SECONDS, Stubs, answers
from bench.systems import ROUTE, System, Target
from runtime.local.ports import Ports

PROGRAM = "haproxy"


def is_there() -> bool:
    """Whether it is installed."""
    return shutil.which(PROGRAM) is not None


def config_text(port: int, servers: Sequence[int]) -> str:
    """One frontend, `maxconn 1` a server, kept connections; requests wait in the backend's queue."""
    return "\n".join(
        (
            "global",
            "  nbthread 1",
            "defaults",
            "  mode http",
            "  timeout connect 5s",
            "  timeout client 300s",
            "  timeout server 300s",
            "  timeout queue 300s",
            "  http-reuse always",
            f"listen bench\n  bind 127.0.0.1:{port}",
            "  balance leastconn",
            *(f"  server s{n} 127.0.0.1:{server} maxconn 1" for n, server in enumerate(servers)),
            "",
        )
    )


@contextmanager
def _start(stubs: Stubs, placement: Placement, folder: Path) -> Iterator[Target]:
    port = Ports(random.Random()).take()  # noqa: S311 - ports are no secret
    config = folder / "haproxy.cfg"
    config.write_text(config_text(port, stubs.ports))
    argv = [PROGRAM, "-db", "-f", str(config)]
    with running(PROGRAM, argv, core=placement.system, log=folder / "haproxy.log") as process:
        wait_until(lambda: answers(port, "/healthcheck"), START_SECONDS, "HAProxy answers", [process])
        yield Target((f"http://127.0.0.1:{port}{ROUTE}",), (process,))


HAPROXY = System("HAProxy", _start)
