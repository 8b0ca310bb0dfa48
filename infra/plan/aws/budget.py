"""The budget of a stack: who is told, and by which tag its cost is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from infra.plan.aws.scope import OWNER_TAG, Scope
from infra.spec.stack_aws import Aws


@dataclass(frozen=True, slots=True)
class NoticePlan:
    """When mails go out."""

    kind: Literal["ACTUAL", "FORECASTED"]
    percent: int
    """Of the budget."""


NOTICES = (NoticePlan("ACTUAL", 80), NoticePlan("FORECASTED", 100))


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """What a stack may cost a month."""

    budget_name: str
    """In AWS Budgets."""
    account: str
    dollars: int
    tag: str
    """Key and value of the tag that counts, as AWS Budgets writes them."""
    notices: tuple[NoticePlan, ...]
    mails: tuple[str, ...]
    """Sorted."""
    tags: Mapping[str, str]
    activated_tag: str | None
    """Key of the tag that is activated with it; None where somebody does so by hand."""


def plan_budget(scope: Scope, aws: Aws, *, activates_tag: bool = False) -> BudgetPlan | None:
    """The budget; None where the stack names none.

    The cost of a tag is counted only once the tag is active for cost allocation, which is done once for all
    stacks of an organisation. A stack cannot do so by itself on its first day: AWS refuses a key that has not
    been seen in the bill yet (up to 24 hours), and lets only the account do it that pays. Sources:
    hashicorp/terraform-provider-aws#29068, 2i2c-org/infrastructure#4932, and the user guide of Billing,
    "Activating user-defined cost allocation tags"; read 2026-11-25.

    Args:
        scope: the stack.
        aws: its account.
        activates_tag: whether the tag is activated too, in an account that pays and has had the tag for a day.
    """
    if aws.budget is None:
        return None
    return BudgetPlan(
        budget_name=scope.name,
        account=scope.account,
        dollars=aws.budget.dollars_per_month,
        tag=f"user:{OWNER_TAG}${scope.stack}",
        notices=NOTICES,
        mails=tuple(sorted(set(aws.budget.mails))),
        tags=scope.tagged("budget"),
        activated_tag=OWNER_TAG if activates_tag else None,
    )
