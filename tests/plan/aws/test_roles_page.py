"""Who may do what in an account: told whole, and not a word more than the page says."""

from pathlib import Path

import pytest
from support.recordings import write_project

from infra.plan.aws.roles import RolePlan
from infra.plan.aws.roles_page import roles_page
from infra.plan.planner import plan_platform
from infra.project import read_specs, read_stack

ROOT = Path(__file__).parent.parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
PAGE = ROOT / "docs" / "aws-roles.md"
CASES = ("aws-every-key", "aws-existing")
"""Together they have every role: one with Cluster Autoscaler and every store, one with Karpenter."""


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> list[RolePlan]:
    """Every role, the first case's where both have it."""
    found: dict[str, RolePlan] = {}
    for case in CASES:
        texts = ((GOLDEN / case / name).read_text("utf-8") for name in ("endpoints.yaml", "Pulumi.prod.yaml"))
        folder = write_project(tmp_path_factory.mktemp(case), *texts)
        plan = plan_platform(read_specs(folder), read_stack(folder, "prod").settings, "prod")
        assert plan.aws is not None
        found = {role.name: role for role in plan.aws.roles} | found
    return [found[name] for name in sorted(found)]


def test_page_tells_of_every_role_what_it_may_do(roles: list[RolePlan], update_golden: bool) -> None:
    """A policy that grows shows here; the page is rewritten by `--update-golden` and read in review."""
    text = roles_page(roles)

    if update_golden:
        PAGE.write_text(text, encoding="utf-8")

    assert {"autoscaler", "karpenter", "gateway", "replica", "node"} <= {role.name for role in roles}
    assert PAGE.read_text("utf-8") == text


def test_every_statement_and_role_has_its_reason(roles: list[RolePlan]) -> None:
    """A sentence, not a repetition of the action."""
    short = [
        f"{role.name}.{statement.sid}"
        for role in roles
        for statement in role.statements
        if len(statement.reason.split()) < 4 or not role.reason.endswith(".")
    ]

    assert short == []


def test_nothing_may_do_everything(roles: list[RolePlan]) -> None:
    """No action of all, and no `*` as the only resource of one that changes something without a condition."""
    changing = ("create", "delete", "put", "run", "terminate", "update", "modify", "attach", "pass")
    wide = [
        f"{role.name}.{statement.sid}"
        for role in roles
        for statement in role.statements
        if "*" in statement.actions
        or any(action.endswith(":*") for action in statement.actions)
        or (
            "*" in statement.resources
            and not statement.conditions
            and any(action.partition(":")[2].lower().startswith(changing) for action in statement.actions)
        )
    ]

    assert wide == []


def test_every_pod_role_is_taken_by_somebody(roles: list[RolePlan]) -> None:
    """Those of add-ons are bound by EKS together with the add-on."""
    by_addons = {"ebs-csi", "efs-csi", "vpc-cni"}

    loose = {role.name for role in roles if role.trust == "pods" and not role.service_accounts}

    assert loose <= by_addons
