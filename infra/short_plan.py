"""The plan of the cloud in a few lines, for the end of `make up` and `make check`: no engine, no Pulumi."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from infra.plan.facts import Facts, facts_of
from infra.plan.planner import plan_platform
from infra.plan.report.costs import costs_of, total, whole_costs
from infra.plan.report.money import dollars
from infra.project import Project, check_fit, read_stack, specs_of, stack_names
from infra.spec.errors import SpecError

PLACES = {"local": "On a cluster", "dev": "On AWS"}
"""Stack that is shown, where the project has it, and where it would run."""


def show_short_plan(folder: Path, project: Project, console: Console) -> None:
    """What `pulumi up` would make of the project in the cloud; a project without such a stack shows nothing."""
    for stack in [name for name in PLACES if name in stack_names(folder)]:
        _show(folder, project, stack, console)


def _show(folder: Path, project: Project, stack: str, console: Console) -> None:
    place = f"{PLACES[stack]} (stack {stack})"
    try:
        facts = _facts(folder, project, stack)
    except SpecError as error:
        first, more = error.faults[0], len(error.faults) - 1
        line = f"{place} it would not run yet: {first.where} {first.what}"
        console.print(Text(line + (f" And {more} more." if more else ""), style="yellow"), soft_wrap=True)
    else:
        console.print(Text(f"{place}: {_summary(facts)}"), soft_wrap=True)
    console.print(Text(f"  All of it: make plan STACK={stack}", style="dim"))


def _facts(folder: Path, project: Project, stack: str) -> Facts:
    specs, file = specs_of(folder, project), read_stack(folder, stack)
    check_fit(folder, specs, file.settings, file.secrets)
    return facts_of(specs, plan_platform(specs, file.settings, stack))


def _summary(facts: Facts) -> str:
    costs = whole_costs(facts) if facts.fixed else total(costs_of(endpoint) for endpoint in facts.endpoints)
    gpus = sum(endpoint.max * endpoint.gpus for endpoint in facts.endpoints)
    count = len(facts.endpoints)
    hardware = f"up to {gpus} GPU{'s' * (gpus != 1)}" if gpus else "no GPU"
    platform = ", the platform itself included" if facts.fixed else ""
    return (
        f"{count} endpoint{'s' * (count != 1)}, {hardware}, {dollars(costs.at_min)} an hour at rest,"
        f" {dollars(costs.at_max)} at most{platform} (prices of {facts.price_date})."
    )
