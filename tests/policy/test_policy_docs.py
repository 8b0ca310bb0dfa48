"""docs/policies.md explains each rule, and each policy of Pulumi's pack for CIS."""

import re
from pathlib import Path

import pytest

from policy.rule import Rule
from policy.rules import RULES

TEXT = (Path(__file__).parent.parent.parent / "docs/policies.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### `(.+)`$", TEXT, re.MULTILINE)


def section(rule: str) -> str:
    """What stands under a rule's heading, on one line."""
    found = TEXT.partition(f"### `{rule}`\n")[2]
    return " ".join(re.split(r"^#", found, maxsplit=1, flags=re.MULTILINE)[0].split())


def test_every_rule_has_a_heading_in_its_place() -> None:
    """And no heading is of a rule that is gone."""
    assert [rule.id for rule in RULES] == HEADINGS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_is_told_with_its_level_in_its_own_words(rule: Rule) -> None:
    """So that document and finding say the same."""
    assert section(rule.id).startswith(f"{rule.level.capitalize()}. {rule.title}")


def test_every_policy_of_the_pack_is_answered() -> None:
    """Whether it holds, by what, and why not; rules that are named exist."""
    rows = re.findall(r"^\| ((?:eks|k8s)-[a-z-0-9]+) \| (yes|no|partly) \| (.+) \|$", TEXT, re.MULTILINE)

    assert len({name for name, *_ in rows}) == len(rows) == 28
    named = {rule for *_, why in rows for rule in re.findall(r"rule `([a-z-]+)`", why)}
    assert named <= {rule.id for rule in RULES}
