"""Endpoints against the account that is to run them."""

from collections.abc import Iterator

from infra.plan.aws.cache import cache_findings
from infra.spec.model import Spec
from infra.spec.source import Finding
from infra.spec.stack_aws import Aws
from infra.spec.wording import shown


def account_findings(spec: Spec, aws: Aws) -> Iterator[Finding]:
    """Every fault of a right endpoints.yaml in a right stack of AWS, at its place in endpoints.yaml."""
    yield from cache_findings(spec, aws)
    yield from _subnets(spec, aws)
    yield from _entries(spec, aws)


def _subnets(spec: Spec, aws: Aws) -> Iterator[Finding]:
    existing = aws.network.existing
    if existing is None or existing.public_subnets:
        return
    for at, endpoint in enumerate(spec.endpoints):
        if endpoint.ingress == "public":
            what = "the stack names no public subnets, so it has no public load balancer."
            mend = "Write ingress: private, or add aws.network.existing.public_subnets to the stack."
            yield Finding(("endpoints", at), what, mend, "subnets-missing")


def _entries(spec: Spec, aws: Aws) -> Iterator[Finding]:
    for name, secret in spec.secrets.items():
        entry = secret.aws_secret
        if entry is None or not entry.startswith("arn:"):
            continue
        if not entry.startswith(f"arn:aws:secretsmanager:{aws.region}:"):
            what = f"{shown(entry)} is no entry of Secrets Manager in {aws.region}."
            mend = "Copy it into that region, and write its name or its ARN there."
            yield Finding(("secrets", name, "aws_secret"), what, mend, "secret-region")
