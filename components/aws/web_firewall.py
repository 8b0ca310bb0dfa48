"""AWS WAF before the public load balancer."""

import pulumi
from pulumi import Input, ResourceOptions
from pulumi_aws.wafv2._inputs import (
    WebAclDefaultActionAllowArgs,
    WebAclDefaultActionArgs,
    WebAclRuleArgs,
    WebAclRuleOverrideActionArgs,
    WebAclRuleOverrideActionNoneArgs,
    WebAclRuleStatementArgs,
    WebAclRuleStatementManagedRuleGroupStatementArgs,
    WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs,
    WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs,
    WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs,
    WebAclRuleVisibilityConfigArgs,
    WebAclVisibilityConfigArgs,
)
from pulumi_aws.wafv2.web_acl import WebAcl
from pulumi_aws.wafv2.web_acl_association import WebAclAssociation

from infra.plan.aws.web_firewall import RuleGroup, WebFirewallPlan


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
        acl = WebAcl(
            f"{name}-acl",
            name=plan.acl_name,
            scope="REGIONAL",
            default_action=WebAclDefaultActionArgs(allow=WebAclDefaultActionAllowArgs()),
            rules=[_rule(at, group) for at, group in enumerate(plan.groups)],
            visibility_config=WebAclVisibilityConfigArgs(
                cloudwatch_metrics_enabled=True, metric_name=plan.acl_name, sampled_requests_enabled=True
            ),
            tags=dict(plan.tags),
            opts=ResourceOptions(parent=self),
        )
        WebAclAssociation(
            f"{name}-association",
            resource_arn=load_balancer_arn,
            web_acl_arn=acl.arn,
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({"acl_arn": acl.arn})


def _rule(priority: int, group: RuleGroup) -> WebAclRuleArgs:
    return WebAclRuleArgs(
        name=group.name,
        priority=priority,
        override_action=WebAclRuleOverrideActionArgs(none=WebAclRuleOverrideActionNoneArgs()),
        statement=WebAclRuleStatementArgs(
            managed_rule_group_statement=WebAclRuleStatementManagedRuleGroupStatementArgs(
                name=group.name,
                vendor_name="AWS",
                rule_action_overrides=[_only_count(rule) for rule in group.counted],
            )
        ),
        visibility_config=WebAclRuleVisibilityConfigArgs(
            cloudwatch_metrics_enabled=True, metric_name=group.name, sampled_requests_enabled=True
        ),
    )


def _only_count(rule: str) -> WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs:
    return WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs(
        name=rule,
        action_to_use=WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs(
            count=WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs()
        ),
    )
