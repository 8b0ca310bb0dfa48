"""The one door: text in, a right `Spec` out, or a `SpecError` with every fault at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from infra.spec.checks import cross_findings
from infra.spec.draft import Draft, draft_of
from infra.spec.errors import SpecError
from infra.spec.explain import findings_of, null_findings
from infra.spec.model import Spec
from infra.spec.source import Finding, parse
from infra.spec.templates import Template


def load(text: str, filename: str, templates: Mapping[str, Template]) -> Spec:
    """Read an endpoints.yaml.

    Args:
        text: the file's content.
        filename: what errors call the file.
        templates: the templates that endpoints may clone, by name.

    Returns:
        The spec, with each template's defaults beneath the fields of its clones.

    Raises:
        SpecError: all faults of the file, those of one field and those of fields against each other.
    """
    source = parse(text, filename)
    findings = _new([], source.findings)
    findings = _new(findings, null_findings(source.value, Spec))
    merged = _with_defaults(source.value, templates)
    spec, faulty = _validated(merged)
    findings = _new(findings, faulty)
    draft: Draft = draft_of(source.value, merged, spec, findings)
    findings = _new(findings, cross_findings(draft, templates))
    if findings or spec is None:
        raise SpecError(source.fault(finding) for finding in findings)
    return spec


def _new(known: list[Finding], more: Iterable[Finding]) -> list[Finding]:
    """The known findings and those more whose place has none yet: one cause, one fault."""
    taken = {finding.path for finding in known}
    return known + [finding for finding in more if finding.path not in taken]


def _validated(value: Any) -> tuple[Spec | None, list[Finding]]:
    try:
        return Spec.model_validate(value), []
    except ValidationError as exc:
        return None, list(findings_of(exc, Spec))


def _with_defaults(value: Any, templates: Mapping[str, Template]) -> Any:
    """The file's value with each clone's template beneath it."""
    if not isinstance(value, dict) or not isinstance(value.get("endpoints"), tuple):
        return value
    return value | {"endpoints": tuple(_clone(own, templates) for own in value["endpoints"])}


def _clone(own: Any, templates: Mapping[str, Template]) -> Any:
    if not isinstance(own, dict):
        return own
    name = own.get("template")
    template = templates.get(name) if isinstance(name, str) else None
    merged = _beneath(template.defaults, own) if template else own
    return _kept_warm(own, merged) if "quickstart" in own else merged


def _beneath(defaults: Any, own: Any) -> Any:
    """Own values over defaults, mapping by mapping; a list or a scalar is replaced as a whole."""
    if not isinstance(defaults, dict) or not isinstance(own, dict):
        return own
    return defaults | {key: _beneath(defaults.get(key), item) for key, item in own.items()}


def _kept_warm(own: Mapping[str, Any], merged: Mapping[str, Any]) -> Mapping[str, Any]:
    """A quickstart has at least one replica unless its own min says otherwise, which is a fault."""
    asked = own.get("replicas", {})
    replicas = merged.get("replicas", {})
    if not isinstance(replicas, dict) or not isinstance(asked, dict) or "min" in asked:
        return merged
    return {**merged, "replicas": replicas | {"min": max(1, replicas.get("min", 0))}}
