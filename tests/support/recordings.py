"""Runs the real program without an engine, for several projects, in a process of its own.

Pulumi's runtime keeps its state in the module, and a look at pulumi_kubernetes costs seconds: so a process
records many projects, and test workers share what one of them has recorded.
"""

import fcntl
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from infra.plan.recording import Recording
from infra.project import stack_names

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
PLANTED = "planted-value"
"""Stands for the secrets of `own-hosts`, so that it can be looked for."""
SECONDS = 180
"""Longest that a batch may take; half a minute on two busy cores."""
TEMPLATE = """title: A model
description: Made up for tests.
route: /infer
output: {output}
license: {{name: MIT, source: nowhere}}
defaults:
  {source}
  replicas: {{min: 0, max: 2}}
input: {{type: object}}
examples: [{{title: One, body: {{text: hello}}}}]
"""
PROGRAM = """
import json, sys
from pathlib import Path
import infra.record as recorder

for project, stack, mask in json.loads(sys.argv[1]):
    recorder.MASK = mask
    print(recorder.record(Path(project), stack).to_json())
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A project, and the stack of it that is recorded; `mask` stands for each secret of the stack file."""

    project: Path
    stack: str = "prod"
    mask: str = "[secret]"


def write_project(folder: Path, endpoints: str, stack: str) -> Path:
    """A project folder with two templates and the folder `examples/sentiment`."""
    for place in ("examples/sentiment", "templates/ocr", "templates/speech", "stacks"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for place in ("examples/sentiment", "templates/ocr"):
        (folder / place / "service.py").write_text("class Service: ...\n")
    ocr = TEMPLATE.format(output="image", source="hardware: cpu")
    speech = TEMPLATE.format(output="stream", source="image: ghcr.io/acme/speech:2")
    (folder / "templates/ocr/template.yaml").write_text(ocr)
    (folder / "templates/speech/template.yaml").write_text(speech)
    (folder / "endpoints.yaml").write_text(endpoints)
    (folder / "stacks/Pulumi.prod.yaml").write_text(stack)
    return folder


def record_all(shared: Path, make_folder: Callable[[str], Path]) -> dict[str, Recording]:
    """Every golden case of a whole plan by name, and `stack-<name>` for each stack of the repository.

    Args:
        shared: a folder that all test workers of a run have in common.
        make_folder: makes an empty one by its name.
    """
    cases = {}
    for name in sorted(path.parent.name for path in GOLDEN.glob("*/Pulumi.prod.yaml")):
        texts = ((GOLDEN / name / file).read_text("utf-8") for file in ("endpoints.yaml", "Pulumi.prod.yaml"))
        folder = write_project(make_folder(name), *texts)
        cases[name] = Case(folder, mask=PLANTED if name == "own-hosts" else "[secret]")
    cases |= {f"stack-{name}": Case(ROOT, name) for name in stack_names(ROOT)}
    return record_once(shared, "recorded", cases)


def record_once(shared: Path, name: str, cases: Mapping[str, Case]) -> dict[str, Recording]:
    """Recordings by case; the first test worker makes them, the others read its file in `shared`."""
    kept = shared / f"{name}.jsonl"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(_record(list(cases.values())))
    lines = kept.read_text().splitlines()
    return {key: Recording.from_json(line) for key, line in zip(cases, lines, strict=True)}


def _record(cases: list[Case]) -> str:
    """A line a case, in order; in two processes, for two cores."""
    parts = [cases[0::2], cases[1::2]]
    with ThreadPoolExecutor(len(parts)) as pool:
        even, odd = (text.splitlines() for text in pool.map(_record_part, parts))
    lines = [line for pair in zip_longest(even, odd) for line in pair if line is not None]
    return "\n".join(lines) + "\n"


def _record_part(cases: list[Case]) -> str:
    asked = json.dumps([[str(each.project), each.stack, each.mask] for each in cases])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
