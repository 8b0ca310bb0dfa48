"""Repositories of the stack's images, and the account's cache of public registries."""

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_aws.ecr._inputs import (
    RepositoryCreationTemplateEncryptionConfigurationArgs,
    RepositoryEncryptionConfigurationArgs,
    RepositoryImageScanningConfigurationArgs,
)
from pulumi_aws.ecr.lifecycle_policy import LifecyclePolicy
from pulumi_aws.ecr.pull_through_cache_rule import PullThroughCacheRule
from pulumi_aws.ecr.repository import Repository
from pulumi_aws.ecr.repository_creation_template import RepositoryCreationTemplate

from infra.plan.aws.image_registry import ImageRegistryPlan, PullCachePlan, RepositoryPlan


class ImageRegistry(pulumi.ComponentResource):
    """Creates the repositories, which images are pushed to, and the rules by which public ones are cached.

    Args of note:
        key_arn: of the key `data`.

    Attributes of note:
        repositories: what must be there before an image is pushed.
    """

    def __init__(
        self,
        name: str,
        plan: ImageRegistryPlan,
        *,
        key_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:ImageRegistry", name, {}, opts)
        self._name = name
        self._inside = ResourceOptions(parent=self)
        self.repositories = [self._repository(repository, key_arn) for repository in plan.repositories]
        for cache in plan.caches:
            self._cache(cache)
        self.register_outputs({})

    def _repository(self, plan: RepositoryPlan, key_arn: Input[str]) -> Repository:
        repository = Repository(
            f"{self._name}-{plan.name}",
            name=plan.repository,
            encryption_configurations=[
                RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key_arn)
            ],
            force_delete=not plan.is_protected,
            image_scanning_configuration=RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            image_tag_mutability="IMMUTABLE",
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self, protect=plan.is_protected, retain_on_delete=plan.is_protected),
        )
        LifecyclePolicy(
            f"{self._name}-{plan.name}-lifecycle",
            repository=repository.name,
            policy=plan.lifecycle,
            opts=self._inside,
        )
        return repository

    def _cache(self, plan: PullCachePlan) -> None:
        """A key of one's own, or tags, would need a role that ECR takes: what is public gets AWS's own key."""
        template = RepositoryCreationTemplate(
            f"{self._name}-{plan.name}-template",
            prefix=plan.prefix,
            applied_fors=["PULL_THROUGH_CACHE"],
            description=f"Images of {plan.upstream}",
            encryption_configurations=[
                RepositoryCreationTemplateEncryptionConfigurationArgs(encryption_type="AES256")
            ],
            image_tag_mutability="MUTABLE",
            lifecycle_policy=plan.lifecycle,
            opts=self._inside,
        )
        PullThroughCacheRule(
            f"{self._name}-{plan.name}-cache",
            ecr_repository_prefix=plan.prefix,
            upstream_registry_url=plan.upstream,
            opts=ResourceOptions(parent=self, depends_on=[template]),
        )
