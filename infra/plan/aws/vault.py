"""The stack's secrets in AWS Secrets Manager, and the store by which External Secrets reads them.

Values stand encrypted in the stack file, so an entry that is deleted is made again by the next `pulumi up`.

Sources, read 2026-11-25: External Secrets 2.9.0, ClusterSecretStore `external-secrets.io/v1`; Secrets Manager
user guide, "Delete a secret".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.plan.aws.scope import PREFIX, Scope
from infra.plan.manifests.parts import Manifest, labels_of
from infra.spec.model import Spec

RECOVERY_DAYS = 0
"""How long a deleted entry can be brought back, and its name is taken: with any other number an endpoint that comes back
within the week could not have its secret."""


@dataclass(frozen=True, slots=True)
class VaultEntry:
    """One secret whose value the stack holds."""

    secret: str
    """Name in endpoints.yaml, and of the resource."""
    entry: str
    """Name in Secrets Manager."""
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VaultPlan:
    """What the stack keeps in Secrets Manager, and who reads it."""

    entries: tuple[VaultEntry, ...]
    """Sorted by secret; those of `aws_secret` are somebody else's and not among them."""
    prefix: str
    """Begins the name of each entry."""
    store_name: str
    is_read: bool
    """Whether anybody needs a secret: an endpoint, of the stack or of somebody else, or the platform API. Without one
    there is no store."""
    region: str
    namespaces: tuple[str, ...]
    """Whose ExternalSecrets may read by the store."""
    recovery_days: int


def prefix_of(scope: Scope) -> str:
    """Begins the name of each entry of a stack."""
    return f"{PREFIX}/{scope.stack}/"


def plan_vault(
    scope: Scope, spec: Spec, used_secrets: frozenset[str], *, has_database: bool = False
) -> VaultPlan:
    """Entries for the secrets that some endpoint needs and whose values live in the stack.

    Args:
        scope: where the stack lives.
        spec: the endpoints.
        used_secrets: names of the secrets that some endpoint needs (`infra.plan.fit.used_secrets`).
        has_database: whether the platform API has a database, whose password RDS keeps beside them.
    """
    own = [name for name in sorted(used_secrets) if spec.secrets[name].aws_secret is None]
    prefix = prefix_of(scope)
    return VaultPlan(
        entries=tuple(
            VaultEntry(name, f"{prefix}{name}", {**scope.tags, "Name": f"{prefix}{name}"}) for name in own
        ),
        prefix=prefix,
        store_name=scope.name,
        is_read=bool(used_secrets) or has_database,
        region=scope.region,
        namespaces=(scope.namespace, *scope.endpoint_namespaces),
        recovery_days=RECOVERY_DAYS,
    )


def cluster_secret_store(plan: VaultPlan) -> Manifest:
    """The store: it reads as External Secrets' own role, and for the stack's namespaces only."""
    return {
        "metadata": {"name": plan.store_name, "labels": labels_of("secret")},
        "spec": {
            "conditions": [{"namespaces": list(plan.namespaces)}],
            "provider": {"aws": {"region": plan.region, "service": "SecretsManager"}},
        },
    }
