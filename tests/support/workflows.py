"""The workflows as data, and their shell steps run as the runner runs them."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / ".github/workflows"
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""What `shell: bash` means to the runner."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a workflow."""

    workflow: str
    name: str
    body: Mapping[str, Any]

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        """Its steps, in order."""
        return list(self.body["steps"])

    @property
    def rights(self) -> Mapping[str, str]:
        """What its token may do."""
        return dict(self.body.get("permissions", {}))

    def step(self, name: str) -> Mapping[str, Any]:
        """The step of that name."""
        return next(step for step in self.steps if step.get("name") == name)


def workflow(name: str) -> Mapping[Any, Any]:
    """A whole workflow. The key `on` is read as true, as YAML 1.1 has it."""
    found: Mapping[Any, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return found


def job(name: str, of: str) -> Job:
    """One job of a workflow."""
    return Job(of, name, workflow(of)["jobs"][name])


def all_jobs() -> Iterator[Job]:
    """Every job of every workflow."""
    for path in sorted(FOLDER.glob("*.y*ml")):
        for name, body in workflow(path.stem)["jobs"].items():
            yield Job(path.stem, name, body)


def run_step(
    step: Mapping[str, Any], folder: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """A shell step in `folder`, with the variables that its expressions would have filled."""
    fixed = {name: text for name, text in step.get("env", {}).items() if "${{" not in text}
    return subprocess.run(
        (*SHELL, "-c", step["run"]),
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": "/dev/null",
            **fixed,
            **env,
        },
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
