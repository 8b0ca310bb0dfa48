"""`python -m bench plan`: how long `make plan` takes, by the number of endpoints."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.figures import Spread

ROOT = Path(__file__).parent.parent
PLAN_SECONDS = 300.0
"""Longest that one plan may take."""
POLL_SECONDS = 0.01
SIZES, QUICK_SIZES = (1, 100, 1000), (1, 100)
ROUNDS = 3
_STACK = """config:
  moorage:backend: kubernetes
  moorage:domain: models.example.com
  moorage:images: {runtime: "ghcr.io/acme/moorage:0.1.0"}
  moorage:secrets.db-url: {secure: "v1:abc"}
"""
_HEAD = "account: acme\nsecrets: {db-url: {}}\nendpoints:\n"
_ENDPOINT = """  - name: model-{number}
    image: ghcr.io/acme/model-{number}:1.4
    hardware: a10g.1
    env: {{MODE: fast}}
    secrets: {{DATABASE_URL: db-url}}
    volumes: {{cache: 50Gi}}
"""


@dataclass(frozen=True, slots=True)
class PlanSample:
    """One plan of one project, measured."""

    endpoints: int
    seconds: float
    cpu_seconds: float
    memory_mib: float
    """The most that the process held."""
    resources: int


@dataclass(frozen=True, slots=True)
class PlanLine:
    """The figures of one size over the rounds."""

    endpoints: int
    seconds: Spread | None
    cpu_seconds: Spread | None
    memory_mib: Spread | None
    resources: int


def measure_plans(sizes: Sequence[int], rounds: int, tell: Callable[[str], None]) -> list[PlanSample]:
    """Plan a made-up project of each size, sizes taking turns.

    Raises:
        BenchError: a plan fails or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as folder:
        projects = {size: write_project(Path(folder, str(size)), size) for size in sizes}
        # Where the user's own plans have theirs, bytecode is there; and nothing is left behind here.
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode"))}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        tell("plan: a first one for the bytecode")
        measure_plan(projects[sizes[0]], sizes[0], environ)
        samples = []
        for number in range(rounds):
            for size, project in projects.items():
                tell(f"plan: round {number + 1} of {rounds}, {size:,} endpoints")
                samples.append(measure_plan(project, size, environ))
        return samples


def measure_plan(project: Path, endpoints: int, environ: Mapping[str, str]) -> PlanSample:
    """Plan one project in a process of its own.

    Raises:
        BenchError: it fails or takes too long.
    """
    out, told = project / "plan", project / "told"
    argv = [sys.executable, "-m", "infra.show_plan", "--stack", "local"]
    begun = time.perf_counter()
    with told.open("wb") as output:
        process = subprocess.Popen(
            [*argv, "--project", str(project), "--out", str(out)],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=output,
        )
        usage = _await(process, begun + PLAN_SECONDS)
    seconds = time.perf_counter() - begun
    if process.returncode:
        last = "\n".join(told.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
        raise BenchError(f"The plan of {endpoints:,} endpoints fails ({process.returncode}):\n{last}")
    resources = len(json.loads((out / "resources.json").read_text(encoding="utf-8")))
    return PlanSample(endpoints, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, resources)


def _await(process: "subprocess.Popen[bytes]", deadline: float) -> resource.struct_rusage:
    """What a process has used, once it has ended; it is killed at the deadline."""
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if time.perf_counter() > deadline:
            process.kill()
        time.sleep(POLL_SECONDS)


def plan_lines(samples: Sequence[PlanSample]) -> tuple[PlanLine, ...]:
    """A line a size, smallest first."""
    sizes = sorted({sample.endpoints for sample in samples})
    return tuple(_line([sample for sample in samples if sample.endpoints == size]) for size in sizes)


def resources_per_endpoint(lines: Sequence[PlanLine]) -> float | None:
    """What each endpoint adds, between the smallest project and the largest; None where there is but one."""
    if len(lines) < 2:  # noqa: PLR2004 - a slope needs two
        return None
    least, most = lines[0], lines[-1]
    return (most.resources - least.resources) / (most.endpoints - least.endpoints)


def write_project(folder: Path, endpoints: int) -> Path:
    """A project of so many endpoints, each with image, GPU, secret and disk; its stack is `local`."""
    (folder / "stacks").mkdir(parents=True)
    (folder / "stacks/Pulumi.local.yaml").write_text(_STACK, encoding="utf-8")
    text = _HEAD + "".join(_ENDPOINT.format(number=number) for number in range(endpoints))
    (folder / "endpoints.yaml").write_text(text, encoding="utf-8")
    return folder


def _line(samples: Sequence[PlanSample]) -> PlanLine:
    return PlanLine(
        endpoints=samples[0].endpoints,
        seconds=Spread.of([sample.seconds for sample in samples]),
        cpu_seconds=Spread.of([sample.cpu_seconds for sample in samples]),
        memory_mib=Spread.of([sample.memory_mib for sample in samples]),
        resources=samples[0].resources,
    )
