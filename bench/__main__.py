"""`python -m bench`: workloads W1 and W4, Moorage beside its peers; `python -m bench plan`: `make plan`."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.errors import BenchError
from bench.figures import lines
from bench.goals import plan_verdicts, verdicts
from bench.machine import machine_shape
from bench.measure import run_workload
from bench.plan import QUICK_SIZES, ROUNDS, SIZES, measure_plans, plan_lines
from bench.processes import pinned
from bench.programs import Programs, cache_folder
from bench.report import Result, as_json, show, show_plans
from bench.systems import haproxy
from bench.workloads import Workload, plan


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0 when every request was answered, 1 when not, 2 when there is no measurement."""
    options = _options(argv)
    # Ends the blocks that hold the processes, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if options.what == "plan":
            errors, document = 0, _run_plans(quick=options.quick)
        else:
            results, document = _run(_plan(options), quick=options.quick)
            errors = sum(result.errors for result in results)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if options.out is not None:
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    return 1 if errors else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("requests", "plan"), default="requests", help="what to measure (requests)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="show that it works, in about half a minute; no measurement"
    )
    parser.add_argument("--only", choices=("W1", "W4"), help="one workload")
    parser.add_argument("--unpinned", action="store_true", help="pin nothing (for a machine with one core)")
    parser.add_argument("--out", type=Path, help="write everything measured as JSON")
    return parser.parse_args(argv)


def _plan(options: argparse.Namespace) -> tuple[Workload, ...]:
    placement = None if options.unpinned else pinned(sorted(os.sched_getaffinity(0)))
    workloads = plan(placement, quick=options.quick, with_haproxy=haproxy.is_there())
    return tuple(workload for workload in workloads if options.only in {None, workload.key})


def _run(workloads: Sequence[Workload], *, quick: bool) -> tuple[list[Result], dict[str, Any]]:
    document = _document(quick=quick)
    programs = Programs.build(cache_folder(os.environ))
    console = Console()
    if not haproxy.is_there():
        _tell("HAProxy is not installed: its lines are left out.")
    if quick:
        _tell("Quick: this shows that everything works; its figures mean little.")
    results = []
    for workload in workloads:
        samples = run_workload(workload, programs, _tell)
        found = lines(samples, workload.sleep_ms)
        goals = verdicts(workload.key, workload.placement.system is not None, found)
        results.append(Result(workload, samples, found, goals))
        show(results[-1], console)
    document["workloads"] = [as_json(result) for result in results]
    document["load_average_at_end"] = list(os.getloadavg())
    return results, document


def _run_plans(*, quick: bool) -> dict[str, Any]:
    samples = measure_plans(QUICK_SIZES if quick else SIZES, 1 if quick else ROUNDS, _tell)
    found = plan_lines(samples)
    goals = plan_verdicts(found)
    show_plans(found, goals)
    return _document(quick=quick) | {
        "plans": [asdict(line) for line in found],
        "goals": [asdict(goal) for goal in goals],
        "rounds": [asdict(sample) for sample in samples],
        "load_average_at_end": list(os.getloadavg()),
    }


def _document(*, quick: bool) -> dict[str, Any]:
    """What every document begins with."""
    return {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine_shape(),
    }


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
