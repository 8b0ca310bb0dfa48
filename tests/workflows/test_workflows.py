"""What the workflows may do, and with whose code."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.workflows import FOLDER, Job, all_jobs, job, workflow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORKFLOWS = sorted(path.stem for path in FOLDER.glob("*.y*ml"))
JOBS = [pytest.param(each, id=f"{each.workflow}-{each.name}") for each in all_jobs()]
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
NO_FORK = "github.event.pull_request.head.repo.full_name == github.repository"


def text_of(name: str) -> str:
    """A workflow's text."""
    return (FOLDER / f"{name}.yml").read_text(encoding="utf-8")


def events_of(name: str) -> set[str]:
    """What starts a workflow."""
    return set(workflow(name)[True])


def uses_of(each: Job) -> list[str]:
    """The actions that a job uses."""
    return [str(step["uses"]) for step in each.steps if "uses" in step]


@pytest.mark.parametrize("each", JOBS)
def test_every_action_is_pinned_by_its_commit(each: Job) -> None:
    """A tag can be moved to other code, a commit cannot."""
    assert [action for action in uses_of(each) if PINNED.fullmatch(action) is None] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_pin_names_its_version(name: str) -> None:
    """In the comment that update bots read and write."""
    pins = re.findall(r"uses: \S+@[0-9a-f]{40}(.*)", text_of(name))

    assert [rest for rest in pins if re.fullmatch(r" # v\d+\.\d+\.\d+", rest) is None] == []


def test_one_action_has_one_pin() -> None:
    """The three workflows use the same version of it."""
    pins = {action for each in all_jobs() for action in uses_of(each)}

    assert len({action.partition("@")[0] for action in pins}) == len(pins)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_workflow_runs_a_strangers_code_with_our_rights(name: str) -> None:
    """These two events bring secrets and a token that may write to whatever a fork sends."""
    assert not events_of(name) & {"pull_request_target", "workflow_run"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_of_pull_requests_knows_no_secret(name: str) -> None:
    """A program that anybody may change could print it."""
    if "pull_request" in events_of(name):
        assert "secrets." not in text_of(name)
    assert "secrets: inherit" not in text_of(name)


@pytest.mark.parametrize("each", JOBS)
def test_an_identity_or_a_right_to_write_is_kept_from_forks(each: Job) -> None:
    """Every such job of a pull request asks first where its code comes from."""
    if "pull_request" in events_of(each.workflow) and "write" in each.rights.values():
        assert str(each.body["if"]).startswith(NO_FORK)


@pytest.mark.parametrize("each", JOBS)
def test_who_may_write_to_github_runs_no_code_of_the_repository(each: Job) -> None:
    """Comments and issues are written by jobs without a checkout."""
    writes = {right for right, level in each.rights.items() if level == "write"} - {"id-token"}

    assert not writes or [action for action in uses_of(each) if "checkout" in action] == []


@pytest.mark.parametrize("each", JOBS)
def test_rights_are_given_job_by_job(each: Job) -> None:
    """The workflow itself gives none."""
    assert workflow(each.workflow)["permissions"] == {}
    assert each.rights


@pytest.mark.parametrize("each", JOBS)
def test_a_checkout_leaves_no_token_behind(each: Job) -> None:
    """What runs afterwards could read it from the clone."""
    checkouts = [step for step in each.steps if "actions/checkout@" in str(step.get("uses"))]

    assert [step for step in checkouts if step["with"].get("persist-credentials") is not False] == []


@pytest.mark.parametrize("each", JOBS)
def test_no_expression_stands_in_a_script(each: Job) -> None:
    """A branch's name is a stranger's text; it comes in as a variable, never as code."""
    assert [step for step in each.steps if "${{" in str(step.get("run", ""))] == []


@pytest.mark.parametrize("each", JOBS)
def test_every_job_has_a_deadline(each: Job) -> None:
    """GitHub's own is six hours."""
    assert 0 < int(each.body["timeout-minutes"]) <= 120


def test_a_deployment_is_never_broken_off() -> None:
    """A cancelled `up` leaves a lock and half a change; one stack has one at a time."""
    concurrency = job("up", of="deploy").body["concurrency"]

    assert concurrency == {"group": "deploy-${{ matrix.stack }}", "cancel-in-progress": False}


def test_a_deployment_has_the_environment_of_its_stack() -> None:
    """Approvals and secrets are kept there."""
    assert job("up", of="deploy").body["environment"] == "${{ matrix.stack }}"


def test_the_command_is_as_new_as_the_package() -> None:
    """The `pulumi` that is installed and the package that the program imports are one version."""
    (package,) = re.findall(r"^pulumi==(\S+)", (ROOT / "requirements/infra.txt").read_text(), re.MULTILINE)

    named = {version for name in WORKFLOWS for version in re.findall(r"pulumi-version: (\S+)", text_of(name))}

    assert named == {package}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_actionlint_finds_nothing() -> None:
    """Keys, expressions, contexts and action inputs, checked by the linter that go.mod names."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")

    found = subprocess.run(
        ("go", "tool", "actionlint", *sorted(map(str, FOLDER.glob("*.y*ml")))),
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (found.returncode, found.stdout) == (0, ""), found.stderr
