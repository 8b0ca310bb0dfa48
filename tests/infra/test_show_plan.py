"""`make plan` against commits of a real repository: the base runs its own program, and leaves nothing behind."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.recordings import ROOT, write_project

STACK = (
    "config:\n  moorage:backend: kubernetes\n  moorage:domain: models.example.com\n"
    "  moorage:images: {registry: ghcr.io/acme}\n"
)
BEFORE = (
    "account: acme\nendpoints:\n  - {name: gone, image: a/gone:1}\n  - {name: kept, image: a/kept:1}\n"
    "  - {name: moved, image: a/moved:1}\n"
)
AFTER = (
    "account: acme\nendpoints:\n  - {name: fresh, image: a/fresh:1}\n  - {name: kept, image: a/kept:1}\n"
    "  - {name: moved, image: a/moved:2}\n"
)
CODE = ("infra", "components", "runtime")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True, slots=True)
class Repository:
    """A project under git, with the program's own code."""

    folder: Path

    def git(self, *words: str) -> str:
        """A git command's output."""
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        who = ["-c", "user.name=any", "-c", "user.email=any@example.com"]
        done = subprocess.run(
            ["git", *who, *words],
            cwd=self.folder,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def commit(self) -> None:
        """All that is there."""
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message", "any")

    def plan(self, *more: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command; with `path` nothing else is found to run."""
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "infra.show_plan",
                "--stack",
                "prod",
                "--project",
                str(self.folder),
                *more,
            ],
            cwd=ROOT,
            env={**os.environ, **({} if path is None else {"PATH": path})},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    def worktrees(self) -> list[str]:
        """Checkouts that git knows."""
        return self.git("worktree", "list").splitlines()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One commit of three endpoints, and an edit of them that is not committed."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_project(folder, BEFORE, STACK)
    made = Repository(folder)
    made.git("init", "--quiet")
    made.commit()
    (folder / "endpoints.yaml").write_text(AFTER)
    return made


def test_working_tree_is_compared_with_a_commit(repository: Repository, tmp_path: Path) -> None:
    """Added, changed, removed, and what stays; OUT holds it for programs."""
    out = tmp_path / "out"

    done = repository.plan("--base", "HEAD", "--out", str(out))

    assert done.returncode == 0, done.stderr
    told = json.loads((out / "plan.json").read_text("utf-8"))
    assert {each["name"]: each["change"] for each in told["endpoints"]} == {
        "fresh": "added",
        "gone": "removed",
        "kept": "unchanged",
        "moved": "changed",
    }
    assert {each["endpoint"] for each in told["changes"]} == {"fresh", "gone", "moved"}
    assert done.stdout == (out / "plan.md").read_text("utf-8")
    assert "Compared with `HEAD`" in done.stdout
    assert {each["name"] for each in json.loads((out / "resources.json").read_text("utf-8"))} >= {
        "fresh",
        "kept",
    }
    assert len(repository.worktrees()) == 1


def test_commit_that_is_not_there_gives_one_clear_line(repository: Repository) -> None:
    """No traceback."""
    done = repository.plan("--base", "no-such-branch")

    assert done.returncode == 1
    assert done.stderr.startswith("BASE: ")
    assert done.stderr.endswith("Give a commit, branch or tag, as BASE=HEAD~1.\n")
    assert len(done.stderr.splitlines()) == 1
    assert len(repository.worktrees()) == 1


def test_base_that_looks_like_an_option_is_a_commit_that_is_not_there(repository: Repository) -> None:
    """Git takes no orders from a branch's name."""
    done = repository.plan("--base=--detach")

    assert done.returncode == 1
    assert done.stderr.startswith("BASE: ")
    assert len(repository.worktrees()) == 1


def test_without_git_the_report_says_what_to_do(repository: Repository, tmp_path: Path) -> None:
    """BASE is the only thing that needs it."""
    empty = tmp_path / "nothing"
    empty.mkdir()

    done = repository.plan("--base", "HEAD", path=str(empty))

    assert done.returncode == 1
    assert done.stderr == "git is not installed, and BASE needs it. Install it, or leave BASE out.\n"


def test_base_whose_program_fails_is_told_and_cleaned_up(repository: Repository) -> None:
    """Its last lines say why."""
    (repository.folder / "infra" / "record.py").write_text("raise SystemExit('the base is broken')\n")
    repository.commit()
    shutil.copy(ROOT / "infra" / "record.py", repository.folder / "infra" / "record.py")

    done = repository.plan("--base", "HEAD")

    assert done.returncode == 1
    assert done.stderr == "HEAD: its program fails in today's environment:\n  the base is broken\n"
    assert len(repository.worktrees()) == 1


def test_base_without_the_stack_counts_all_as_added(repository: Repository) -> None:
    """So a new stack has a report too."""
    (repository.folder / "stacks" / "Pulumi.prod.yaml").unlink()
    repository.commit()
    (repository.folder / "stacks" / "Pulumi.prod.yaml").write_text(STACK)

    done = repository.plan("--base", "HEAD")

    assert done.returncode == 0, done.stderr
    assert "`HEAD` has no program for this stack, so everything counts as added." in done.stdout


def test_faulty_file_is_told_as_the_loader_tells_it(repository: Repository) -> None:
    """With lines, before anything else is done."""
    (repository.folder / "stacks" / "Pulumi.prod.yaml").write_text(STACK + "  moorage:scaler: hpa\n")

    done = repository.plan()

    assert done.returncode == 1
    assert done.stderr.startswith(
        'stacks/Pulumi.prod.yaml:5: config["moorage:scaler"]: "hpa" is not own or keda.'
    )
    assert "Traceback" not in done.stderr


def test_stack_that_is_not_there_names_those_that_are(repository: Repository) -> None:
    """A typo is seen at once."""
    (repository.folder / "stacks" / "Pulumi.prod.yaml").rename(
        repository.folder / "stacks" / "Pulumi.dev.yaml"
    )

    done = repository.plan()

    assert done.returncode == 1
    assert "Known stacks: dev." in done.stderr
