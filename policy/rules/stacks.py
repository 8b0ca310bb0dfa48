"""What holds of a stack as a whole: its cost, its tags, and that its data outlives an edit."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import STACK, Breach, ResourceRule, StackRule
from policy.seen import UNKNOWN, Seen, Subject, at, blocks

REQUIRED_TAGS = ("moorage:managed-by", "moorage:stack")
"""By these roles and budgets tell a stack's resources from all others."""
DATA_TYPES = (
    "aws:amp/workspace:Workspace",
    "aws:ecr/repository:Repository",
    "aws:efs/fileSystem:FileSystem",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:kms/key:Key",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
)
"""Types that hold what cannot be made again, and keys without which it cannot be read."""
OWN_DATA_TYPES = ("kubernetes:apps/v1:StatefulSet", "kubernetes:core/v1:PersistentVolumeClaim")
"""The same in the cluster, where no endpoint owns it: the queue's journal, and usage. What is on an endpoint's disk can
be loaded anew."""
ENDPOINT_LABEL = "moorage.dev/endpoint"
"""On everything of an endpoint."""
WITHOUT_TAGS = frozenset(
    {
        "aws:acm/certificateValidation:CertificateValidation",
        "aws:amp/alertManagerDefinition:AlertManagerDefinition",
        "aws:autoscaling/lifecycleHook:LifecycleHook",
        "aws:autoscaling/policy:Policy",
        "aws:autoscaling/tag:Tag",
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "aws:cloudwatch/logStream:LogStream",
        "aws:costexplorer/costAllocationTag:CostAllocationTag",
        "aws:ec2/eipAssociation:EipAssociation",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation",
        "aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation",
        "aws:ecr/accountSetting:AccountSetting",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/pullThroughCacheRule:PullThroughCacheRule",
        "aws:ecr/registryPolicy:RegistryPolicy",
        "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
        "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "aws:efs/backupPolicy:BackupPolicy",
        "aws:efs/fileSystemPolicy:FileSystemPolicy",
        "aws:efs/mountTarget:MountTarget",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:elasticache/userGroupAssociation:UserGroupAssociation",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:kms/alias:Alias",
        "aws:kms/grant:Grant",
        "aws:kms/keyPolicy:KeyPolicy",
        "aws:lb/listenerCertificate:ListenerCertificate",
        "aws:lb/targetGroupAttachment:TargetGroupAttachment",
        "aws:route53/record:Record",
        "aws:s3/bucketAcl:BucketAcl",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:secretsmanager/secretPolicy:SecretPolicy",
        "aws:secretsmanager/secretRotation:SecretRotation",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:sqs/queuePolicy:QueuePolicy",
        "aws:wafv2/webAclAssociation:WebAclAssociation",
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
    }
)
"""Types of AWS that take no tags. Source: signatures of pulumi_aws 7.51; a test compares them."""


def _tags(seen: Seen) -> Mapping[str, Any] | None:
    """Tags of a resource that takes some; None of any other, and of what is not known yet."""
    if not seen.type.startswith("aws:") or seen.type in WITHOUT_TAGS:
        return None
    tags = seen.inputs.get("tags")
    if tags == UNKNOWN:
        return None
    if isinstance(tags, Mapping):
        return tags
    return {str(each.get("key")): each.get("value") for each in blocks(tags)}


def _missing_tags(seen: Seen) -> Iterator[str]:
    tags = _tags(seen)
    missing = [] if tags is None else [key for key in REQUIRED_TAGS if not tags.get(key)]
    if missing:
        yield f"lacks the tags {', '.join(missing)}."


def _missing_names(seen: Seen) -> Iterator[str]:
    tags = _tags(seen)
    if tags is not None and not tags.get("Name"):
        yield "lacks the tag Name."


def _unprotected_data(subject: Subject) -> Iterator[Breach]:
    if subject.bounds is not None and subject.bounds.is_protected:
        own = (each for each in subject.of(*OWN_DATA_TYPES) if not _is_of_an_endpoint(each))
        for seen in (*subject.of(*DATA_TYPES), *own):
            if not seen.protect:
                yield Breach(seen.key, "holds data and is not protected.")


def _is_of_an_endpoint(seen: Seen) -> bool:
    return at(seen.inputs, "metadata", "labels", ENDPOINT_LABEL) is not None


def _too_dear(subject: Subject) -> Iterator[Breach]:
    bounds = subject.bounds
    if bounds is None or bounds.ceiling_dollars_per_hour is None:
        return
    if bounds.most_dollars_per_hour > bounds.ceiling_dollars_per_hour:
        most, ceiling = bounds.most_dollars_per_hour, bounds.ceiling_dollars_per_hour
        yield Breach(STACK, f"may cost ${most:,.2f} an hour, above its ceiling of ${ceiling:,.2f}.")


def _unbounded(subject: Subject) -> Iterator[Breach]:
    is_aws = any(seen.type.startswith("aws:") for seen in subject.resources)
    if is_aws and subject.bounds is not None and subject.bounds.ceiling_dollars_per_hour is None:
        yield Breach(
            STACK, f"may cost ${subject.bounds.most_dollars_per_hour:,.2f} an hour, and has no ceiling."
        )


RULES = (
    StackRule(
        "cost-ceiling",
        "mandatory",
        "With every endpoint at its most replicas a stack costs no more than its ceiling",
        "Lower replicas.max or take smaller hardware; or raise aws.ceiling_dollars_per_hour.",
        _too_dear,
    ),
    StackRule(
        "cost-unbounded",
        "advisory",
        "Each stack in AWS has a ceiling",
        "Set aws.ceiling_dollars_per_hour.",
        _unbounded,
    ),
    StackRule(
        "data-protected",
        "mandatory",
        "With `protect: true` what holds data is protected from being deleted",
        "Give it protect=True; to delete it for good set `protect: false` first.",
        _unprotected_data,
    ),
    ResourceRule(
        "tags-required",
        "mandatory",
        "All that takes tags tells its stack and who manages it",
        "Give it the tags of the stack's scope.",
        _missing_tags,
    ),
    ResourceRule(
        "tag-name",
        "advisory",
        "All that takes tags has a name in the console",
        "Give it the tag Name.",
        _missing_names,
    ),
)
