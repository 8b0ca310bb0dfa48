"""Holds recorded inputs against AWS's own models of its APIs, as botocore carries them.

Terraform and Pulumi keep most of the API's names, so members are found by name, in any case; what has another
name stands in the tables. A model tells values (`enum`), lengths and ranges (`min`, `max`) and forms (`pattern`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from support.aws_types import HIDDEN, Fault

from infra.plan.recording import Resource

Found = tuple[str, Shape, Any]
"""Path of an input, what AWS says of it, and its value."""


@dataclass(frozen=True, slots=True)
class Request:
    """The shape that a resource becomes."""

    service: str
    shape: str
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Members with another name, by the input's."""


REQUESTS: tuple[tuple[str, Request], ...] = (
    ("aws:acm/certificate:Certificate", Request("acm", "RequestCertificateRequest")),
    ("aws:amp/workspace:Workspace", Request("amp", "CreateWorkspaceRequest")),
    ("aws:autoscaling/tag:Tag", Request("autoscaling", "Tag")),
    ("aws:budgets/budget:Budget", Request("budgets", "Budget", {"name": "BudgetName"})),
    ("aws:budgets/budget:Budget", Request("budgets", "Notification")),
    ("aws:cloudwatch/eventRule:EventRule", Request("events", "PutRuleRequest")),
    ("aws:cloudwatch/eventTarget:EventTarget", Request("events", "Target", {"targetId": "Id"})),
    ("aws:cloudwatch/logGroup:LogGroup", Request("logs", "CreateLogGroupRequest", {"name": "logGroupName"})),
    ("aws:ec2/eip:Eip", Request("ec2", "AllocateAddressRequest")),
    ("aws:ec2/flowLog:FlowLog", Request("ec2", "CreateFlowLogsRequest")),
    ("aws:ec2/launchTemplate:LaunchTemplate", Request("ec2", "RequestLaunchTemplateData")),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", Request("ec2", "CreateVpcEndpointRequest")),
    (
        "aws:ecr/pullThroughCacheRule:PullThroughCacheRule",
        Request("ecr", "CreatePullThroughCacheRuleRequest"),
    ),
    ("aws:ecr/repository:Repository", Request("ecr", "CreateRepositoryRequest", {"name": "repositoryName"})),
    (
        "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate",
        Request("ecr", "CreateRepositoryCreationTemplateRequest", {"appliedFors": "appliedFor"}),
    ),
    ("aws:efs/fileSystem:FileSystem", Request("efs", "CreateFileSystemRequest")),
    ("aws:efs/fileSystem:FileSystem", Request("efs", "LifecyclePolicy")),
    ("aws:eks/accessEntry:AccessEntry", Request("eks", "CreateAccessEntryRequest")),
    (
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        Request("eks", "AssociateAccessPolicyRequest"),
    ),
    (
        "aws:eks/addon:Addon",
        Request("eks", "CreateAddonRequest", {"resolveConflictsOnCreate": "resolveConflicts"}),
    ),
    (
        "aws:eks/addon:Addon",
        Request("eks", "UpdateAddonRequest", {"resolveConflictsOnUpdate": "resolveConflicts"}),
    ),
    ("aws:eks/cluster:Cluster", Request("eks", "CreateClusterRequest", {"vpcConfig": "resourcesVpcConfig"})),
    ("aws:eks/cluster:Cluster", Request("eks", "LogSetup", {"enabledClusterLogTypes": "types"})),
    (
        "aws:eks/nodeGroup:NodeGroup",
        Request("eks", "CreateNodegroupRequest", {"nodeRoleArn": "nodeRole", "subnetIds": "subnets"}),
    ),
    (
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        Request("eks", "CreatePodIdentityAssociationRequest"),
    ),
    (
        "aws:elasticache/replicationGroup:ReplicationGroup",
        Request("elasticache", "CreateReplicationGroupMessage", {"nodeType": "CacheNodeType"}),
    ),
    ("aws:elasticache/user:User", Request("elasticache", "CreateUserMessage")),
    ("aws:elasticache/userGroup:UserGroup", Request("elasticache", "CreateUserGroupMessage")),
    (
        "aws:iam/role:Role",
        Request(
            "iam", "CreateRoleRequest", {"assumeRolePolicy": "AssumeRolePolicyDocument", "name": "RoleName"}
        ),
    ),
    (
        "aws:iam/rolePolicy:RolePolicy",
        Request("iam", "PutRolePolicyRequest", {"name": "PolicyName", "policy": "PolicyDocument"}),
    ),
    ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", Request("iam", "AttachRolePolicyRequest")),
    ("aws:kms/alias:Alias", Request("kms", "CreateAliasRequest", {"name": "AliasName"})),
    ("aws:kms/key:Key", Request("kms", "CreateKeyRequest")),
    ("aws:kms/key:Key", Request("kms", "EnableKeyRotationRequest")),
    (
        "aws:kms/key:Key",
        Request("kms", "ScheduleKeyDeletionRequest", {"deletionWindowInDays": "PendingWindowInDays"}),
    ),
    ("aws:lb/listener:Listener", Request("elbv2", "CreateListenerInput")),
    (
        "aws:lb/loadBalancer:LoadBalancer",
        Request("elbv2", "CreateLoadBalancerInput", {"loadBalancerType": "Type"}),
    ),
    ("aws:lb/targetGroup:TargetGroup", Request("elbv2", "CreateTargetGroupInput")),
    ("aws:route53/record:Record", Request("route53", "ResourceRecordSet")),
    (
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        Request("s3", "BucketLifecycleConfiguration"),
    ),
    (
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        Request("s3", "OwnershipControls", {"rule": "Rules"}),
    ),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        Request("s3", "ServerSideEncryptionConfiguration"),
    ),
    ("aws:s3/bucketVersioning:BucketVersioning", Request("s3", "VersioningConfiguration")),
    ("aws:secretsmanager/secret:Secret", Request("secretsmanager", "CreateSecretRequest")),
    ("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", Request("ec2", "IpPermission")),
    ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", Request("ec2", "IpPermission")),
    ("aws:wafv2/webAcl:WebAcl", Request("wafv2", "CreateWebACLRequest")),
)
"""Types that have requests of the same words, some of them several; what is not here, no model bounds."""
FLAT = frozenset({"lifecyclePolicies", "notifications", "tag", "versioningConfiguration"})
"""Objects of an input whose members are the shape's own."""


def misfits(resource: Resource) -> Iterator[Fault]:
    """What AWS's model would refuse."""
    for path, shape, value in _compared(resource):
        says = _misfit(shape, value)
        if says:
            yield Fault(f"{resource.type}::{resource.name}", path, says)


def compared(resource: Resource) -> Iterator[str]:
    """Inputs for which the model tells more than a type."""
    for path, shape, _ in _compared(resource):
        if getattr(shape, "enum", None) or {"max", "min", "pattern"} & shape.metadata.keys():
            yield path


def _compared(resource: Resource) -> Iterator[Found]:
    references = {key.partition("::")[2] for key in resource.dependencies}
    found = (
        each
        for kind, request in REQUESTS
        if kind == resource.type
        for each in _walk(shape_of(request), resource.inputs, "", request.names)
    )
    for path, member, value in found:
        is_told_later = isinstance(value, str) and (
            value in references or value in HIDDEN or "generated" in value
        )
        if not is_told_later:
            yield path, member, value


def _walk(shape: Shape, value: Any, path: str, names: Mapping[str, str]) -> Iterator[Found]:
    match shape.type_name, value:
        case "structure", Mapping():
            yield from _of_members(shape, value, path, names)
        case "structure", list():
            for index, item in enumerate(value):
                yield from _walk(shape, item, f"{path}[{index}]", names)
        case "list", Mapping():
            is_tags = path.endswith("tags")
            yield from _of_tags(shape, value, path) if is_tags else _walk(shape, [value], path, names)
        case "list", list():
            yield path, shape, value
            for index, item in enumerate(value):
                yield from _walk(shape.member, item, f"{path}[{index}]", names)
        case "map", Mapping():
            for name, item in value.items():
                yield f"{path}.{name}", shape.key, name
                yield from _walk(shape.value, item, f"{path}.{name}", names)
        case (("structure" | "list" | "map"), _):
            return  # text where the API has an object, as a policy is
        case _:
            yield path, shape, value


def _of_members(
    shape: Shape, value: Mapping[str, Any], path: str, names: Mapping[str, str]
) -> Iterator[Found]:
    for name, item in value.items():
        member = shape if name in FLAT else _member(shape, name, names)
        if member is not None:
            yield from _walk(member, item, f"{path}.{name}" if path else name, names)


def _of_tags(shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[Found]:
    """A mapping here is a list of keys and values there."""
    if shape.member.type_name != "structure":
        return
    members = {name.lower(): member for name, member in shape.member.members.items()}
    if {"key", "value"} <= members.keys():
        yield path, shape, list(value)
        for name, item in value.items():
            yield f"{path}.{name}", members["key"], name
            yield f"{path}.{name}", members["value"], item


def _member(shape: Shape, name: str, names: Mapping[str, str]) -> Shape | None:
    """The member of that name in any case, singular or plural."""
    wanted = names.get(name, name).lower()
    for known, member in shape.members.items():
        if known.lower() in {wanted, wanted.removesuffix("s"), f"{wanted}s"}:
            return member
    return None


def _misfit(shape: Shape, value: Any) -> str:
    bounds = shape.metadata
    if getattr(shape, "enum", None) and value not in shape.enum:
        return f"{value!r} is none of {', '.join(sorted(shape.enum))}"
    size = value if shape.type_name in {"integer", "long", "float", "double"} else len(str(value))
    if shape.type_name == "list":
        size = len(value)
    if shape.type_name not in {"boolean", "timestamp"} and not _is_number_as_text(shape, value):
        if size < bounds.get("min", size):
            return f"{value!r}: {size} is below {bounds['min']}"
        if size > bounds.get("max", size):
            return f"{value!r}: {size} is above {bounds['max']}"
    if isinstance(value, str) and not _has_form(bounds.get("pattern"), value):
        return f"{value!r} has not the form {bounds['pattern']}"
    return ""


def _is_number_as_text(shape: Shape, value: Any) -> bool:
    return shape.type_name in {"integer", "long"} and isinstance(value, str)


def _has_form(pattern: str | None, value: str) -> bool:
    """Whether text has a form; one that Python cannot read holds nothing back."""
    try:
        return pattern is None or re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True


@cache
def shape_of(request: Request) -> Shape:
    """A request's shape.

    Raises:
        NoShapeFoundError: AWS has none of that name.
    """
    return _model(request.service).shape_for(request.shape)


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)
