"""Endpoints against the stack that is to run them: what each asks for must be there."""

from collections.abc import Callable, Iterator

from infra.plan.aws.fit import account_findings
from infra.spec.model import Endpoint, Spec
from infra.spec.source import Finding
from infra.spec.stack import Stack
from infra.spec.wording import Path

Check = Callable[[Endpoint, Path, Spec, Stack], Iterator[Finding]]


def fit_findings(spec: Spec, stack: Stack) -> Iterator[Finding]:
    """Every fault of a right endpoints.yaml in a right stack, at its place in endpoints.yaml."""
    for at, endpoint in enumerate(spec.endpoints):
        for check in (_image, _volumes):
            yield from check(endpoint, ("endpoints", at), spec, stack)
    if stack.aws is not None:
        yield from account_findings(spec, stack.aws)
    if stack.secrets == "pulumi" and stack.aws is None:
        for name, secret in spec.secrets.items():
            if secret.aws_secret is not None:
                mend = "Write {} and set it in the stack, or read it from a store: moorage:secrets: external."
                what = "this stack keeps values itself and reads no AWS Secrets Manager."
                yield Finding(("secrets", name, "aws_secret"), what, mend, "secret-source")


def unset_secrets(spec: Spec, stack: Stack, values: frozenset[str]) -> Iterator[Finding]:
    """Secrets of endpoints.yaml that are used, live in the stack, and have no value there."""
    if stack.secrets != "pulumi":
        return
    for name in sorted(held_secrets(spec) - values):
        mend = f"Run `pulumi config set --secret secrets.{name}`."
        yield Finding(("secrets", name), "the stack has no value for it.", mend, "secret-unset")


def used_secrets(spec: Spec) -> frozenset[str]:
    """Names of the secrets that some endpoint needs."""
    names = {secret for endpoint in spec.endpoints for secret in endpoint.secrets.values()}
    registries = {endpoint.registry for endpoint in spec.endpoints if endpoint.registry is not None}
    return frozenset(names | {spec.registries[name].password.secret for name in registries})


def held_secrets(spec: Spec) -> frozenset[str]:
    """Those of them whose values no entry of AWS Secrets Manager holds."""
    return frozenset(name for name in used_secrets(spec) if spec.secrets[name].aws_secret is None)


def _image(endpoint: Endpoint, at: Path, _spec: Spec, stack: Stack) -> Iterator[Finding]:
    if endpoint.image is not None:
        return
    if endpoint.python is None:
        what = "it has no image, so a cluster cannot run it."
        yield Finding(at, what, "Add image beside local.", "image-missing")
    elif stack.images.registry is None and stack.aws is None and endpoint.name not in stack.images.services:
        what = "the stack says neither where its image is pushed nor which it is."
        mend = f"Add moorage:images: {{registry: ghcr.io/you}}, or {{services: {{{endpoint.name}: …}}}}."
        yield Finding((*at, "python"), what, mend, "image-missing")


def _volumes(endpoint: Endpoint, at: Path, _spec: Spec, stack: Stack) -> Iterator[Finding]:
    if endpoint.replicas.max > 1 and endpoint.volumes and not _shares_volumes(stack):
        what = f"{endpoint.replicas.max} replicas need it at once, and the stack has no shared class."
        mend = "Add moorage:storage: {shared_class: …} (ReadWriteMany), or lower replicas.max to 1."
        yield Finding((*at, "volumes", min(endpoint.volumes)), what, mend, "storage-shared")


def _shares_volumes(stack: Stack) -> bool:
    return stack.storage.shared_class is not None or stack.aws is not None
