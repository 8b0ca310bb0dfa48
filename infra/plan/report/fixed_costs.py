"""The part of a report that tells what the platform itself costs, and what it needs of the account."""

from collections.abc import Iterator

from infra.plan.aws.prices import HOURS
from infra.plan.facts import FixedCostFacts
from infra.plan.report.costs import platform_costs
from infra.plan.report.money import cost_cells, dollars
from infra.plan.report.report import Report

SMALLEST = 0.005
"""Dollars below which two places behind the point would show nothing."""
LEFT_OUT = "Traffic, logs, stored bytes and requests to AWS are charged by use and not counted."
UNKNOWN = "Parts of unknown price are not counted."
SPOT = "Nodes are bought as spot where there is some: these are prices on demand, an upper bound."


def platform_lines(report: Report) -> Iterator[str]:
    """A table of the parts, and the whole with the endpoints; nothing where the cluster is somebody else's."""
    if not report.fixed:
        return
    yield "### The platform itself"
    yield ""
    yield "| what | how many | $/h | $/month | by use | price from |"
    yield "| --- | ---: | ---: | ---: | --- | --- |"
    for part in report.fixed:
        yield (
            f"| {part.name} | {_span(part)} | {_amount(part, 1)} | {_amount(part, HOURS)}"
            f" | {part.use or '—'} | {part.source} |"
        )
    own = platform_costs(report.fixed)
    hour, month = _range(own.at_min, own.at_max, 1), _range(own.at_min, own.at_max, HOURS)
    yield f"| **together** | | {hour} | {month} | | |"
    yield ""
    yield "| | $/h at min | at expected load | at max |"
    yield "| --- | ---: | ---: | ---: |"
    yield f"| **endpoints and platform** | {cost_cells(report.whole, report.whole_before)} |"
    yield ""
    yield " ".join(_remarks(report))
    yield ""


def quota_lines(report: Report) -> Iterator[str]:
    """A table of the account's quotas that nodes count against, with every endpoint at its most."""
    if not report.quotas:
        return
    yield "| vCPU quota of the account | code | needed | a new account has | for |"
    yield "| --- | --- | ---: | ---: | --- |"
    for quota in report.quotas:
        yield f"| {quota.name} | {quota.code} | {quota.vcpu} | {quota.default} | {', '.join(quota.parts)} |"
    yield ""


def _remarks(report: Report) -> Iterator[str]:
    yield LEFT_OUT
    if any(part.dollars_per_hour is None and not part.use for part in report.fixed):
        yield UNKNOWN
    if report.is_spot_first:
        yield SPOT
    if report.ceiling_dollars_per_hour is not None:
        yield f"The ceiling is {dollars(report.ceiling_dollars_per_hour)} an hour."


def _span(part: FixedCostFacts) -> str:
    if part.dollars_per_hour is None and part.use:
        return "—"
    return str(part.count) if part.count == part.most else f"{part.count} to {part.most}"


def _amount(part: FixedCostFacts, hours: int) -> str:
    price = part.dollars_per_hour
    if price is None:
        return "by use" if part.use else "unknown"
    return _range(part.count * price, part.most * price, hours)


def _range(least: float | None, most: float | None, hours: int) -> str:
    low, high = _shown((least or 0) * hours), _shown((most or 0) * hours)
    return low if low == high else f"{low} to {high}"


def _shown(amount: float) -> str:
    return f"${amount:.4f}" if 0 < amount < SMALLEST else dollars(amount)
