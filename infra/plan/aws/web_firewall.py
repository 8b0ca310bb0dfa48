"""What AWS WAF looks for before the public load balancer.

It has no rule on rates: the gateway limits each token and caller, and honest clients may share an address. It
writes no log of its own: the load balancer's access log says of each request whether the firewall refused it.

Sources, read 2026-11-25: AWS WAF developer guide, "Baseline rule groups", "IP reputation rule groups".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.plan.aws.scope import Scope
from infra.plan.aws.ways_in import LoadBalancerPlan
from infra.spec.stack_aws import Aws


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that AWS keeps; those of `counted` only count, and the request goes on."""

    name: str
    counted: tuple[str, ...] = ()
    """Sorted."""


COMMON = RuleGroup(
    "AWSManagedRulesCommonRuleSet",
    # Bodies are prompts, pages and pictures: large, and free to hold what would be an attack on a web site.
    # Clients are programs, and not each says which one.
    counted=(
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "NoUserAgent_HEADER",
        "SizeRestrictions_BODY",
    ),
)
BAD_INPUTS = RuleGroup(
    "AWSManagedRulesKnownBadInputsRuleSet",
    # Who asks a model about an exploit writes it into the prompt. Headers, paths and queries hold none.
    counted=("JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"),
)
RULE_GROUPS = (
    RuleGroup("AWSManagedRulesAmazonIpReputationList"),
    BAD_INPUTS,
    COMMON,
)
"""In the order in which they look: what refuses most for least comes first."""


@dataclass(frozen=True, slots=True)
class WebFirewallPlan:
    """A web ACL and its rules."""

    acl_name: str
    groups: tuple[RuleGroup, ...]
    tags: Mapping[str, str]


def plan_web_firewall(
    scope: Scope, aws: Aws, balancers: Sequence[LoadBalancerPlan]
) -> WebFirewallPlan | None:
    """The firewall where the stack asks for one and there is a public load balancer."""
    if not aws.ingress.waf or all(each.is_internal for each in balancers):
        return None
    return WebFirewallPlan(scope.named("web"), RULE_GROUPS, scope.tagged("web"))
