"""The workloads: what the stubs and the generator do, on which systems, how often."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.generator import Order
from bench.processes import UNPINNED, Placement
from bench.systems import System
from bench.systems.direct import DIRECT
from bench.systems.haproxy import HAPROXY
from bench.systems.moorage import moorage

EVERYSEC = moorage("everysec")
ALWAYS = moorage("always")
_BOUNDLESS = 10_000_000


@dataclass(frozen=True, slots=True)
class Workload:
    """One table: every system in turn, and that so many rounds."""

    key: str
    title: str
    replicas: int
    sleep_ms: int
    order: Order
    warm_up: Order
    placement: Placement
    systems: tuple[System, ...]
    rounds: int


def plan(pinned: Placement | None, *, quick: bool, with_haproxy: bool) -> tuple[Workload, ...]:
    """The workloads of a run; without a pinned placement only the unpinned ones.

    The whole takes about 3.5 minutes, a quick one about half a minute; a quick one shows that
    everything works, its figures mean little.
    """
    peers = (DIRECT, *([HAPROXY] if with_haproxy else []))
    every = (*peers, EVERYSEC) if quick else (*peers, EVERYSEC, ALWAYS)
    rounds = 1 if quick else 3
    if pinned is None:
        return (_idle(UNPINNED, every, rounds, quick), _no_op(UNPINNED, every, rounds, quick))
    planned = (_idle(pinned, every, rounds, quick), _no_op(pinned, every, rounds, quick))
    return planned if quick else (*planned, _no_op(UNPINNED, (*peers, EVERYSEC), 1, quick))


def _idle(placement: Placement, systems: Sequence[System], rounds: int, quick: bool) -> Workload:
    return Workload(
        key="W1",
        title="idle overhead: 4 replicas, 20 ms each, 1 client",
        replicas=4,
        sleep_ms=20,
        order=Order(1, 60 if quick else 334, 30),
        warm_up=Order(1, 5 if quick else 25, 10),
        placement=placement,
        systems=tuple(systems),
        rounds=rounds,
    )


def _no_op(placement: Placement, systems: Sequence[System], rounds: int, quick: bool) -> Workload:
    return Workload(
        key="W4",
        title="no-op: 2 replicas, 0 ms each, 64 clients",
        replicas=2,
        sleep_ms=0,
        order=Order(64, _BOUNDLESS, 1.0 if quick else 4),
        warm_up=Order(64, _BOUNDLESS, 0.2 if quick else 0.7),
        placement=placement,
        systems=tuple(systems),
        rounds=rounds,
    )
