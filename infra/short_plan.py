"""The plan of a cluster in a few lines, for the end of `make up` and `make check`: no engine, no Pulumi."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from infra.plan.facts import Facts, facts_of
from infra.plan.planner import plan_platform
from infra.plan.report.costs import costs_of, total
from infra.plan.report.money import dollars
from infra.project import Project, check_fit, read_stack, specs_of, stack_names
from infra.spec.errors import SpecError

STACK = "local"
"""The stack that is shown: any cluster of one's own."""


def show_short_plan(folder: Path, project: Project, console: Console) -> None:
    """What `pulumi up` would make of the project on a cluster; a project without that stack shows nothing."""
    if STACK not in stack_names(folder):
        return
    try:
        facts = _facts(folder, project)
    except SpecError as error:
        first, more = error.faults[0], len(error.faults) - 1
        line = f"On a cluster (stack {STACK}) it would not run yet: {first.where} {first.what}"
        console.print(Text(line + (f" And {more} more." if more else ""), style="yellow"), soft_wrap=True)
    else:
        console.print(Text(_line(facts)), soft_wrap=True)
    console.print(Text(f"  All of it: make plan STACK={STACK}", style="dim"))


def _facts(folder: Path, project: Project) -> Facts:
    specs, stack = specs_of(folder, project), read_stack(folder, STACK)
    check_fit(folder, specs, stack.settings, stack.secrets)
    return facts_of(specs, plan_platform(specs, stack.settings, STACK))


def _line(facts: Facts) -> str:
    costs = total(costs_of(endpoint) for endpoint in facts.endpoints)
    gpus = sum(endpoint.max * endpoint.gpus for endpoint in facts.endpoints)
    count = len(facts.endpoints)
    hardware = f"up to {gpus} GPU{'s' * (gpus != 1)}" if gpus else "no GPU"
    return (
        f"On a cluster (stack {facts.stack}): {count} endpoint{'s' * (count != 1)}, {hardware},"
        f" {dollars(costs.at_min)} an hour at rest, {dollars(costs.at_max)} at most"
        f" (prices of {facts.price_date})."
    )
