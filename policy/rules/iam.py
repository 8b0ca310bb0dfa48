"""Who may do what in the account."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import ResourceRule
from policy.seen import Seen, blocks, texts

IDENTITY = {
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/groupPolicy:GroupPolicy",
    "aws:iam/userPolicy:UserPolicy",
}
"""Types that say what an identity may do."""
OPENING: Mapping[str, str] = {
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:efs/fileSystemPolicy:FileSystemPolicy": "policy",
    "aws:iam/role:Role": "assumeRolePolicy",
    "aws:kms/key:Key": "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
}
"""Types that say who may use them, and where."""
KNOW_NO_RESOURCE = frozenset(
    {
        "arc-zonal-shift:GetManagedResource",
        "ecr:GetAuthorizationToken",
        "iam:ListInstanceProfiles",
        "pricing:GetProducts",
        "sts:GetCallerIdentity",
    }
)
"""Actions that are granted on `*` or not at all. Source: Service Authorization Reference, read 2026-11."""
DESCRIBE_NO_RESOURCE = ("autoscaling:Describe", "ec2:Describe", "elasticloadbalancing:Describe")
"""Beginning of actions of which none is granted on one resource. Source: the same."""
TOO_WIDE = ("/AdministratorAccess", "/PowerUserAccess")


def statements(document: Any) -> list[Mapping[str, Any]]:
    """Statements of a policy that allow something; none of one that is not known yet."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return []
    if not isinstance(document, Mapping):
        return []
    return [each for each in blocks(document.get("Statement")) if each.get("Effect") == "Allow"]


def _identity_statements(seen: Seen) -> list[Mapping[str, Any]]:
    return statements(seen.inputs.get("policy")) if seen.type in IDENTITY else []


def _wildcard_actions(seen: Seen) -> Iterator[str]:
    for statement in _identity_statements(seen):
        wide = sorted(each for each in texts(statement.get("Action")) if "*" in each)
        if wide or "NotAction" in statement:
            yield f"statement {_sid(statement)} allows {', '.join(wide) or 'all but some actions'}."


def _wildcard_resources(seen: Seen) -> Iterator[str]:
    for statement in _identity_statements(seen):
        if "NotResource" in statement:
            yield f"statement {_sid(statement)} allows all but some resources."
        if not any(_is_everything(each) for each in texts(statement.get("Resource"))):
            continue
        narrow = sorted(each for each in texts(statement.get("Action")) if not _knows_no_resource(each))
        if narrow:
            yield f"statement {_sid(statement)} allows {', '.join(narrow)} on every resource."


def _is_everything(resource: str) -> bool:
    """`*`, or an ARN of which all that tells one thing from another is `*`."""
    return resource == "*" or (resource.startswith("arn:") and resource.split(":", 5)[-1] == "*")


def _knows_no_resource(action: str) -> bool:
    return action in KNOW_NO_RESOURCE or action.startswith(DESCRIBE_NO_RESOURCE)


def _sid(statement: Mapping[str, Any]) -> str:
    return str(statement.get("Sid") or "without a Sid")


def _wide_managed_policies(seen: Seen) -> Iterator[str]:
    attached: set[str] = set()
    if seen.type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
        attached = texts(seen.inputs.get("policyArn"))
    elif seen.type == "aws:iam/role:Role":
        attached = texts(seen.inputs.get("managedPolicyArns"))
    for arn in sorted(attached):
        if arn.endswith((*TOO_WIDE, "FullAccess")):
            yield f"has {arn.rpartition('/')[2]}."


def _open_policies(seen: Seen) -> Iterator[str]:
    where = OPENING.get(seen.type)
    if where is None:
        return
    for statement in statements(seen.inputs.get(where)):
        if _is_anybody(statement.get("Principal")) and not statement.get("Condition"):
            yield f"statement {_sid(statement)} lets anybody in."


def _is_anybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return any("*" in texts(value) for value in principal.values())
    return bool(principal == "*")


def _users(seen: Seen) -> Iterator[str]:
    if seen.type in {"aws:iam/accessKey:AccessKey", "aws:iam/user:User"}:
        yield "is an identity with a key that does not run out."


RULES = (
    ResourceRule(
        "iam-wildcard-action",
        "mandatory",
        "No policy allows actions by a wildcard",
        "Name each action; what AWS adds later is then not allowed by itself.",
        _wildcard_actions,
    ),
    ResourceRule(
        "iam-wildcard-resource",
        "mandatory",
        "A policy allows an action on `*` only where the action knows no resource",
        "Name the resources, or add the action to KNOW_NO_RESOURCE of policy/rules/iam.py with its source.",
        _wildcard_resources,
    ),
    ResourceRule(
        "iam-managed-policy",
        "mandatory",
        "No role has AdministratorAccess, PowerUserAccess or a FullAccess policy of AWS",
        "Write the statements that it needs, each with its reason.",
        _wide_managed_policies,
    ),
    ResourceRule(
        "policy-open",
        "mandatory",
        "No role, key, bucket, queue, secret, file system or repository lets anybody in",
        "Name the principal, or add a condition that tells one account from another.",
        _open_policies,
    ),
    ResourceRule(
        "iam-user",
        "mandatory",
        "No user and no access key is made",
        "Give the pod a role through Pod Identity.",
        _users,
    ),
)
