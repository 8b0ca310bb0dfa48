"""Settings of the AWS backend against each other and against the rest of a stack file."""

import ipaddress
import re
from collections.abc import Callable, Iterator

from infra.spec.hardware import CATALOGUE
from infra.spec.source import Finding
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws
from infra.spec.wording import listed, shown, suggestion

MADE_BY_AWS = ("ingress", "objects", "secret_store", "secrets", "storage")
"""Settings of what the AWS backend makes itself."""
WIDEST = 8
"""Shortest prefix of addresses that may reach the API server: past it, it is open to the internet."""
_ARM = re.compile(r"(?:a1|[a-z]+[0-9]+[a-z]*g[a-z]*)(?:-[a-z0-9]+)*\.")
"""Instance types with Graviton. Source: Amazon EC2 instance types guide, naming conventions, read 2026-11."""
RESERVED_TAGS = ("aws:", "moorage:", "Name")


def aws_findings(settings: Stack) -> Iterator[Finding]:
    """Every fault of the settings together."""
    aws = settings.aws
    if settings.backend == "aws" and aws is None:
        mend = 'Add `moorage:aws: {account: "123456789012", region: eu-central-1}`.'
        yield Finding(("backend",), "aws needs an account.", mend, "stack-key")
    if aws is None:
        return
    if settings.backend != "aws":
        yield Finding(("aws",), "the backend is another one.", "Write `moorage:backend: aws`.", "stack-key")
    yield from _made_itself(settings)
    if settings.context is not None and aws.cluster.existing is None:
        mend = "Remove it, or name the cluster in aws.cluster.existing."
        yield Finding(("context",), "this stack makes a cluster of its own.", mend, "stack-made")
    if settings.context is None and aws.cluster.existing is not None:
        what, mend = (
            "the cluster is reached through a context.",
            "Add `moorage:context: …` of your kubeconfig.",
        )
        yield Finding(("aws", "cluster", "existing"), what, mend, "stack-key")
    yield from _scraper(settings, aws)
    yield from _usage(settings, aws)
    for check in _CHECKS:
        yield from check(aws)


def _made_itself(settings: Stack) -> Iterator[Finding]:
    for key in MADE_BY_AWS:
        if getattr(settings, key) != Stack.model_fields[key].get_default():
            what = "the AWS backend makes it itself."
            yield Finding((key,), what, "Remove it; its place is under moorage:aws.", "stack-made")


def _scraper(settings: Stack, aws: Aws) -> Iterator[Finding]:
    """Exporters look at their node, which the platform's own namespace forbids."""
    if aws.monitoring.prometheus != "present" and settings.network.scraper_namespace == settings.namespace:
        what, mend = "Prometheus needs a namespace of its own.", "Write for example monitoring."
        yield Finding(("network", "scraper_namespace"), what, mend, "stack-key")


def _usage(settings: Stack, aws: Aws) -> Iterator[Finding]:
    if settings.api.disk is not None and aws.database is not None:
        what, mend = "the platform API keeps usage in aws.database.", "Remove the disk or the database."
        yield Finding(("api", "disk"), what, mend, "stack-key")


def _network(aws: Aws) -> Iterator[Finding]:
    network, at = aws.network, ("aws", "network", "cidr")
    if aws.cluster.existing is not None and network.existing is None:
        mend = "Add aws.network.existing: its VPC and subnets."
        yield Finding(("aws", "cluster", "existing"), "a cluster stands in a network.", mend, "stack-key")
    try:
        found = ipaddress.IPv4Network(network.cidr)
    except ValueError:
        own = ipaddress.IPv4Interface(network.cidr).network
        what = f"{shown(network.cidr)} does not begin at its first address."
        yield Finding(at, what, f"Write {own}.", "cidr-form")
        return
    if not found.is_private:
        what, mend = f"{shown(network.cidr)} is not private.", "Write a part of 10.0.0.0/8, as 10.64.0.0/16."
        yield Finding(at, what, mend, "cidr-form")


def _cluster(aws: Aws) -> Iterator[Finding]:
    system = aws.cluster.system
    if system.min > system.max:
        what, mend = f"{system.min} is above max ({system.max}).", f"Lower it to {system.max}."
        yield Finding(("aws", "cluster", "system", "min"), what, mend, "stack-order")
    if _ARM.match(system.instance_type):
        what, mend = (
            f"{shown(system.instance_type)} is arm64, the platform's images are x86_64.",
            "Write m7i.large.",
        )
        yield Finding(("aws", "cluster", "system", "instance_type"), what, mend, "instance-form")
    for at, cidr in enumerate(aws.cluster.public_cidrs):
        if int(cidr.rpartition("/")[2]) < WIDEST:
            what = f"{shown(cidr)} opens the API server to nearly everybody."
            mend = "Name the ranges that you come from, as 203.0.113.0/24."
            yield Finding(("aws", "cluster", "public_cidrs", at), what, mend, "cidr-open")


def _capacity(aws: Aws) -> Iterator[Finding]:
    capacity = aws.capacity
    for key in ("warm_pools", "reservations"):
        for name in getattr(capacity, key):
            if name not in CATALOGUE:
                what = f"{shown(name)} is not in the hardware catalogue."
                mend = suggestion(name, CATALOGUE, f"Known: {listed(CATALOGUE)}.")
                yield Finding(("aws", "capacity", key, name), what, mend, "unknown-hardware")
    if capacity.warm_pools and capacity.autoscaler == "karpenter":
        what, mend = "Karpenter has no warm pools.", "Remove it, or write autoscaler: cluster-autoscaler."
        yield Finding(("aws", "capacity", "warm_pools"), what, mend, "stack-key")
    cold = aws.cold_start
    if cold.snapshot is not None and capacity.image != "bottlerocket":
        mend = "Write aws.capacity.image: bottlerocket."
        yield Finding(
            ("aws", "cold_start", "snapshot"), "only Bottlerocket has a data volume.", mend, "stack-key"
        )


def _ingress(aws: Aws) -> Iterator[Finding]:
    certificate = aws.ingress.certificate
    if certificate is not None and not certificate.startswith(f"arn:aws:acm:{aws.region}:"):
        what = f"{shown(certificate)} is no certificate of {aws.region}."
        mend = "A load balancer takes those of ACM in its own region."
        yield Finding(("aws", "ingress", "certificate"), what, mend, "arn-form")


def _tags(aws: Aws) -> Iterator[Finding]:
    for key in aws.tags:
        if key.startswith(RESERVED_TAGS):
            what, mend = (
                f"{shown(key)} is set by others.",
                f"Choose a key that begins with none of {listed(RESERVED_TAGS)}.",
            )
            yield Finding(("aws", "tags", key), what, mend, "tag-form")


_CHECKS: tuple[Callable[[Aws], Iterator[Finding]], ...] = (_network, _cluster, _capacity, _ingress, _tags)
