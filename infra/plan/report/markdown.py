"""A report as Markdown: read as it is in a pipe, as a comment on a pull request, and in colour on a terminal."""

from collections.abc import Iterator, Sequence

from infra.plan.report.changes import Change
from infra.plan.report.fixed_costs import platform_lines, quota_lines
from infra.plan.report.money import cost_cells
from infra.plan.report.report import EndpointReport, Report, is_component

SIGNS = {"added": "+", "changed": "~", "removed": "-", "unchanged": " "}
MOST_CHANGES = 200
"""Resources that are listed; past that their count is told, the rest is in plan.json."""
MOST_FIELDS = 12
MARKER = "<!-- moorage-plan -->"
"""By which a later run finds the comment to replace."""


def to_markdown(report: Report) -> str:
    """The report, ending in a new line."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield MARKER
    yield f"## Plan of `{report.stack}`"
    yield ""
    yield _summary(report)
    yield ""
    yield from _endpoints(report)
    yield from _details(report.endpoints)
    yield from platform_lines(report)
    yield from _needs(report)
    yield from quota_lines(report)
    yield from _risks(report)
    yield from _resources(report)


def _summary(report: Report) -> str:
    if report.base is None:
        against = "All that the stack consists of."
    elif report.is_base_recorded:
        against = (
            f"Compared with `{report.base}`: two commits, not what runs; `pulumi preview` compares that."
        )
    else:
        against = f"`{report.base}` has no program for this stack, so everything counts as added."
    counted = [each for each in report.changes if not is_component(each)]
    counts = ", ".join(
        f"{sum(each.kind == kind for each in counted)} {kind}" for kind in ("added", "changed", "removed")
    )
    roll = f" Pods of {', '.join(report.restarts)} are made anew." if report.restarts else ""
    return f"{against} Resources: {counts}.{roll}"


def _endpoints(report: Report) -> Iterator[str]:
    yield "| | endpoint | $/h at min | at expected load | at max | what happens |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for each in report.endpoints:
        yield (
            f"| {SIGNS[each.change]} | {each.name} | {cost_cells(each.costs, each.costs_before)}"
            f" | {each.restart or 'nothing'} |"
        )
    yield f"| | **total** | {cost_cells(report.total, report.total_before)} | |"
    yield ""
    yield f"Prices of {report.price_date} ({report.price_source}), replicas only. Without `expected` the least counts."
    yield ""


def _details(endpoints: Sequence[EndpointReport]) -> Iterator[str]:
    changed = [each for each in endpoints if each.keys]
    if not changed:
        return
    yield "| endpoint | key | before | after |"
    yield "| --- | --- | --- | --- |"
    for each in changed:
        for key in each.keys:
            yield f"| {each.name} | {key.key} | {_code(key.before)} | {_code(key.after)} |"
    yield ""


def _needs(report: Report) -> Iterator[str]:
    yield "### Needs, at the most replicas"
    yield ""
    yield "| hardware | replicas | GPUs | on AWS | vCPU quota | there? |"
    yield "| --- | ---: | --- | --- | --- | --- |"
    for need in report.needs:
        gpus = f"{need.gpus} × {need.gpu_model}" if need.gpus else "none"
        yield (
            f"| {need.hardware} | {need.replicas} | {gpus} | {need.instance_type}"
            f" | {need.vcpu} of {need.quota} | {need.available} |"
        )
    yield ""


def _risks(report: Report) -> Iterator[str]:
    if not report.risks:
        return
    yield "### Look twice"
    yield ""
    for risk in report.risks:
        where = f"**{risk.endpoint}**: " if risk.endpoint else ""
        yield f"- {where}{risk.text} `[{risk.code}]`"
    yield ""


def _resources(report: Report) -> Iterator[str]:
    shown = [each for each in report.changes if not is_component(each)]
    if not shown or report.base is None or not report.is_base_recorded:
        return
    yield f"<details><summary>{len(shown)} resources</summary>"
    yield ""
    for change in shown[:MOST_CHANGES]:
        yield from _resource(change)
    if len(shown) > MOST_CHANGES:
        yield f"- … and {len(shown) - MOST_CHANGES} more, in plan.json"
    yield ""
    yield "</details>"


def _resource(change: Change) -> Iterator[str]:
    replaced = ", replaced" if change.is_replaced else ""
    yield f"- `{SIGNS[change.kind]} {change.type.rpartition(':')[2]} {change.name}`{replaced}"
    for field in change.fields[:MOST_FIELDS]:
        why = f" ({field.why})" if field.why else ""
        yield f"  - `{field.path}`: {_code(field.before)} → {_code(field.after)}{why}"
    if len(change.fields) > MOST_FIELDS:
        yield f"  - … and {len(change.fields) - MOST_FIELDS} more fields, in plan.json"


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`"
