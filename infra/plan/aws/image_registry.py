"""Images: repositories of the stack's own, and a cache of public registries.

The cache takes registries that ask for no login. Docker Hub and ghcr.io do: each would need a secret in Secrets Manager
whose name begins with `ecr-pullthroughcache/`, which the stack does not keep.
Source: ECR User Guide, "Creating a pull through cache rule", 2026-11.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.plan.aws.roles import Statement
from infra.plan.aws.scope import Scope

UPSTREAMS: tuple[tuple[str, str], ...] = (
    ("k8s", "registry.k8s.io"),
    ("public", "public.ecr.aws"),
    ("quay", "quay.io"),
)
"""Part of the name, and the registry: those that need no login."""
LONGEST_PREFIX = 30
"""Characters of a cache's prefix. Source: ECR API Reference, CreatePullThroughCacheRule, 2026-11."""
UNTAGGED_DAYS = 7
KEPT = 50
"""A tag is the hash of its content, so each release has its own: a rollback, by hand or by reverting a commit, names an
image of weeks ago, and Kubernetes itself pulls it anew on every new node. Fewer would take it from under them."""
CACHED_DAYS = 30
"""A cached image that is asked for again is fetched again."""
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class RepositoryPlan:
    """One repository; a tag in it is never overwritten."""

    name: str
    """Of the resource."""
    repository: str
    """In the registry."""
    lifecycle: str
    """Which images go, as JSON."""
    tags: Mapping[str, str]
    is_protected: bool


@dataclass(frozen=True, slots=True)
class PullCachePlan:
    """A public registry whose images are kept in the account's."""

    name: str
    prefix: str
    """Begins the name of each repository of it."""
    upstream: str
    lifecycle: str


@dataclass(frozen=True, slots=True)
class ImageRegistryPlan:
    """The account's registry, as far as it is this stack's; each list sorted by name."""

    repositories: tuple[RepositoryPlan, ...]
    caches: tuple[PullCachePlan, ...]


def plan_image_registry(scope: Scope, references: tuple[str, ...]) -> ImageRegistryPlan:
    """The repositories of all images that the stack runs from its own registry, and the caches.

    Args:
        scope: of the stack.
        references: of all its images, built here or not; those of other registries are left out.
    """
    return ImageRegistryPlan(
        repositories=tuple(_repository(scope, name) for name in _own_repositories(scope, references)),
        caches=tuple(
            PullCachePlan(name, f"{_prefix(scope)}/{name}", upstream, _lifecycle(_expire_cached()))
            for name, upstream in UPSTREAMS
        ),
    )


def registry_host(scope: Scope) -> str:
    """The account's registry in its region."""
    return f"{scope.account}.dkr.ecr.{scope.region}.amazonaws.com"


def pull_cache_statement(scope: Scope) -> Statement:
    """What nodes may do so that the first pull of an image through a cache makes its repository."""
    return Statement(
        sid="FillPullCaches",
        reason="The first pull of a public image makes its repository in the account, below the caches' prefix only.",
        actions=("ecr:BatchImportUpstreamImage", "ecr:CreateRepository"),
        resources=tuple(scope.arn("ecr", f"repository/{_prefix(scope)}/{name}/*") for name, _ in UPSTREAMS),
    )


def _own_repositories(scope: Scope, references: tuple[str, ...]) -> list[str]:
    host = f"{registry_host(scope)}/"
    own = {reference.removeprefix(host) for reference in references if reference.startswith(host)}
    return sorted({name.partition("@")[0].rpartition(":")[0] or name.partition("@")[0] for name in own})


def _repository(scope: Scope, repository: str) -> RepositoryPlan:
    return RepositoryPlan(
        name=repository.removeprefix(f"{scope.name}/").replace("/", "-"),
        repository=repository,
        lifecycle=_lifecycle(_expire_untagged(), _keep_newest()),
        tags={**scope.tags, "Name": repository},
        is_protected=scope.is_protected,
    )


def _prefix(scope: Scope) -> str:
    """The stack's name, shortened where a cache's would be too long."""
    most = LONGEST_PREFIX - 1 - max(len(name) for name, _ in UPSTREAMS)
    if len(scope.name) <= most:
        return scope.name
    digest = hashlib.sha256(scope.name.encode()).hexdigest()[:_DIGITS]
    return f"{scope.name[: most - _DIGITS - 1].rstrip('-')}-{digest}"


def _expire_untagged() -> dict[str, Any]:
    return {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }


def _keep_newest() -> dict[str, Any]:
    return {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT}


def _expire_cached() -> dict[str, Any]:
    return {
        "tagStatus": "any",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": CACHED_DAYS,
    }


def _lifecycle(*selections: Mapping[str, Any]) -> str:
    """A lifecycle policy; its rules count in this order."""
    rules = [
        {"rulePriority": number, "selection": dict(selection), "action": {"type": "expire"}}
        for number, selection in enumerate(selections, 1)
    ]
    return json.dumps({"rules": rules}, sort_keys=True)
