"""The cluster's plan: who reaches it, what it runs, who may do what, and which keys encrypt it."""

import json
import re
from typing import Any, get_args

import pytest
from support.aws_scope import scope_for

from infra.plan.aws.cluster import (
    EksPlan,
    GivenCluster,
    kubeconfig_text,
    plan_eks,
    service_range,
)
from infra.plan.aws.cluster_roles import CLUSTER, cluster_roles
from infra.plan.aws.eks_addons import VERSIONS
from infra.plan.aws.keys import key_policy, key_statement, plan_keys
from infra.plan.aws.logs import cluster_log_group
from infra.plan.aws.roles import policy_document, trust_document
from infra.spec.stack_aws import AwsCluster

SUPPORTED = get_args(AwsCluster.model_fields["version"].annotation)
EXISTING = {"existing": {"name": "shared", "security_group": "sg-0123456789abcdef0"}}
IAM_TEXT = re.compile(r"[\t\n\r\x20-\x7e\xa1-\xff]{1,1000}")
"""A description of IAM. Source: IAM API, CreateRole, 2026-11."""


def eks(*, needs_efs: bool = False, protect: bool = True, **cluster: object) -> EksPlan:
    """The plan of a cluster of one's own."""
    plan = plan_eks(*scope_for(cluster=cluster, protect=protect), needs_efs=needs_efs)
    assert isinstance(plan, EksPlan)
    return plan


def test_nobody_reaches_the_api_from_outside_unless_the_stack_says_who() -> None:
    """Private by default."""
    assert eks().public_cidrs == ()
    assert eks(public_cidrs=["203.0.113.0/24"]).public_cidrs == ("203.0.113.0/24",)


@pytest.mark.parametrize("version", SUPPORTED)
def test_every_supported_version_has_every_addon_pinned(version: str) -> None:
    """kube-proxy is the cluster's own version; the driver of shared volumes is there only where one is."""
    with_efs = {addon.name: addon for addon in eks(version=version, needs_efs=True).addons}
    without = {addon.name for addon in eks(version=version).addons}

    assert with_efs["kube-proxy"].version.startswith(f"v{version}.")
    assert {*with_efs} - without == {"aws-efs-csi-driver"}
    assert {*VERSIONS} == {*SUPPORTED}


def test_nodes_wait_for_the_network_and_for_credentials_and_for_nothing_else() -> None:
    """An add-on of pods that waited for no node would wait for ever."""
    first = {addon.name for addon in eks(needs_efs=True).addons if addon.is_before_nodes}

    assert first == {"eks-pod-identity-agent", "kube-proxy", "vpc-cni"}


def test_network_policies_are_obeyed() -> None:
    """Without the setting they are accepted and ignored."""
    values = {addon.name: addon.values for addon in eks().addons}

    assert json.loads(values["vpc-cni"] or "") == {"enableNetworkPolicy": "true"}


def test_every_role_that_an_addon_takes_is_planned() -> None:
    """With and without shared volumes."""
    for needs_efs in (False, True):
        roles = {role.name for role in cluster_roles(*scope_for(), needs_efs=needs_efs)}

        taken = {addon.role for addon in eks(needs_efs=needs_efs).addons if addon.role is not None}
        assert taken <= roles
        assert ("efs-csi" in roles) == needs_efs


def test_nodes_of_another_kind_are_another_group_and_more_of_them_are_not() -> None:
    """EKS changes neither the type of a group nor its fewest above what it has; its most it can."""
    names = [
        eks(system=system).nodes.group_name
        for system in ({}, {"max": 9}, {"min": 3}, {"instance_type": "m7i.xlarge"})
    ]

    assert names[0] == names[1]
    assert len(set(names)) == 3


@pytest.mark.parametrize("vpc", ["10.64.0.0/16", "172.20.0.0/16", "10.100.0.0/16"])
def test_services_never_lie_in_the_vpc(vpc: str) -> None:
    """Either range of EKS's own is taken where the other is in use."""
    assert service_range(vpc) != vpc


def test_a_cluster_that_is_there_has_nothing_made_but_a_role_for_nodes() -> None:
    """Neither key nor drivers; its network plugin may take its rights from the node."""
    scope, aws = scope_for(cluster=EXISTING)

    assert plan_eks(scope, aws, needs_efs=True) == GivenCluster("shared", "sg-0123456789abcdef0")
    (node,) = cluster_roles(scope, aws, needs_efs=True)
    assert any(arn.endswith("AmazonEKS_CNI_Policy") for arn in node.managed)
    assert [key.name for key in plan_keys(scope, aws)] == ["data", "logs"]


def test_a_protected_stack_protects_cluster_and_keys() -> None:
    """And one that is not can be torn down."""
    for protect in (False, True):
        keys = plan_keys(*scope_for(protect=protect))

        assert eks(protect=protect).is_protected == protect
        assert {key.is_protected for key in keys} == {protect}


def test_kubeconfig_holds_no_secret() -> None:
    """A token is asked for each time."""
    config = json.loads(kubeconfig_text("moorage-prod", "eu-central-1", "https://api.example.com", "Q0E="))

    (user,) = config["users"]
    assert {*user["user"]} == {"exec"}
    assert user["user"]["exec"]["args"][:2] == ["eks", "get-token"]


@pytest.mark.parametrize("autoscaler", ["cluster-autoscaler", "karpenter"])
def test_every_key_and_role_and_statement_has_a_reason_that_aws_takes(autoscaler: str) -> None:
    """Reasons are the descriptions in the account."""
    scope, aws = scope_for(capacity={"autoscaler": autoscaler}, network={"flow_log_days": 30})
    keys, roles = plan_keys(scope, aws), cluster_roles(scope, aws, needs_efs=True)

    reasons = [
        *(key.reason for key in keys),
        *(service.reason for key in keys for service in key.services),
        *(role.reason for role in roles),
        *(statement.reason for role in roles for statement in role.statements),
    ]
    assert [reason for reason in reasons if not IAM_TEXT.fullmatch(reason)] == []


def test_whom_a_key_trusts_is_the_account_or_bound_by_a_condition() -> None:
    """A star as principal without a condition would be the whole world."""
    for key in plan_keys(*scope_for(capacity={"first": "spot"})):
        account, *services = key_policy(key)["Statement"]

        assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
        assert all(each["Condition"] for each in services)
        for each in services:
            if each["Principal"] == {"AWS": "*"}:
                assert each["Condition"]["StringEquals"]["kms:CallerAccount"] == "123456789012"
                assert each["Condition"]["StringEquals"]["aws:PrincipalArn"]


def test_the_key_of_logs_encrypts_the_log_group_of_the_control_plane() -> None:
    """Else the group could not be made."""
    scope, aws = scope_for()
    (logs,) = (key for key in plan_keys(scope, aws) if key.name == "logs")

    (service,) = key_policy(logs)["Statement"][1:]
    allowed = service["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert scope.arn("logs", f"log-group:{cluster_log_group(scope)}") in allowed


def test_a_role_is_given_one_key_of_the_account_by_its_alias() -> None:
    """The resource names all keys, for the id of one is not known; the condition names one."""
    scope, _ = scope_for()

    statement = key_statement(scope, "data", sid="Read", reason="Reads.", actions=("kms:Decrypt",))

    assert statement.conditions == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/moorage-prod-data"}
    }


def test_roles_are_taken_by_one_service_each_and_do_nothing_with_a_star() -> None:
    """A star stands for a resource only where the reason says why; never for an action."""
    for role in cluster_roles(*scope_for(network={"flow_log_days": 30}), needs_efs=True):
        (trusted,) = trust_document(role, "123456789012")["Statement"]
        document: dict[str, Any] = policy_document(role)

        assert {*trusted["Principal"]} == {"Service"}
        assert [each for each in document["Statement"] if any("*" in name for name in each["Action"])] == []
        for statement in role.statements:
            assert statement.resources != ("*",) or "no resource" in statement.reason


def test_the_control_plane_may_use_the_key_of_its_secrets_only() -> None:
    """Not the one of the data."""
    (role,) = (role for role in cluster_roles(*scope_for(), needs_efs=False) if role.name == CLUSTER)

    aliases = [each.conditions["ForAnyValue:StringEquals"]["kms:ResourceAliases"] for each in role.statements]
    assert aliases == ["alias/moorage-prod-cluster"]
