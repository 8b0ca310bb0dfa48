"""The workflows' shell steps, with a `gh`, a `make` and a `pulumi` that write down what they were asked."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.workflows import job, run_step

RUN = "https://forge.example/acme/moorage/actions/runs/7"
PREVIEW = {"REPO": "acme/moorage", "NUMBER": "12", "COMMIT": "c0ffee", "RUN": RUN, "GH_TOKEN": "t"}
DRIFT = {"GH_REPO": "acme/moorage", "RUN": RUN, "LOOKED": "success", "GH_TOKEN": "t"}
Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Puts a program on the step's PATH: it notes its arguments in `calls`, then runs the given lines."""
    (tmp_path / "bin").mkdir()

    def put(name: str, lines: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n{lines}\n')
        path.chmod(0o755)

    return put


def calls(folder: Path) -> list[str]:
    """What the programs were asked, in order."""
    return (folder / "calls").read_text().splitlines()


def write_plans(folder: Path, plans: Mapping[str, str]) -> None:
    """As the plan's artifact unpacks."""
    for stack, text in plans.items():
        (folder / "plan" / stack).mkdir(parents=True)
        (folder / "plan" / stack / "plan.md").write_text(text)


def comment(folder: Path) -> str:
    """Run the step that comments; the text of the comment."""
    done = run_step(job("comment", of="preview").step("Write the one comment anew"), folder, PREVIEW)
    assert done.returncode == 0, done.stderr
    return (folder / "body.md").read_text()


def test_the_first_plan_is_a_new_comment(tmp_path: Path, program: Program) -> None:
    """It holds every stack's plan behind the hidden mark."""
    program("gh", "")
    write_plans(tmp_path, {"prod": "# prod\n", "staging": "# staging\n"})

    text = comment(tmp_path)

    assert text.startswith("<!-- moorage-plan -->\n")
    assert text.index("# prod") < text.index("# staging")
    assert "--method POST repos/acme/moorage/issues/12/comments -F body=@body.md" in calls(tmp_path)[-1]


def test_the_next_plan_takes_its_place(tmp_path: Path, program: Program) -> None:
    """The oldest marked comment is written anew."""
    program("gh", "case $* in *--jq*) printf '41\\n42\\n';; esac")
    write_plans(tmp_path, {"prod": "# prod\n"})

    comment(tmp_path)

    assert "--method PATCH repos/acme/moorage/issues/comments/41 " in calls(tmp_path)[-1]
    assert len(calls(tmp_path)) == 2


def test_a_long_plan_is_cut_between_characters(tmp_path: Path, program: Program) -> None:
    """And says where the whole of it is."""
    program("gh", "")
    write_plans(tmp_path, {"prod": "é" * 70_000})

    text = comment(tmp_path)

    assert len(text) < 65_536
    assert "\ufffd" not in text
    assert text.endswith(f"an artifact of the [run]({RUN}).\n")


def test_every_stack_is_planned_against_the_base(tmp_path: Path, program: Program) -> None:
    """One call of make for each file of stacks/."""
    program("make", "")
    (tmp_path / "stacks").mkdir()
    for stack in ("local", "prod"):
        (tmp_path / "stacks" / f"Pulumi.{stack}.yaml").touch()

    done = run_step(job("plan", of="preview").step("Plan every stack"), tmp_path, {"BASE": "main"})

    assert done.returncode == 0
    assert calls(tmp_path) == [
        f"make plan STACK={stack} BASE=origin/main OUT=plan/{stack}" for stack in ("local", "prod")
    ]


def test_every_stack_is_held_to_the_policies(tmp_path: Path, program: Program) -> None:
    """After its plan was shown, so that a refusal can be read beside it; one refusal fails the job."""
    program("make", "exit 1")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.prod.yaml").touch()

    done = run_step(job("plan", of="preview").step("Hold every stack to the policies"), tmp_path, {})

    assert done.returncode == 1
    assert calls(tmp_path) == ["make policy STACK=prod"]


@pytest.mark.parametrize(
    ("lines", "status", "found"),
    [
        ("exit 0", 0, "none\n"),
        ("echo 'error: no changes were expected but changes were proposed' >&2; exit 255", 0, "drift\n"),
        ("echo 'error: no credentials' >&2; exit 255", 1, None),
    ],
)
def test_drift_is_told_from_failure(
    tmp_path: Path, program: Program, lines: str, status: int, found: str | None
) -> None:
    """Only what pulumi calls unexpected changes is drift; no answer at all is a failed run."""
    program("pulumi", lines)
    step = job("look", of="drift").step("Compare")

    done = run_step(step, tmp_path, {"STACK": "acme/prod", "NAME": "prod", "PULUMI_BACKEND_URL": ""})

    noted = tmp_path / "found/prod"
    assert done.returncode == status
    assert (noted.read_text() if noted.exists() else None) == found
    assert "--stack acme/prod --refresh --expect-no-changes" in calls(tmp_path)[0]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (("drift", "", "success"), "gh issue create"),
        (("drift", "9", "success"), "gh issue edit 9"),
        (("none", "9", "success"), "gh issue close 9"),
        (("none", "9", "failure"), "gh issue list"),
        (("none", "", "success"), "gh issue list"),
    ],
)
def test_one_issue_says_where_it_drifts(
    tmp_path: Path, program: Program, given: tuple[str, str, str], asked: str
) -> None:
    """Opened, updated, and closed only when every stack was looked at and none differs."""
    found, issue, looked = given
    program("gh", f'case $* in "issue list"*) echo "{issue}";; esac')
    (tmp_path / "found").mkdir()
    (tmp_path / "found/prod").write_text(f"{found}\n")
    step = job("report", of="drift").step("Open, update or close the one issue")

    done = run_step(step, tmp_path, {**DRIFT, "LOOKED": looked})

    assert done.returncode == 0, done.stderr
    assert calls(tmp_path)[-1].startswith(asked)


def test_the_issue_names_the_stacks_that_drift(tmp_path: Path, program: Program) -> None:
    """And no others, and none of their values."""
    program("gh", "")
    (tmp_path / "found").mkdir()
    for stack, what in (("prod", "drift"), ("dev", "none"), ("staging", "drift")):
        (tmp_path / "found" / stack).write_text(f"{what}\n")

    run_step(job("report", of="drift").step("Open, update or close the one issue"), tmp_path, DRIFT)

    lines = (tmp_path / "body.md").read_text().splitlines()
    assert lines[0] == "<!-- moorage-drift -->"
    assert [line for line in lines if line.startswith("- ")] == ["- `prod`", "- `staging`"]
