"""An edit of one endpoint touches its own resources, its hardware's node group, and nothing else."""

import pytest

from infra.plan.recording import Recording
from infra.plan.report.changes import Change, compare, is_restarting

SERVICE = "moorage:components:InferenceService"
RECORD, DEPLOYMENT = "changed ConfigMap first-record", "changed Deployment first-deployment"

pytestmark = pytest.mark.timeout(120)  # the first test of a run waits for the recordings


def changes(edited: dict[str, Recording], edit: str) -> tuple[Change, ...]:
    """What an edit changes."""
    return compare(edited["none"], edited[edit])


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("env", [RECORD, DEPLOYMENT]),
        ("image", [RECORD, DEPLOYMENT]),
        ("hardware", [RECORD, DEPLOYMENT, "added GpuNodeGroup l4-1"]),
        ("replicas", [RECORD]),
        ("timeout", [RECORD]),
        ("limits", [RECORD, DEPLOYMENT, "changed Ingress endpoint-first-public-ingress"]),
        ("secrets", [RECORD, DEPLOYMENT, "added Secret secrets-other-moorage-baseline"]),
        (
            "private",
            [
                RECORD,
                "removed EndpointIngress endpoint-first-public",
                "removed Ingress endpoint-first-public-ingress",
            ],
        ),
    ],
)
def test_edit_changes_exactly_this(edit: str, expected: list[str], edited: dict[str, Recording]) -> None:
    """Neither another endpoint nor a program of the platform."""
    found = [
        f"{each.kind} {each.type.rpartition(':')[2]} {each.name}"
        for each in changes(edited, edit)
        if each.type != SERVICE
    ]

    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("edit", "name"), [("removed", "first"), ("added", "fourth")])
def test_endpoint_comes_and_goes_by_itself(edit: str, name: str, edited: dict[str, Recording]) -> None:
    """All that is added or removed bears its name; nothing is changed but the hardware's counts."""
    found = changes(edited, edit)

    assert {each.kind for each in found} == {edit}
    assert all(name in each.name for each in found if each.type != "moorage:components:GpuNodeGroup"), found


@pytest.mark.parametrize(
    ("edit", "is_rolled"),
    [
        ("env", True),
        ("image", True),
        ("hardware", True),
        ("secrets", True),
        ("replicas", False),
        ("timeout", False),
    ],
)
def test_only_what_replicas_are_made_from_rolls_them(
    edit: str, is_rolled: bool, edited: dict[str, Recording]
) -> None:
    """Bounds of scaling are read while it runs."""
    assert any(map(is_restarting, changes(edited, edit))) == is_rolled


def test_nothing_is_ever_replaced_by_an_edit(edited: dict[str, Recording]) -> None:
    """Names and selectors do not depend on what an edit changes."""
    replaced = [each.name for edit in edited for each in changes(edited, edit) if each.is_replaced]

    assert replaced == []


def test_same_project_gives_the_same_recording(edited: dict[str, Recording]) -> None:
    """No change is no difference."""
    assert changes(edited, "none") == ()
