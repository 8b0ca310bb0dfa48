"""Amounts of money, as a report writes them."""

from infra.plan.report.costs import Costs


def dollars(amount: float | None) -> str:
    """An amount an hour; a dash where it is not known."""
    return "—" if amount is None else f"${amount:,.2f}"


def cost_cells(costs: Costs, before: Costs | None) -> str:
    """At the fewest replicas, at the load expected and at the most, each with what it was before, where that differs."""
    return " | ".join(
        _cell(getattr(costs, name), None if before is None else getattr(before, name))
        for name in ("at_min", "at_expected", "at_max")
    )


def _cell(now: float | None, before: float | None) -> str:
    if before is None or now is None or dollars(now) == dollars(before):
        return dollars(now)
    return f"{dollars(before)} → {dollars(now)}"
