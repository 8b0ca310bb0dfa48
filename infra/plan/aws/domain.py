"""The domain's zone and certificate: given, or made.

A zone that is made works only once its name servers stand at the registrar, and until then its certificate is
not proved: the first `pulumi up` waits for that. It is not signed by DNSSEC: signing needs the registrar's
record in step with the zone's key, and where they differ the whole domain is gone.

Sources, read 2026-11-25: AWS Certificate Manager user guide, "DNS validation", "CAA records"; Route 53
developer guide, "DNSSEC signing".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.plan.aws.scope import Scope
from infra.plan.aws.ways_in import LoadBalancerPlan
from infra.spec.stack_aws import Aws

CERTIFICATE_AUTHORITY = "amazon.com"
"""Who may issue certificates of a domain whose zone is made here."""
CAA_SECONDS = 3600
PROOF_SECONDS = 300
"""How long resolvers keep the records."""
PROOF_WAIT = "45m"
"""Longest wait for a certificate: a new zone's name servers are to be entered at the registrar meanwhile."""


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """Zone and certificate of one domain."""

    domain: str
    hosted_zone: str | None
    """Id of the zone that is there; None has one made."""
    certificate: str | None
    """ARN of the certificate that is there; None has one made."""
    certificate_name: str
    """Every host of the domain, the platform's among them."""
    caa_records: tuple[str, ...]
    """Of a zone that is made: who may issue certificates."""
    is_protected: bool
    tags: Mapping[str, str]


def plan_domain(scope: Scope, aws: Aws, balancers: Sequence[LoadBalancerPlan]) -> DomainPlan | None:
    """Zone and certificate, where there is a load balancer to have them for."""
    if not balancers:
        return None
    return DomainPlan(
        domain=scope.domain,
        hosted_zone=aws.ingress.hosted_zone,
        certificate=aws.ingress.certificate,
        certificate_name=f"*.{scope.domain}",
        caa_records=tuple(f'0 {tag} "{CERTIFICATE_AUTHORITY}"' for tag in ("issue", "issuewild")),
        is_protected=scope.is_protected,
        tags=scope.tagged("domain"),
    )


def proof_of(options: Sequence[Any]) -> dict[str, str]:
    """The DNS record by which a certificate of one name is proved, of what the authority asks for."""
    asked = options[0]
    return {
        "name": asked.resource_record_name,
        "type": asked.resource_record_type,
        "value": asked.resource_record_value,
    }
