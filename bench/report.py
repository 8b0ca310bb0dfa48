"""A workload's figures as a table (rich on a terminal, Markdown elsewhere) and as JSON values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Line, Spread, quantile
from bench.goals import Verdict
from bench.measure import Sample
from bench.plan import PlanLine
from bench.workloads import Workload

Cell = Callable[[Line], str]
_QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Result:
    """One workload, measured."""

    workload: Workload
    samples: tuple[Sample, ...]
    lines: tuple[Line, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def errors(self) -> int:
        """Requests that got no good answer, of all systems."""
        return sum(line.errors for line in self.lines)


def show(result: Result, console: Console) -> None:
    """Print one table and the goals below it."""
    columns = _COLUMNS[result.workload.key]
    title = heading(result.workload)
    if console.is_terminal:
        console.print(_drawn(title, columns, result.lines))
    else:
        rows = [[cell(line) for _, cell in columns] for line in result.lines]
        print(f"{title}\n\n{markdown([name for name, _ in columns], rows)}\n")
    show_verdicts(result.verdicts)


def show_plans(found: Sequence[PlanLine], goals: Sequence[Verdict]) -> None:
    """Print the table of `make plan` and the goals below it."""
    names = ["endpoints", "seconds", "CPU s", "most memory, MiB", "resources"]
    rows = [
        [
            f"{line.endpoints:,}",
            *(figure(spread) for spread in (line.seconds, line.cpu_seconds, line.memory_mib)),
            f"{line.resources:,}",
        ]
        for line in found
    ]
    print(f"make plan, median (least to most)\n\n{markdown(names, rows)}\n")
    show_verdicts(goals)


def show_verdicts(goals: Sequence[Verdict]) -> None:
    """Print a line a goal."""
    for verdict in goals:
        print(f"{'met' if verdict.is_met else 'NOT MET'}: {verdict.goal}: {verdict.measured:.4g}")
    print()


def _drawn(title: str, columns: Sequence[tuple[str, Cell]], found: Sequence[Line]) -> Table:
    """For a terminal: a column a system, a row a figure, ranges below their medians, so that it fits."""
    table = Table(title=title, title_justify="left")
    (corner, name), *figures = columns
    table.add_column(corner)
    for line in found:
        table.add_column(name(line), justify="right")
    for label, cell in figures:
        table.add_row(label, *(cell(line).replace(" (", "\n(").replace(", ", "\n") for line in found))
    return table


def heading(workload: Workload) -> str:
    """What a table is about."""
    rounds = "1 round" if workload.rounds == 1 else f"{workload.rounds} rounds, median (least to most)"
    return f"{workload.key}, {workload.title}; {workload.placement.name}; {rounds}"


def markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, figures to the right."""
    rule = ["---", *("---:" for _ in names[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (names, rule, *rows))


def as_json(result: Result) -> dict[str, Any]:
    """Everything that was measured; latencies as quantiles of each round."""
    workload = result.workload
    return {
        "workload": workload.key,
        "title": workload.title,
        "placement": workload.placement.name,
        "replicas": workload.replicas,
        "sleep_ms": workload.sleep_ms,
        "clients": workload.order.clients,
        "lines": [asdict(line) for line in result.lines],
        "goals": [asdict(verdict) for verdict in result.verdicts],
        "rounds": [_round(sample) for sample in result.samples],
    }


def _round(sample: Sample) -> dict[str, Any]:
    load = sample.load
    latencies = load.latencies_ms
    return {
        "system": sample.system,
        "round": sample.round,
        "seconds": load.seconds,
        "requests": len(latencies),
        "errors": load.errors,
        "latency_ms": {f"{share:g}": quantile(latencies, share) for share in _QUANTILES if latencies},
        "system_cpu_seconds": dict(sample.system_cpu),
        "stubs_cpu_seconds": sample.stubs_cpu,
        "generator_cpu_seconds": load.cpu_seconds,
        "other_cores": sample.other_cores,
    }


def figure(spread: Spread | None) -> str:
    """A median and, where the rounds differ, their range; three digits that mean something."""
    if spread is None:
        return "–"
    if spread.least == spread.most:
        return digits(spread.median)
    return f"{digits(spread.median)} ({digits(spread.least)} to {digits(spread.most)})"


def digits(value: float) -> str:
    """Three significant digits, never more than three behind the point."""
    whole = 0 if value == 0 else math.floor(math.log10(abs(value))) + 1
    return f"{value:,.{min(3, max(0, 3 - whole))}f}"


def _shares(line: Line) -> str:
    return ", ".join(f"{role} {share:.0%}" for role, share in line.cpu_share.items()) or "–"


_FIRST: tuple[tuple[str, Cell], ...] = (("system", lambda line: line.system),)
_LAST: tuple[tuple[str, Cell], ...] = (
    ("requests", lambda line: f"{line.requests:,}"),
    ("errors", lambda line: str(line.errors)),
    ("other load, cores", lambda line: figure(line.other_cores)),
)
_COLUMNS: dict[str, tuple[tuple[str, Cell], ...]] = {
    "W1": (
        *_FIRST,
        ("p50 − S, ms", lambda line: figure(line.p50_ms)),
        ("p99 − S, ms", lambda line: figure(line.p99_ms)),
        ("p50 over direct, ms", lambda line: figure(line.p50_over_direct_ms)),
        ("p99 over direct, ms", lambda line: figure(line.p99_over_direct_ms)),
        *_LAST,
    ),
    "W4": (
        *_FIRST,
        ("requests/s", lambda line: figure(line.requests_per_second)),
        ("p50, ms", lambda line: figure(line.p50_ms)),
        ("p99, ms", lambda line: figure(line.p99_ms)),
        ("CPU s per 1,000", lambda line: figure(line.cpu_per_1000)),
        ("of which", _shares),
        ("stubs", lambda line: figure(line.stubs_cpu_per_1000)),
        ("generator", lambda line: figure(line.generator_cpu_per_1000)),
        *_LAST,
    ),
}
