"""The domain's zone and certificate."""

import pulumi
from pulumi import CustomTimeouts, Input, Output, ResourceOptions
from pulumi_aws.acm.certificate import Certificate
from pulumi_aws.acm.certificate_validation import CertificateValidation
from pulumi_aws.route53.record import Record
from pulumi_aws.route53.zone import Zone

from infra.plan.aws import domain as plans
from infra.plan.aws.domain import DomainPlan


class Domain(pulumi.ComponentResource):
    """Creates the hosted zone and the certificate that are not there, and proves the certificate in the zone.

    `name_servers` are those of a zone that was made, to be entered at the registrar; else None.
    """

    def __init__(self, name: str, plan: DomainPlan, opts: ResourceOptions | None = None) -> None:
        super().__init__("moorage:components:Domain", name, {}, opts)
        self.zone_id: Input[str]
        self.name_servers: Output[list[str]] | None = None
        if plan.hosted_zone is None:
            zone = self._zone(name, plan)
            self.zone_id, self.name_servers = zone.zone_id, zone.name_servers
        else:
            self.zone_id = plan.hosted_zone
        self.certificate_arn: Input[str] = plan.certificate or self._certificate(name, plan)
        self.register_outputs({"certificate_arn": self.certificate_arn, "zone_id": self.zone_id})

    def _zone(self, name: str, plan: DomainPlan) -> Zone:
        zone = Zone(
            f"{name}-zone",
            name=plan.domain,
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self, protect=plan.is_protected),
        )
        Record(
            f"{name}-caa",
            zone_id=zone.zone_id,
            name=plan.domain,
            type="CAA",
            ttl=plans.CAA_SECONDS,
            records=list(plan.caa_records),
            opts=ResourceOptions(parent=self),
        )
        return zone

    def _certificate(self, name: str, plan: DomainPlan) -> Output[str]:
        inside = ResourceOptions(parent=self)
        certificate = Certificate(
            f"{name}-certificate",
            domain_name=plan.certificate_name,
            validation_method="DNS",
            tags=dict(plan.tags),
            opts=inside,
        )
        proof = certificate.domain_validation_options.apply(plans.proof_of)
        record = Record(
            f"{name}-proof",
            zone_id=self.zone_id,
            name=proof["name"],
            type=proof["type"],
            ttl=plans.PROOF_SECONDS,
            records=[proof["value"]],
            allow_overwrite=True,  # every certificate of a name has the same one
            opts=inside,
        )
        proved = CertificateValidation(
            f"{name}-proved",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=ResourceOptions(parent=self, custom_timeouts=CustomTimeouts(create=plans.PROOF_WAIT)),
        )
        arn: Output[str] = proved.certificate_arn
        return arn
