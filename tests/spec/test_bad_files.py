"""Every bad file in tests/golden/bad gives exactly the message beside it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.fault_codes import FIT, STACK_FILE

from infra.spec.codes import CODES
from infra.spec.errors import SpecError
from infra.spec.load import load
from infra.spec.source import decode
from infra.spec.templates import Template

BAD = Path(__file__).parent.parent / "golden" / "bad"
CASES = sorted(BAD.glob("*.yaml"))
FIXED_ELSEWHERE = {
    "file-missing",
    "file-unreadable",
    "folder-large",
    "folder-link",
    "folder-missing",
    "template-field",
    "template-schema",
}
"""Codes of templates and folders, which test_template_files.py and test_local_command.py show.

Those of stack files stand in test_stack_files.py, those of both together in test_stack_fit.py.
"""


def faults_of(path: Path, templates: Mapping[str, Template]) -> SpecError:
    """What a bad file raises."""
    with pytest.raises(SpecError) as caught:
        load(decode(path.read_bytes(), "endpoints.yaml"), "endpoints.yaml", templates)
    return caught.value


def test_at_least_sixty_files_are_bad() -> None:
    """The collection does not shrink by accident."""
    assert len(CASES) >= 60


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_bad_file_gives_its_exact_message(
    path: Path, templates: Mapping[str, Template], update_golden: bool
) -> None:
    """The message is read in review; each fault has a line of the file, a known code and a mend."""
    golden = path.with_suffix(".txt")

    error = faults_of(path, templates)

    if update_golden:
        golden.write_text(f"{error}\n", encoding="utf-8")
    lines = path.read_bytes().count(b"\n") + 1
    assert all(1 <= fault.line <= lines and fault.column >= 1 for fault in error.faults)
    assert all(fault.code in CODES and fault.mend and fault.what for fault in error.faults)
    assert f"{error}\n" == golden.read_text(encoding="utf-8")


def test_bad_files_show_every_code_of_endpoints_yaml(templates: Mapping[str, Template]) -> None:
    """No code is without a file that shows it."""
    shown = {fault.code for path in CASES for fault in faults_of(path, templates).faults}

    assert set(CODES) - shown == FIXED_ELSEWHERE | STACK_FILE | FIT


def test_no_message_shows_a_secret() -> None:
    """The bad files hold made-up secrets; the messages hold none."""
    secrets = ("hunter2", "ghp_")

    leaking = [
        path.name
        for path in BAD.glob("*.txt")
        if any(secret in path.read_text(encoding="utf-8") for secret in secrets)
    ]

    assert leaking == []
