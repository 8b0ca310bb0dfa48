"""What is measured: each starts around the same stubs and says where it takes requests."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Placement, Running
from bench.stubs import Stubs

ROUTE = "/infer"


@dataclass(frozen=True, slots=True)
class Target:
    """A system that is ready."""

    urls: tuple[str, ...]
    processes: tuple[Running, ...]
    """All that stands between client and stubs."""
    authorization: str = ""
    most_clients: int | None = None
    """How many may call at once where nothing makes them wait; None for any number."""


@dataclass(frozen=True, slots=True)
class System:
    """A line of the tables."""

    name: str
    start: Callable[[Stubs, Placement, Path], AbstractContextManager[Target]]
