"""AWS WAF before the public load balancer.

Resources are registered by their tokens here: importing the SDK's classes of WAF takes as long as those of all other
services together. Their inputs are held against those classes by tests.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import CustomResource, Input, Output, ResourceOptions

from infra.plan.aws.web_firewall import RuleGroup, WebFirewallPlan


class _WebAcl(CustomResource):
    arn: Output[str]

    def __init__(self, name: str, inputs: Mapping[str, Any], opts: ResourceOptions) -> None:
        super().__init__("aws:wafv2/webAcl:WebAcl", name, {**inputs, "arn": None}, opts)


class WebFirewall(pulumi.ComponentResource):
    """Creates the web ACL and sets it before one load balancer."""

    def __init__(
        self,
        name: str,
        plan: WebFirewallPlan,
        *,
        load_balancer_arn: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:WebFirewall", name, {}, opts)
        inside = ResourceOptions(parent=self)
        acl = _WebAcl(
            f"{name}-acl",
            {
                "name": plan.acl_name,
                "scope": "REGIONAL",
                "defaultAction": {"allow": {}},
                "rules": [_rule(at, group) for at, group in enumerate(plan.groups)],
                "visibilityConfig": _visible(plan.acl_name),
                "tags": dict(plan.tags),
            },
            inside,
        )
        CustomResource(
            "aws:wafv2/webAclAssociation:WebAclAssociation",
            f"{name}-association",
            {"resourceArn": load_balancer_arn, "webAclArn": acl.arn},
            inside,
        )
        self.register_outputs({"acl_arn": acl.arn})


def _rule(priority: int, group: RuleGroup) -> dict[str, Any]:
    overrides = [{"name": rule, "actionToUse": {"count": {}}} for rule in group.counted]
    return {
        "name": group.name,
        "priority": priority,
        "overrideAction": {"none": {}},
        "statement": {
            "managedRuleGroupStatement": {
                "name": group.name,
                "vendorName": "AWS",
                "ruleActionOverrides": overrides,
            }
        },
        "visibilityConfig": _visible(group.name),
    }


def _visible(metric: str) -> dict[str, Any]:
    return {"cloudwatchMetricsEnabled": True, "metricName": metric, "sampledRequestsEnabled": True}
