"""The rules as a pack of Pulumi's: its engine shows it every resource of a stack, then the whole."""

from collections.abc import Mapping
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.plan.bounds import Bounds
from policy.rule import ResourceRule, Rule, StackRule
from policy.rules import RULES
from policy.seen import UNKNOWN, Seen, Subject

PACK = "moorage"
LEVELS = {"advisory": EnforcementLevel.ADVISORY, "mandatory": EnforcementLevel.MANDATORY}
STACK_TYPE = "pulumi:pulumi:Stack"


def plain(value: Any) -> Any:
    """A value as a recorded plan would have it: what is not known before `up` as `UNKNOWN`, whole numbers as such."""
    if isinstance(value, Mapping):
        return {key: _known(value, key) for key in value}
    if isinstance(value, list | tuple) or (hasattr(value, "__len__") and not isinstance(value, str)):
        return [_known(value, place) for place in range(len(value))]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _known(holder: Any, place: Any) -> Any:
    try:
        return plain(holder[place])
    except UnknownValueError:
        return UNKNOWN


def seen_of(resource: PolicyResource) -> Seen:
    """A resource of a finished stack."""
    dependencies = frozenset(f"{each.resource_type}::{each.name}" for each in resource.dependencies)
    return Seen(
        resource.resource_type,
        resource.name,
        plain(resource.props),
        dependencies,
        bool(resource.opts.protect),
    )


def subject_of(resources: list[PolicyResource]) -> Subject:
    """A finished stack; its bounds are what the program exports."""
    stacks = [plain(each.props) for each in resources if each.resource_type == STACK_TYPE]
    exported = stacks[0].get("bounds") if stacks else None
    seen = tuple(seen_of(each) for each in resources if each.resource_type != STACK_TYPE)
    return Subject(seen, Bounds(**exported) if isinstance(exported, Mapping) else None)


def policy_of(rule: Rule) -> Policy:
    """A rule in Pulumi's own form."""
    level, about = LEVELS[rule.level], f"{rule.title}."
    if isinstance(rule, ResourceRule):
        return ResourceValidationPolicy(rule.id, about, _resource_check(rule), level)
    return StackValidationPolicy(rule.id, about, _stack_check(rule), level)


def _resource_check(rule: ResourceRule) -> Any:
    def check(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for what in rule.check(Seen(args.resource_type, args.name, plain(args.props))):
            report(f"{what} {rule.mend}", None)

    return check


def _stack_check(rule: StackRule) -> Any:
    def check(args: StackValidationArgs, report: ReportViolation) -> None:
        urns = {f"{each.resource_type}::{each.name}": each.urn for each in args.resources}
        for breach in rule.check(subject_of(args.resources)):
            report(f"{breach.where}: {breach.what} {rule.mend}", urns.get(breach.where))

    return check


def start() -> None:
    """Serve the engine until it ends."""
    PolicyPack(PACK, [policy_of(rule) for rule in RULES])
