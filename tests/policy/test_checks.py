"""The stacks of this repository keep every mandatory rule, and a broken plan is told."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.recordings import ROOT

from infra.plan.recording import Recording
from infra.project import stack_names
from infra.record import MASK, UNKNOWN
from policy import check, seen
from policy.rule import judge
from policy.rules import RULES

STACKS = stack_names(ROOT)

pytestmark = pytest.mark.timeout(240)  # the first test of a run waits for the recordings


@pytest.fixture(scope="session")
def plans(recorded: dict[str, Recording]) -> dict[str, Recording]:
    """What the program registers for each stack."""
    return {name: recorded[f"stack-{name}"] for name in STACKS}


@pytest.mark.parametrize("stack", STACKS)
def test_shipped_stack_keeps_every_mandatory_rule(stack: str, plans: dict[str, Recording]) -> None:
    """A finding names the resource and how to mend it."""
    found = judge(RULES, check.subject_of(plans[stack]))

    assert [str(each) for each in found if each.level == "mandatory"] == []


def test_marks_are_those_of_the_recorder() -> None:
    """Rules know them without loading Pulumi."""
    assert (seen.MASK, seen.UNKNOWN) == (MASK, UNKNOWN)


def test_check_ends_with_one_where_a_mandatory_rule_is_broken(
    plans: dict[str, Recording], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And prints where, what, how to mend it and by which rule."""
    whole = plans["local"]
    dear = whole.facts.model_copy(update={"ceiling_dollars_per_hour": 0.01})
    monkeypatch.setattr(check, "record", lambda _project, _stack: replace(whole, facts=dear))

    code = check.main(["--stack", "local"])

    printed = capsys.readouterr()
    assert code == 1
    assert "the stack: may cost $" in printed.err
    assert "[cost-ceiling]" in printed.err
    assert "1 mandatory, 0 advisory." in printed.out


def test_check_of_an_unknown_stack_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a traceback."""
    code = check.main(["--stack", "nowhere", "--project", str(tmp_path)])

    assert code == 1
    assert "nowhere" in capsys.readouterr().err
