"""The budget."""

import pulumi
from pulumi import ResourceOptions
from pulumi_aws.budgets._inputs import BudgetCostFilterArgs, BudgetNotificationArgs
from pulumi_aws.budgets.budget import Budget
from pulumi_aws.costexplorer.cost_allocation_tag import CostAllocationTag

from infra.plan.aws.budget import BudgetPlan


class StackBudget(pulumi.ComponentResource):
    """Creates a monthly budget of what bears the stack's tag, and has mails sent."""

    def __init__(self, name: str, plan: BudgetPlan, opts: ResourceOptions | None = None) -> None:
        super().__init__("moorage:components:StackBudget", name, {}, opts)
        inside = ResourceOptions(parent=self)
        if plan.activated_tag is not None:
            # It is the account's and outlives the stack: others are counted by it too.
            CostAllocationTag(
                f"{name}-tag",
                tag_key=plan.activated_tag,
                status="Active",
                opts=ResourceOptions(parent=self, retain_on_delete=True),
            )
        Budget(
            f"{name}-month",
            name=plan.budget_name,
            account_id=plan.account,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(plan.dollars),
            limit_unit="USD",
            cost_filters=[BudgetCostFilterArgs(name="TagKeyValue", values=[plan.tag])],
            notifications=[
                BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type=notice.kind,
                    threshold=notice.percent,
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=list(plan.mails),
                )
                for notice in plan.notices
            ],
            tags=dict(plan.tags),
            opts=inside,
        )
        self.register_outputs({})
