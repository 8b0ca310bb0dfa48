"""Pulumi.yaml, as far as the program relies on it."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text("utf-8"))


def test_sizes_are_read_anew_before_they_are_told() -> None:
    """AWS is told a group's size with every change of its most; an old one from the state would end busy nodes."""
    assert PROJECT["options"] == {"refresh": "always"}


def test_program_and_stacks_are_where_the_docs_say() -> None:
    """In the environment that `make infra` makes."""
    assert (PROJECT["main"], PROJECT["stackConfigDir"]) == ("infra", "stacks")
    assert PROJECT["runtime"]["options"]["virtualenv"] == ".venv"
