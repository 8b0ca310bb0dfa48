"""What a stack may at most cost, and what must not be deleted by it: what the policy pack holds it to. Pure."""

from dataclasses import dataclass

from infra.plan.facts import Facts
from infra.plan.report.costs import costs_of, platform_costs, total


@dataclass(frozen=True, slots=True)
class Bounds:
    """A plan's bounds; the program exports them as `bounds`, where the policy pack of `pulumi preview` finds them."""

    most_dollars_per_hour: float
    """With every endpoint at its most replicas, and the platform; what has no price is left out."""
    ceiling_dollars_per_hour: float | None
    """Most that is allowed; None: there is no bound."""
    is_protected: bool
    """Whether what holds data is to be protected."""


def bounds_of(facts: Facts) -> Bounds:
    """The bounds of a plan."""
    costs = (*(costs_of(each) for each in facts.endpoints), platform_costs(facts.fixed))
    return Bounds(
        most_dollars_per_hour=round(total(costs).at_max or 0.0, 4),
        ceiling_dollars_per_hour=facts.ceiling_dollars_per_hour,
        is_protected=facts.is_protected,
    )
