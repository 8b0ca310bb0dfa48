"""The stubs with nothing in front: what any system is measured against."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import Placement
from bench.stubs import Stubs
from bench.systems import ROUTE, System, Target


@contextmanager
def _start(stubs: Stubs, _placement: Placement, _folder: Path) -> Iterator[Target]:
    # One client a stub: nothing keeps a second one from overlapping.
    urls = tuple(f"http://127.0.0.1:{port}{ROUTE}" for port in stubs.ports)
    yield Target(urls, (), most_clients=len(urls))


DIRECT = System("direct", _start)
