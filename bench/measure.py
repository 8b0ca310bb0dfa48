"""One measurement: fresh stubs, a fresh system around them, a warm-up, and the load that counts."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import BenchError
from bench.generator import Load, Order, generate
from bench.processes import Running, cpu_by_role, machine_cpu_seconds
from bench.programs import Programs
from bench.stubs import start_stubs
from bench.systems import System, Target
from bench.workloads import Workload


@dataclass(frozen=True, slots=True)
class Sample:
    """What one system did in one round."""

    system: str
    round: int
    load: Load
    system_cpu: Mapping[str, float]
    """CPU seconds by role, of everything between client and stubs."""
    stubs_cpu: float
    other_cores: float
    """Cores that processes not of this run used meanwhile."""


def run_workload(workload: Workload, programs: Programs, tell: Callable[[str], None]) -> tuple[Sample, ...]:
    """Every system in turn, round after round.

    Raises:
        BenchError: a system did not start, or requests overlapped.
    """
    samples = []
    for number in range(1, workload.rounds + 1):
        for system in workload.systems:
            tell(
                f"{workload.key} {workload.placement.name} round {number} of {workload.rounds}: {system.name}"
            )
            samples.append(_measure(workload, system, number, programs))
    return tuple(samples)


def _measure(workload: Workload, system: System, number: int, programs: Programs) -> Sample:
    core = workload.placement.load
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as name:
        folder = Path(name)
        with (
            start_stubs(
                programs.stub, workload.replicas, workload.sleep_ms, workload.placement, folder
            ) as stubs,
            system.start(stubs, workload.placement, folder) as target,
        ):
            _call(programs, target, workload.warm_up, core)
            meter = _Meter(target.processes, stubs.processes)
            load = _call(programs, target, workload.order, core)
            sample = Sample(system.name, number, load, *meter.read())
            overlaps = stubs.overlaps()
    if overlaps:
        raise BenchError(f"{system.name}: {overlaps} requests overlapped on a stub. The run does not count.")
    return sample


class _Meter:
    """CPU from the moment it is made: of the system, of the stubs, and of everybody else."""

    def __init__(self, system: Sequence[Running], stubs: Sequence[Running]) -> None:
        self._system = system
        self._stubs = stubs
        self._begun = time.monotonic()
        self._machine_before = machine_cpu_seconds()
        self._system_before = cpu_by_role(system)
        self._stubs_before = _total(stubs)
        self._own_before = _own_cpu()

    def read(self) -> tuple[dict[str, float], float, float]:
        """Seconds of the system by role and of the stubs, and the cores that others used."""
        now = cpu_by_role(self._system)
        system = {role: now[role] - self._system_before[role] for role in now}
        stubs = _total(self._stubs) - self._stubs_before
        ours = sum(system.values()) + stubs + _own_cpu() - self._own_before
        others = machine_cpu_seconds() - self._machine_before - ours
        return system, stubs, max(0.0, others / (time.monotonic() - self._begun))


def _call(programs: Programs, target: Target, order: Order, core: int | None) -> Load:
    if target.most_clients is not None:
        order = replace(order, clients=min(order.clients, target.most_clients))
    return generate(programs.load, target.urls, order, core=core, authorization=target.authorization)


def _own_cpu() -> float:
    """Of this process and of the generators it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _total(processes: Sequence[Running]) -> float:
    return sum(process.cpu_seconds for process in processes)
