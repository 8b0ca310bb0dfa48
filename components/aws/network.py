"""The VPC."""

from collections.abc import Sequence

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_aws.cloudwatch.log_group import LogGroup
from pulumi_aws.ec2.default_security_group import DefaultSecurityGroup
from pulumi_aws.ec2.eip import Eip
from pulumi_aws.ec2.flow_log import FlowLog
from pulumi_aws.ec2.internet_gateway import InternetGateway
from pulumi_aws.ec2.nat_gateway import NatGateway
from pulumi_aws.ec2.route import Route
from pulumi_aws.ec2.route_table import RouteTable
from pulumi_aws.ec2.route_table_association import RouteTableAssociation
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.ec2.subnet import Subnet
from pulumi_aws.ec2.vpc import Vpc
from pulumi_aws.ec2.vpc_endpoint import VpcEndpoint
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule

from components.aws.roles import Roles
from infra.plan.aws.network import FLOW_LOGS, GivenVpc, SubnetKind, SubnetPlan, VpcEndpointPlan, VpcPlan

ANYWHERE = "0.0.0.0/0"
HTTPS = 443


class Network(pulumi.ComponentResource):
    """Creates the VPC with all that is in it, or hands on one that is there.

    Subnets are sorted by zone, and `by_zone` has the private ones by a name of each; of a VPC that is there, the intra ones are its private ones. `ways_out` is what
    must be there as long as nodes are: without it they cannot join, and do not end.
    """

    vpc_id: Input[str]
    cidr: str
    private_subnets: list[Input[str]]
    public_subnets: list[Input[str]]
    intra_subnets: list[Input[str]]
    by_zone: dict[str, Input[str]]
    ways_out: list[Resource]

    def __init__(
        self,
        name: str,
        plan: VpcPlan | GivenVpc,
        *,
        logs_key_arn: Input[str],
        roles: Roles,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Network", name, {}, opts)
        self._name, self._inside = name, ResourceOptions(parent=self)
        self.ways_out = []
        self.cidr = plan.cidr
        if isinstance(plan, GivenVpc):
            self._hand_on(plan)
        else:
            self._make(plan)
            self._log_flows(plan, logs_key_arn, roles)
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "private_subnets": self.private_subnets,
                "public_subnets": self.public_subnets,
                "intra_subnets": self.intra_subnets,
            }
        )

    def _hand_on(self, plan: GivenVpc) -> None:
        self.vpc_id = plan.vpc_id
        self.private_subnets = list(plan.private_subnets)
        self.public_subnets = list(plan.public_subnets)
        self.intra_subnets = list(plan.private_subnets)
        self.by_zone = {subnet: subnet for subnet in plan.private_subnets}

    def _make(self, plan: VpcPlan) -> None:
        vpc = Vpc(
            f"{self._name}-vpc",
            cidr_block=plan.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=dict(plan.tags),
            opts=self._inside,
        )
        DefaultSecurityGroup(
            f"{self._name}-default-closed",
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            tags=dict(plan.default_group_tags),
            opts=self._inside,
        )
        self.vpc_id = vpc.id
        gateway = InternetGateway(
            f"{self._name}-internet", vpc_id=vpc.id, tags=dict(plan.gateway_tags), opts=self._inside
        )
        subnets = {each.name: self._subnet(each, vpc.id, gateway) for each in plan.subnets}
        self.private_subnets = _of_kind("private", plan, subnets)
        self.public_subnets = _of_kind("public", plan, subnets)
        self.intra_subnets = _of_kind("intra", plan, subnets)
        self.by_zone = {each.zone: subnets[each.name].id for each in plan.subnets if each.kind == "private"}
        tables = self._route(plan, subnets, gateway)
        self._connect_services(plan, tables)

    def _subnet(self, plan: SubnetPlan, vpc_id: Input[str], gateway: InternetGateway) -> Subnet:
        """A subnet; a public one after the gateway, for AWS makes no public load balancer in a VPC without one."""
        return Subnet(
            f"{self._name}-{plan.name}",
            vpc_id=vpc_id,
            availability_zone=plan.zone,
            cidr_block=plan.cidr,
            map_public_ip_on_launch=False,
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self, depends_on=[gateway] if plan.kind == "public" else []),
        )

    def _route(self, plan: VpcPlan, subnets: dict[str, Subnet], gateway: InternetGateway) -> list[RouteTable]:
        """Ways out, and which subnet takes which."""
        nats = self._nats(plan, subnets, gateway)
        tables: dict[str, RouteTable] = {}
        for table in plan.route_tables:
            tables[table.name] = RouteTable(
                f"{self._name}-routes-{table.name}",
                vpc_id=self.vpc_id,
                tags=dict(table.tags),
                opts=self._inside,
            )
            if not table.is_public and table.nat is None:
                continue
            self.ways_out.append(
                Route(
                    f"{self._name}-way-out-{table.name}",
                    route_table_id=tables[table.name].id,
                    destination_cidr_block=ANYWHERE,
                    gateway_id=gateway.id if table.is_public else None,
                    nat_gateway_id=None if table.nat is None else nats[table.nat].id,
                    opts=self._inside,
                )
            )
        for subnet in plan.subnets:
            self.ways_out.append(
                RouteTableAssociation(
                    f"{self._name}-{subnet.name}-routes",
                    subnet_id=subnets[subnet.name].id,
                    route_table_id=tables[subnet.route_table].id,
                    opts=self._inside,
                )
            )
        return list(tables.values())

    def _nats(
        self, plan: VpcPlan, subnets: dict[str, Subnet], gateway: InternetGateway
    ) -> dict[str, NatGateway]:
        made = {}
        for nat in plan.nats:
            address = Eip(
                f"{self._name}-{nat.name}-address", domain="vpc", tags=dict(nat.tags), opts=self._inside
            )
            made[nat.name] = NatGateway(
                f"{self._name}-{nat.name}",
                allocation_id=address.id,
                subnet_id=subnets[nat.subnet].id,
                tags=dict(nat.tags),
                opts=ResourceOptions(parent=self, depends_on=[gateway]),
            )
        return made

    def _connect_services(self, plan: VpcPlan, tables: Sequence[RouteTable]) -> None:
        """Endpoints: a gateway stands in every route table, an interface in the intra subnets."""
        groups = [self._endpoint_group(plan)] if any(_is_interface(each) for each in plan.endpoints) else []
        for endpoint in plan.endpoints:
            place = (
                {
                    "subnet_ids": self.intra_subnets,
                    "security_group_ids": [group.id for group in groups],
                    "private_dns_enabled": True,
                }
                if _is_interface(endpoint)
                else {"route_table_ids": [table.id for table in tables]}
            )
            VpcEndpoint(
                f"{self._name}-endpoint-{endpoint.name}",
                vpc_id=self.vpc_id,
                service_name=endpoint.service,
                vpc_endpoint_type=endpoint.kind,
                tags=dict(endpoint.tags),
                **place,
                opts=self._inside,
            )

    def _endpoint_group(self, plan: VpcPlan) -> SecurityGroup:
        group = SecurityGroup(
            f"{self._name}-endpoints",
            name=plan.endpoint_group,
            description="AWS services that are reached inside the VPC",
            vpc_id=self.vpc_id,
            egress=[],
            tags=dict(plan.endpoint_group_tags),
            opts=self._inside,
        )
        SecurityGroupIngressRule(
            f"{self._name}-endpoints-from-vpc",
            security_group_id=group.id,
            description="HTTPS from all that is in the VPC",
            cidr_ipv4=plan.cidr,
            from_port=HTTPS,
            to_port=HTTPS,
            ip_protocol="tcp",
            tags=dict(plan.endpoint_group_tags),
            opts=self._inside,
        )
        return group

    def _log_flows(self, plan: VpcPlan, key_arn: Input[str], roles: Roles) -> None:
        if plan.flow_logs is None:
            return
        group = LogGroup(
            f"{self._name}-{plan.flow_logs.name}",
            name=plan.flow_logs.group_name,
            retention_in_days=plan.flow_logs.days,
            kms_key_id=key_arn,
            tags=dict(plan.flow_logs.tags),
            opts=self._inside,
        )
        FlowLog(
            f"{self._name}-flows",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=roles.arn(FLOW_LOGS),
            tags=dict(plan.flow_logs.tags),
            opts=ResourceOptions(parent=self, depends_on=roles.permissions(FLOW_LOGS)),
        )


def _of_kind(kind: SubnetKind, plan: VpcPlan, subnets: dict[str, Subnet]) -> list[Input[str]]:
    found: list[Output[str]] = [subnets[each.name].id for each in plan.subnets if each.kind == kind]
    return list(found)


def _is_interface(endpoint: VpcEndpointPlan) -> bool:
    return endpoint.kind == "Interface"
