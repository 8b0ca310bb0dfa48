"""`make plan`: what a change does, without an engine, a cluster or credentials.

`python -m infra.show_plan --stack NAME [--base REF] [--out DIR]` prints Markdown, coloured on a terminal. With
`--out` it writes plan.md, plan.json and resources.json there. The base is run by its own program, from a
worktree of that commit, in today's environment.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pulumi
from rich.console import Console
from rich.markdown import Markdown

from infra.brief import live_briefly
from infra.plan.recording import Recording
from infra.plan.report.markdown import MARKER, to_markdown
from infra.plan.report.report import Report, report_of
from infra.record import record
from infra.spec.errors import SpecError

GIT_SECONDS = 120
BASE_SECONDS = 600
"""Longest that the base's program may take."""


class BaseError(Exception):
    """The base cannot be compared with; its text says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a plan; 1 with what is wrong on stderr."""
    chosen = _parser().parse_args(arguments)
    try:
        before = record_base(chosen.project, chosen.base, chosen.stack) if chosen.base else None
        after = record(chosen.project, chosen.stack)
    except (SpecError, BaseError, pulumi.RunError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    report = report_of(before, after, chosen.base)
    text = to_markdown(report)
    _show(text)
    if chosen.out:
        _write(chosen.out, text, report, after)
    return 0


def record_base(project: Path, base: str, stack: str) -> Recording | None:
    """What the base's own program registers; None where it has no program, or not this stack.

    Raises:
        BaseError: there is no such commit, or its program fails.
    """
    with _worktree(project, base) as tree:
        if not (tree / "infra" / "record.py").exists() or not (tree / f"stacks/Pulumi.{stack}.yaml").exists():
            return None
        done = subprocess.run(  # noqa: S603 - our own program, of another commit
            [sys.executable, "-P", "-m", "infra.record", "--stack", stack, "--project", str(tree)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            timeout=BASE_SECONDS,
            check=False,
        )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-3:]
        raise BaseError(f"{base}: its program fails in today's environment:\n  " + "\n  ".join(last))
    try:
        return Recording.from_json(done.stdout)
    except ValueError as error:
        # An older commit's recording; a report that counts all as added is better than none.
        sys.stderr.write(f"{base}: its recording is of another form: {str(error).splitlines()[0]}\n")
        return None


@contextlib.contextmanager
def _worktree(project: Path, base: str) -> Iterator[Path]:
    """A checkout of a commit beside this one, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="moorage-base-") as folder:
        tree = Path(folder) / "tree"
        _git(project, "worktree", "add", "--quiet", "--detach", str(tree), f"{base}^{{commit}}")
        try:
            yield tree
        finally:
            _git(project, "worktree", "remove", "--force", str(tree))


def _git(project: Path, *words: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a ref
            ["git", "-C", str(project), *words],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise BaseError("git is not installed, and BASE needs it. Install it, or leave BASE out.") from None
    if done.returncode:
        what = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise BaseError(f"BASE: {what}. Give a commit, branch or tag, as BASE=HEAD~1.")


def _show(text: str) -> None:
    console = Console()
    if console.is_terminal:
        console.print(Markdown(text.replace(MARKER, "")))
    else:
        sys.stdout.write(text)


def _write(folder: Path, text: str, report: Report, after: Recording) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.md").write_text(text, encoding="utf-8")
    (folder / "plan.json").write_text(_json(asdict(report)), encoding="utf-8")
    resources = [asdict(each) for each in after.resources]
    (folder / "resources.json").write_text(_json(resources), encoding="utf-8")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.show_plan", description=__doc__)
    parser.add_argument("--stack", required=True, help="as in stacks/Pulumi.<stack>.yaml")
    parser.add_argument("--base", help="commit, branch or tag to compare with")
    parser.add_argument("--out", type=Path, help="folder for plan.md, plan.json and resources.json")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of endpoints.yaml (this one)")
    return parser


if __name__ == "__main__":
    live_briefly()
    sys.exit(main())
