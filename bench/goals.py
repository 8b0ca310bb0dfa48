"""The goals that a workload has, and how far the figures are from them: pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.figures import Line, Spread
from bench.plan import PlanLine, resources_per_endpoint
from bench.workloads import EVERYSEC

MOST_P50_MS = 2.0
MOST_P99_MS = 5.0
LEAST_REQUESTS_PER_SECOND = 800.0
MOST_PLAN_SECONDS = {100: 5.0, 1000: 40.0}
"""By the number of endpoints."""
MOST_RESOURCES_PER_ENDPOINT = 12.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal beside what was measured."""

    goal: str
    measured: float
    """The median over the rounds."""
    is_met: bool


def verdicts(key: str, is_pinned: bool, lines: Sequence[Line]) -> tuple[Verdict, ...]:
    """The goals of a workload; unpinned runs have none."""
    line = next((line for line in lines if line.system == EVERYSEC.name), None)
    if line is None or not is_pinned:
        return ()
    found: tuple[Verdict | None, ...]
    if key == "W1":
        found = (
            _at_most("p50 at most 2 ms over direct", line.p50_over_direct_ms, MOST_P50_MS),
            _at_most("p99 at most 5 ms over direct", line.p99_over_direct_ms, MOST_P99_MS),
        )
    else:
        found = (
            _verdict(
                "at least 800 requests/s, the whole system on one core",
                line.requests_per_second,
                lambda value: value >= LEAST_REQUESTS_PER_SECOND,
            ),
        )
    return tuple(verdict for verdict in found if verdict is not None)


def plan_verdicts(lines: Sequence[PlanLine]) -> tuple[Verdict, ...]:
    """The goals of `make plan`."""
    found = [
        _at_most(f"{line.endpoints:,} endpoints in at most {limit:g} s", line.seconds, limit)
        for line in lines
        if (limit := MOST_PLAN_SECONDS.get(line.endpoints)) is not None
    ]
    each = resources_per_endpoint(lines)
    most = MOST_RESOURCES_PER_ENDPOINT
    if each is not None:
        found.append(Verdict(f"at most {most:g} resources an endpoint", each, each <= most))
    return tuple(verdict for verdict in found if verdict is not None)


def _at_most(goal: str, measured: Spread | None, limit: float) -> Verdict | None:
    return _verdict(goal, measured, lambda value: value <= limit)


def _verdict(goal: str, measured: Spread | None, is_met: Callable[[float], bool]) -> Verdict | None:
    return None if measured is None else Verdict(goal, measured.median, is_met(measured.median))
