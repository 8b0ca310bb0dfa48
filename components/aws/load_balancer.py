"""A load balancer before the gateway."""

from collections.abc import Sequence

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.lb._inputs import (
    ListenerDefaultActionArgs,
    ListenerDefaultActionRedirectArgs,
    LoadBalancerAccessLogsArgs,
    TargetGroupHealthCheckArgs,
)
from pulumi_aws.lb.listener import Listener
from pulumi_aws.lb.load_balancer import LoadBalancer as Balancer
from pulumi_aws.lb.target_group import TargetGroup
from pulumi_aws.route53._inputs import RecordAliasArgs, ZoneVpcArgs
from pulumi_aws.route53.record import Record
from pulumi_aws.route53.zone import Zone
from pulumi_aws.vpc.security_group_egress_rule import SecurityGroupEgressRule
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule
from pulumi_kubernetes.apiextensions import CustomResource

from infra.plan.aws import ways_in
from infra.plan.aws.ways_in import LoadBalancerPlan

HTTP, HTTPS = 80, 443


class LoadBalancer(pulumi.ComponentResource):
    """Creates an Application Load Balancer, its hosts, and the binding that has the gateway's pods registered.

    `node_security_group` is of the nodes that gateways run on; the binding is made after `bound_after`: the load
    balancer controller with its role, and the gateway's namespace; the load balancer after `logged_after`: the
    logs bucket with its policy, which AWS tries as soon as there are access logs.
    """

    def __init__(
        self,
        name: str,
        plan: LoadBalancerPlan,
        *,
        vpc_id: Input[str],
        subnets: Input[Sequence[Input[str]]],
        node_security_group: Input[str],
        zone_id: Input[str],
        certificate_arn: Input[str],
        bound_after: Sequence[Resource] = (),
        logged_after: Sequence[Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:LoadBalancer", name, {}, opts)
        self._inside = ResourceOptions(parent=self)
        group = self._security_group(name, plan, vpc_id, node_security_group)
        balancer = self._balancer(name, plan, subnets, group, logged_after)
        targets = self._targets(name, plan, vpc_id)
        self.arn: Output[str] = balancer.arn
        self.dns_name: Output[str] = balancer.dns_name
        served = self._listeners(name, plan, balancer, targets, certificate_arn)
        self._binding(name, plan, targets, vpc_id, [served, *bound_after])
        self._hosts(name, plan, balancer, zone_id, vpc_id)
        self.register_outputs({"arn": self.arn, "dns_name": self.dns_name})

    def _security_group(
        self, name: str, plan: LoadBalancerPlan, vpc_id: Input[str], nodes: Input[str]
    ) -> SecurityGroup:
        """Clients in, gateways out, and the nodes' own group opened to it."""
        group = SecurityGroup(
            f"{name}-group",
            name=plan.group_name,
            description=f"Clients of the {plan.name} load balancer",
            vpc_id=vpc_id,
            tags=dict(plan.tags),
            opts=self._inside,
        )
        for port in (HTTP, HTTPS):
            SecurityGroupIngressRule(
                f"{name}-clients-{port}",
                security_group_id=group.id,
                description="Clients" if port == HTTPS else "Clients to be sent to HTTPS",
                cidr_ipv4=plan.client_cidr,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                tags=dict(plan.tags),
                opts=self._inside,
            )
        SecurityGroupEgressRule(
            f"{name}-to-gateways",
            security_group_id=group.id,
            description="Gateways",
            referenced_security_group_id=nodes,
            ip_protocol="tcp",
            from_port=plan.port,
            to_port=plan.port,
            tags=dict(plan.tags),
            opts=self._inside,
        )
        SecurityGroupIngressRule(
            f"{name}-into-gateways",
            security_group_id=nodes,
            description=f"The {plan.name} load balancer to gateways",
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=plan.port,
            to_port=plan.port,
            tags=dict(plan.tags),
            opts=self._inside,
        )
        return group

    def _balancer(
        self,
        name: str,
        plan: LoadBalancerPlan,
        subnets: Input[Sequence[Input[str]]],
        group: SecurityGroup,
        after: Sequence[Resource],
    ) -> Balancer:
        return Balancer(
            f"{name}-balancer",
            name=plan.balancer_name,
            load_balancer_type="application",
            internal=plan.is_internal,
            ip_address_type="ipv4",
            subnets=subnets,
            security_groups=[group.id],
            idle_timeout=plan.hold_seconds,
            client_keep_alive=ways_in.CLIENT_SECONDS,
            enable_deletion_protection=plan.is_protected,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            preserve_host_header=True,
            # The gateway takes the last address, which is what the load balancer itself saw.
            xff_header_processing_mode="append",
            **_logs(plan),
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _targets(self, name: str, plan: LoadBalancerPlan, vpc_id: Input[str]) -> TargetGroup:
        health = plan.health
        return TargetGroup(
            f"{name}-targets",
            name=plan.balancer_name,
            vpc_id=vpc_id,
            target_type="ip",
            port=plan.port,
            protocol="HTTP",
            protocol_version="HTTP1",
            load_balancing_algorithm_type=ways_in.ALGORITHM,
            deregistration_delay=plan.hold_seconds,
            health_check=TargetGroupHealthCheckArgs(
                enabled=True,
                path=health.path,
                port="traffic-port",
                protocol="HTTP",
                matcher=health.codes,
                interval=health.seconds,
                timeout=health.timeout_seconds,
                healthy_threshold=health.healthy,
                unhealthy_threshold=health.unhealthy,
            ),
            tags=dict(plan.tags),
            opts=self._inside,
        )

    def _listeners(
        self,
        name: str,
        plan: LoadBalancerPlan,
        balancer: Balancer,
        targets: TargetGroup,
        certificate_arn: Input[str],
    ) -> Listener:
        """Everything goes to the gateway, which knows the hosts; plain HTTP is sent to HTTPS."""
        to_https = ListenerDefaultActionRedirectArgs(
            port=str(HTTPS), protocol="HTTPS", status_code="HTTP_301"
        )
        Listener(
            f"{name}-http",
            load_balancer_arn=balancer.arn,
            port=HTTP,
            protocol="HTTP",
            default_actions=[ListenerDefaultActionArgs(type="redirect", redirect=to_https)],
            tags=dict(plan.tags),
            opts=self._inside,
        )
        return Listener(
            f"{name}-https",
            load_balancer_arn=balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=ways_in.TLS_POLICY,
            certificate_arn=certificate_arn,
            default_actions=[ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            tags=dict(plan.tags),
            opts=self._inside,
        )

    def _binding(
        self,
        name: str,
        plan: LoadBalancerPlan,
        targets: TargetGroup,
        vpc_id: Input[str],
        after: Sequence[Resource],
    ) -> None:
        manifest = ways_in.target_group_binding(plan)
        made = {"targetGroupARN": targets.arn, "vpcID": vpc_id}
        CustomResource(
            f"{name}-binding",
            ways_in.BINDINGS,
            "TargetGroupBinding",
            metadata=manifest["metadata"],
            spec={**manifest["spec"], **made},
            # A pod counts as ready once it is healthy, and a group without a listener checks nobody's health.
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _hosts(
        self,
        name: str,
        plan: LoadBalancerPlan,
        balancer: Balancer,
        zone_id: Input[str],
        vpc_id: Input[str],
    ) -> None:
        for host in plan.hosts:
            self._record(f"{name}-{host.name}", host.host, balancer, zone_id)
        if plan.inner_zone is not None:
            zone = Zone(
                f"{name}-inner-zone",
                name=plan.inner_zone,
                vpcs=[ZoneVpcArgs(vpc_id=vpc_id)],
                tags=dict(plan.tags),
                opts=self._inside,
            )
            self._record(f"{name}-inner", plan.inner_zone, balancer, zone.zone_id)

    def _record(self, name: str, host: str, balancer: Balancer, zone_id: Input[str]) -> None:
        alias = RecordAliasArgs(
            name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=False
        )
        Record(name, zone_id=zone_id, name=host, type="A", aliases=[alias], opts=self._inside)


def _logs(plan: LoadBalancerPlan) -> dict[str, LoadBalancerAccessLogsArgs]:
    logs = plan.access_logs
    if logs is None:
        return {}
    return {"access_logs": LoadBalancerAccessLogsArgs(bucket=logs.bucket, prefix=logs.prefix, enabled=True)}
