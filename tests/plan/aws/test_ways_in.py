"""Load balancers, hosts and certificate: only what an endpoint needs, and no way from outside to a private one."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.made_in_aws import SECONDS, Made, made_by

from infra.plan.aws.domain import plan_domain
from infra.plan.aws.operators import load_balancer_controller, load_balancer_roles
from infra.plan.aws.roles import policy_document
from infra.plan.aws.scope import LONGEST_NAME, Scope, scope_of
from infra.plan.aws.ways_in import LoadBalancerPlan, plan_load_balancers, target_group_binding
from infra.plan.aws.web_firewall import plan_web_firewall
from infra.spec.model import Spec
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws
from runtime.gateway.addresses import DomainAddresses
from runtime.gateway.errors import UnknownHostError
from runtime.gateway.incoming import read_incoming
from runtime.wire.cluster import ALL_PORT, PUBLIC_PORT

ACCOUNT = "123456789012"
INGRESS = {"waf": True, "access_log_days": 90}


def settings(ingress: Mapping[str, Any] = INGRESS) -> tuple[Stack, Aws]:
    """A stack on AWS."""
    aws = Aws.model_validate({"account": ACCOUNT, "region": "eu-central-1", "ingress": dict(ingress)})
    return Stack(backend="aws", domain="models.example.com", aws=aws), aws


def spec_of(*endpoints: Mapping[str, Any]) -> Spec:
    """Endpoints of the account `acme`."""
    given = [{"image": "a/b:1", **endpoint} for endpoint in endpoints]
    return Spec.model_validate({"account": "acme", "endpoints": tuple(given)})


PUBLIC = {"name": "open"}
PRIVATE = {"name": "inner", "ingress": "private"}
FIELDS = {"name", "image", "ingress"}
BODY_RULES = {
    *("CrossSiteScripting_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY"),
    *("JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY", "SizeRestrictions_BODY"),
}
"""Every rule on bodies of the groups that are taken. Source: AWS WAF developer guide, "Baseline rule groups", 2026-11."""
SHAPES = [(), (PUBLIC,), (PRIVATE,), (PUBLIC, PRIVATE)]


def planned(*endpoints: Mapping[str, Any], stack: str = "prod") -> dict[str, LoadBalancerPlan]:
    """The load balancers by name."""
    settled, aws = settings()
    found = plan_load_balancers(scope_of(settled, aws, stack), settled, aws, spec_of(*endpoints))
    return {each.name: each for each in found}


def scope() -> Scope:
    """Of the stack `prod`."""
    stack, aws = settings()
    return scope_of(stack, aws, "prod")


@pytest.mark.parametrize("endpoints", SHAPES)
def test_load_balancers_are_those_that_endpoints_need(endpoints: tuple[Mapping[str, Any], ...]) -> None:
    """One a kind of ingress, the public one on the public port."""
    kinds = {endpoint.get("ingress", "public") for endpoint in endpoints}

    found = planned(*endpoints)

    assert set(found) == kinds
    assert all(each.port == (ALL_PORT if each.is_internal else PUBLIC_PORT) for each in found.values())
    assert all(each.is_internal == (name == "private") for name, each in found.items())


def test_without_endpoints_nothing_is_made() -> None:
    """No zone, certificate, firewall or role either."""
    _, aws = settings()

    assert plan_domain(scope(), aws, ()) is None
    assert plan_web_firewall(scope(), aws, ()) is None
    assert load_balancer_roles(scope(), ()) == ()


@pytest.mark.parametrize("endpoints", SHAPES)
def test_private_endpoint_has_a_host_of_its_own_on_the_private_one_only(
    endpoints: tuple[Mapping[str, Any], ...],
) -> None:
    """In DNS it goes before the wildcard, so no name of it leads to the public load balancer."""
    hosts = {name: {host.host for host in each.hosts} for name, each in planned(*endpoints).items()}
    own = "inner-acme.models.example.com"

    assert own not in hosts.get("public", set())
    assert (own in hosts.get("private", set())) == (PRIVATE in endpoints)
    assert not any(host.startswith("*") for host in hosts.get("private", set()))


@pytest.mark.parametrize("endpoints", SHAPES[1:])
def test_platform_is_reached_where_endpoints_are(endpoints: tuple[Mapping[str, Any], ...]) -> None:
    """By the wildcard; inside the VPC by the private one, which alone tells of private endpoints."""
    found = planned(*endpoints)
    public = {host.host for host in found["public"].hosts} if "public" in found else set()
    private = found.get("private")

    if private is None:
        assert public == {"*.models.example.com"}
    elif not public:
        assert "api.models.example.com" in {host.host for host in private.hosts}
        assert private.inner_zone is None
    else:
        assert private.inner_zone == "api.models.example.com"


def test_private_one_lets_the_network_in_and_nobody_else() -> None:
    """The public one everybody."""
    found = planned(PUBLIC, PRIVATE)

    assert found["private"].client_cidr == "10.64.0.0/16"
    assert found["public"].client_cidr == "0.0.0.0/0"


@pytest.mark.parametrize(
    ("queue", "request_", "held"), [(1, 1, 60), (600, 900, 1510), (3000, 590, 3600), (86_400, 86_400, 3600)]
)
def test_requests_are_held_as_long_as_their_limits_say(queue: int, request_: int, held: int) -> None:
    """Up to the hour that the gateway too gives them."""
    slow = {**PUBLIC, "limits": {"queue_seconds": queue, "request_seconds": request_}}

    assert planned(slow)["public"].hold_seconds == held


def test_private_one_holds_as_long_as_any_endpoint_asks() -> None:
    """Its platform host routes to public endpoints too; a private one's limits are not the public one's."""
    slow = {"limits": {"queue_seconds": 1000, "request_seconds": 1000}}
    quick = {"limits": {"queue_seconds": 10, "request_seconds": 100}}

    assert planned({**PUBLIC, **slow}, {**PRIVATE, **quick})["private"].hold_seconds == 2010
    assert planned({**PUBLIC, **quick}, {**PRIVATE, **slow})["public"].hold_seconds == 120


def test_gateway_answers_a_health_check_as_healthy() -> None:
    """It comes by the pod's address, which is no host of the domain: the gateway says so, and thereby that it serves."""
    health = planned(PUBLIC)["public"].health
    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"10.64.1.5:8484")], "query_string": b""}
    asked = read_incoming({**scope, "raw_path": health.path.encode(), "scheme": "http", "client": None})
    addresses = DomainAddresses("models.example.com", "https://api.models.example.com", lambda: "acme")

    with pytest.raises(UnknownHostError) as refused:
        addresses.destination_of(asked)

    assert str(refused.value.status) in health.codes.split(",")


@pytest.mark.parametrize("stack", ["p", "a-stack-with-quite-a-long-name-of-its-own", "production-eu-central"])
def test_names_are_such_as_load_balancers_may_have(stack: str) -> None:
    """Short, different, no hyphen at an end, and the same each time."""
    names = [each.balancer_name for each in planned(PUBLIC, PRIVATE, stack=stack).values()]

    assert len(set(names)) == len(names)
    assert all(len(name) <= LONGEST_NAME and name == name.strip("-") for name in names)
    assert names == [each.balancer_name for each in planned(PUBLIC, PRIVATE, stack=stack).values()]


def test_binding_leaves_security_groups_alone() -> None:
    """So the controller may write none."""
    found = planned(PUBLIC, PRIVATE)
    allowed = policy_document(load_balancer_roles(scope(), tuple(found.values()))[0])["Statement"]

    assert all("networking" not in target_group_binding(each)["spec"] for each in found.values())
    assert not any(
        action.startswith("ec2:") and not action.startswith("ec2:Describe")
        for statement in allowed
        for action in statement["Action"]
    )


def test_controller_writes_to_the_target_groups_of_the_stack_only() -> None:
    """Whatever is not a look names them."""
    found = planned(PUBLIC, PRIVATE)
    statements = load_balancer_roles(scope(), tuple(found.values()))[0].statements
    place = f"arn:aws:elasticloadbalancing:eu-central-1:{ACCOUNT}:targetgroup"

    writing = [each for each in statements if not all(":Describe" in action for action in each.actions)]

    assert [each.resources for each in writing] == [
        (f"{place}/moorage-prod-private/*", f"{place}/moorage-prod-public/*")
    ]


def test_controller_makes_no_load_balancer_of_its_own() -> None:
    """It has no class of Ingress and no controller of Services or Gateways."""
    values = load_balancer_controller(scope()).values

    assert values["createIngressClassResource"] is False
    assert set(values["controllerConfig"]["featureGates"].values()) == {False}
    assert values["watchNamespace"] == "moorage"


def test_bodies_of_requests_pass_the_firewall() -> None:
    """No rule on bodies refuses: prompts are free to hold anything, and pictures are large."""
    _, aws = settings()
    plan = plan_web_firewall(scope(), aws, tuple(planned(PUBLIC).values()))

    assert plan is not None
    counted = {rule for group in plan.groups for rule in group.counted}
    assert {rule for rule in counted if rule.endswith("_BODY")} == BODY_RULES


def test_firewall_stands_before_a_public_load_balancer_only() -> None:
    """And only where the stack asks for it."""
    _, aws = settings()
    _, without = settings({})
    public, private = tuple(planned(PUBLIC).values()), tuple(planned(PRIVATE).values())

    assert plan_web_firewall(scope(), aws, private) is None
    assert plan_web_firewall(scope(), without, public) is None


BUILD = """
from components.aws.domain import Domain
from components.aws.load_balancer import LoadBalancer
from components.aws.web_firewall import WebFirewall
from infra.plan.aws.domain import plan_domain
from infra.plan.aws.scope import scope_of
from infra.plan.aws.ways_in import plan_load_balancers
from infra.plan.aws.web_firewall import plan_web_firewall
from infra.spec.model import Spec
from infra.spec.stack import Stack
from infra.spec.stack_aws import Aws


def build():
    aws = Aws.model_validate({{"account": "123456789012", "region": "eu-central-1", "ingress": {ingress!r}}})
    stack = Stack(backend="aws", domain="models.example.com", aws=aws)
    scope = scope_of(stack, aws, "prod")
    balancers = plan_load_balancers(scope, stack, aws, Spec.model_validate({spec!r}))
    domain = Domain("domain", plan_domain(scope, aws, balancers))
    for plan in balancers:
        balancer = LoadBalancer(
            plan.name,
            plan,
            vpc_id="vpc-1",
            subnets=["subnet-1", "subnet-2"],
            node_security_group="sg-nodes",
            zone_id=domain.zone_id,
            certificate_arn=domain.certificate_arn,
        )
        firewall = plan_web_firewall(scope, aws, (plan,))
        if firewall is not None:
            WebFirewall("web", firewall, load_balancer_arn=balancer.arn)
"""
UNTAGGABLE = ("Record", "CertificateValidation", "WebAclAssociation")


@pytest.fixture(scope="module")
def made() -> tuple[Made, ...]:
    """A public and a private endpoint, with a zone and a certificate of their own."""
    spec = spec_of(PUBLIC, PRIVATE).model_dump(include={"account": True, "endpoints": {"__all__": FIELDS}})
    return made_by(BUILD.format(ingress=INGRESS, spec=spec))


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_records_lead_to_the_load_balancer_that_serves_them(made: tuple[Made, ...]) -> None:
    """The private endpoint's and the inner platform's to the private one, the wildcard to the public one."""
    records = {
        (each.inputs["zoneId"], each.inputs["name"]): each.inputs["aliases"][0]["name"]
        for each in made
        if each.kind == "aws:route53/record:Record" and "aliases" in each.inputs
    }

    assert records == {
        ("Zdomain-zone", "*.models.example.com"): "public-balancer.elb",
        ("Zdomain-zone", "inner-acme.models.example.com"): "private-balancer.elb",
        ("Zprivate-inner-zone", "api.models.example.com"): "private-balancer.elb",
    }


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_everything_that_can_bear_tags_has_the_stack_s(made: tuple[Made, ...]) -> None:
    """So it is found again, and policies can be bound by them."""
    bare = [
        each.name
        for each in made
        if each.kind.startswith("aws:")
        and not each.kind.endswith(UNTAGGABLE)
        and each.inputs["tags"].get("moorage:stack") != "prod"
    ]

    assert bare == []


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_bindings_name_the_target_group_of_their_load_balancer(made: tuple[Made, ...]) -> None:
    """And the gateway's port that it serves."""
    bindings = {
        each.name: (each.inputs["spec"]["targetGroupARN"], each.inputs["spec"]["serviceRef"]["port"])
        for each in made
        if each.kind.endswith("TargetGroupBinding")
    }

    assert bindings == {
        "private-binding": ("arn:private-targets", ALL_PORT),
        "public-binding": ("arn:public-targets", PUBLIC_PORT),
    }


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_zone_and_certificate_that_are_given_are_not_made() -> None:
    """Nor is there anything to prove."""
    given = {
        "hosted_zone": "Z0123456789",
        "certificate": f"arn:aws:acm:eu-central-1:{ACCOUNT}:certificate/1",
    }
    spec = spec_of(PUBLIC).model_dump(include={"account": True, "endpoints": {"__all__": FIELDS}})

    found = made_by(BUILD.format(ingress=given, spec=spec))

    assert not any(each.kind.startswith(("aws:acm", "aws:route53/zone")) for each in found)
    https = next(each for each in found if each.name == "public-https")
    assert https.inputs["certificateArn"] == given["certificate"]
