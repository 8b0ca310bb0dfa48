"""Secrets, logins and tokens: which objects hold them and who may read them. Never a value."""

from infra.plan.records import account_record
from infra.plan.values import RegistryPlan, SecretPlan, TokenPlan
from infra.spec.model import Endpoint, Spec
from infra.spec.stack import Stack
from runtime.wire.names import short
from runtime.wire.records import TokenGrant

OWNER = "owner"
"""The token that opens every endpoint and `/v1`."""


def namespace_of(endpoint: Endpoint, stack: Stack) -> str:
    """The namespace of an endpoint's replicas: the one whose Pod Security level it asks for."""
    return f"{stack.namespace}-{endpoint.security}"


def secret_object(secret: str) -> str:
    """The Secret that holds a secret's value, under the key `value`."""
    return short(f"secret-{secret}")


def registry_object(registry: str) -> str:
    """The Secret that holds a registry's login."""
    return short(f"registry-{registry}")


def plan_secrets(spec: Spec, stack: Stack) -> tuple[SecretPlan, ...]:
    """Each secret once in each namespace where an endpoint reads it."""
    used = {
        (secret, namespace_of(endpoint, stack))
        for endpoint in spec.endpoints
        for secret in endpoint.secrets.values()
    }
    return tuple(
        SecretPlan(
            name=f"{secret}-{namespace}",
            secret=secret,
            namespace=namespace,
            object_name=secret_object(secret),
            remote=remote_of(secret, spec, stack),
        )
        for secret, namespace in sorted(used)
    )


def plan_registries(spec: Spec, stack: Stack) -> tuple[RegistryPlan, ...]:
    """Each login once in each namespace where an endpoint's image is pulled with it."""
    used = {
        (endpoint.registry, namespace_of(endpoint, stack))
        for endpoint in spec.endpoints
        if endpoint.registry is not None
    }
    return tuple(
        RegistryPlan(
            name=f"{name}-{namespace}",
            registry=name,
            namespace=namespace,
            object_name=registry_object(name),
            server=spec.registries[name].server,
            username=spec.registries[name].username,
            password_secret=spec.registries[name].password.secret,
            remote=remote_of(spec.registries[name].password.secret, spec, stack),
        )
        for name, namespace in sorted(used)
    )


def remote_of(secret: str, spec: Spec, stack: Stack) -> str:
    """The entry of the external store that holds a secret: the one it names itself, else by its own name."""
    named = spec.secrets[secret].aws_secret
    prefix = stack.secret_store.prefix if stack.secret_store else ""
    return named if named is not None else f"{prefix}{secret}"


def plan_tokens(spec: Spec) -> tuple[TokenPlan, ...]:
    """Every token that is generated: those of endpoints.yaml, and the owner's."""
    grants = {grant.name: grant for grant in account_record(spec).tokens}
    grants.setdefault(OWNER, TokenGrant(name=OWNER, priority="high"))
    return tuple(TokenPlan(name, grants[name].model_dump_json()) for name in sorted(grants))


def object_store(stack: Stack) -> str:
    """The object store as gateway and worker are told of it."""
    objects = stack.objects
    if objects is None:
        return "valkey"
    endpoint = f"endpoint={objects.endpoint}&" if objects.endpoint else ""
    return f"s3://{objects.bucket}/{objects.prefix}?{endpoint}region={objects.region}"
