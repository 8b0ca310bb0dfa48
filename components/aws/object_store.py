"""Buckets: private, versioned, encrypted, and emptied by their own lifecycle."""

import json

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi_aws.s3._inputs import (
    BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs,
    BucketLifecycleConfigurationRuleArgs,
    BucketLifecycleConfigurationRuleExpirationArgs,
    BucketLifecycleConfigurationRuleFilterArgs,
    BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs,
    BucketOwnershipControlsRuleArgs,
    BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs,
    BucketServerSideEncryptionConfigurationRuleArgs,
    BucketVersioningVersioningConfigurationArgs,
)
from pulumi_aws.s3.bucket import Bucket
from pulumi_aws.s3.bucket_lifecycle_configuration import BucketLifecycleConfiguration
from pulumi_aws.s3.bucket_ownership_controls import BucketOwnershipControls
from pulumi_aws.s3.bucket_policy import BucketPolicy
from pulumi_aws.s3.bucket_public_access_block import BucketPublicAccessBlock
from pulumi_aws.s3.bucket_server_side_encryption_configuration import BucketServerSideEncryptionConfiguration
from pulumi_aws.s3.bucket_versioning import BucketVersioning

from infra.plan.aws.buckets import MULTIPART_DAYS, BucketPlan

KMS = "aws:kms"


class ObjectStore(pulumi.ComponentResource):
    """Creates the buckets of a stack.

    Args of note:
        key_arn: of the key `data`.

    Attributes of note:
        policies: by role, what must be there before a service writes to that bucket.
    """

    def __init__(
        self,
        name: str,
        plans: tuple[BucketPlan, ...],
        *,
        key_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:ObjectStore", name, {}, opts)
        self._name = name
        self._inside = ResourceOptions(parent=self)
        self._buckets: dict[str, Bucket] = {}
        self.policies: dict[str, BucketPolicy] = {}
        for plan in plans:
            bucket = Bucket(
                f"{name}-{plan.role}",
                bucket=plan.bucket,
                force_destroy=not plan.is_protected,
                tags=dict(plan.tags),
                opts=ResourceOptions(
                    parent=self, protect=plan.is_protected, retain_on_delete=plan.is_protected
                ),
            )
            self._buckets[plan.role] = bucket
            self._close(plan, bucket)
            self._encrypt(plan, bucket, key_arn)
            self._keep(plan, bucket)
        self.register_outputs({})

    def bucket(self, role: str) -> Output[str]:
        """The name of a bucket, once it is there."""
        found: Output[str] = self._buckets[role].bucket
        return found

    def _close(self, plan: BucketPlan, bucket: Bucket) -> None:
        block = BucketPublicAccessBlock(
            f"{self._name}-{plan.role}-public-access",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._inside,
        )
        BucketOwnershipControls(
            f"{self._name}-{plan.role}-ownership",
            bucket=bucket.id,
            rule=BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._inside,
        )
        self.policies[plan.role] = BucketPolicy(
            f"{self._name}-{plan.role}-policy",
            bucket=bucket.id,
            policy=json.dumps(plan.policy, sort_keys=True),
            # S3 takes one change of a bucket's access at a time.
            opts=ResourceOptions(parent=self, depends_on=[block]),
        )

    def _encrypt(self, plan: BucketPlan, bucket: Bucket, key_arn: Input[str]) -> None:
        is_kms = plan.encryption == KMS
        by_default = BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm=plan.encryption, kms_master_key_id=key_arn if is_kms else None
        )
        BucketServerSideEncryptionConfiguration(
            f"{self._name}-{plan.role}-encryption",
            bucket=bucket.id,
            rules=[
                BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=by_default, bucket_key_enabled=is_kms
                )
            ],
            opts=self._inside,
        )

    def _keep(self, plan: BucketPlan, bucket: Bucket) -> None:
        versioning = BucketVersioning(
            f"{self._name}-{plan.role}-versioning",
            bucket=bucket.id,
            versioning_configuration=BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._inside,
        )
        BucketLifecycleConfiguration(
            f"{self._name}-{plan.role}-lifecycle",
            bucket=bucket.id,
            rules=[_old_versions(plan), *([] if plan.days is None else [_expiry(plan.days)])],
            opts=ResourceOptions(parent=self, depends_on=[versioning]),
        )


def _old_versions(plan: BucketPlan) -> BucketLifecycleConfigurationRuleArgs:
    """What was overwritten or removed, delete markers with nothing behind them, and uploads that stay half done."""
    markers = BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True)
    return BucketLifecycleConfigurationRuleArgs(
        id="old-versions",
        status="Enabled",
        filter=BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        expiration=markers,
        noncurrent_version_expiration=BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=plan.noncurrent_days
        ),
        abort_incomplete_multipart_upload=BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=MULTIPART_DAYS
        ),
    )


def _expiry(days: int) -> BucketLifecycleConfigurationRuleArgs:
    return BucketLifecycleConfigurationRuleArgs(
        id="expiry",
        status="Enabled",
        filter=BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        expiration=BucketLifecycleConfigurationRuleExpirationArgs(days=days),
    )
