"""Two recordings against each other: which resources are added, changed, removed, and which of their fields."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from infra.plan.recording import Recording, Resource
from runtime.wire.cluster import LABEL_ENDPOINT

Kind = Literal["added", "changed", "removed"]
SERVICE = "moorage:components:InferenceService"
COMPONENT_PREFIX = "moorage:components:"
LONGEST_SHOWN = 120
"""Characters of a value in a report."""
DATA_TYPES = ("kubernetes:apps/v1:StatefulSet", "kubernetes:core/v1:PersistentVolumeClaim")
"""Types that hold data: whether an update replaces them only the engine knows."""
REPLACING = ("metadata.name", "metadata.namespace", "spec.selector.")
"""Fields that cannot be changed in place."""
MISSING = "—"

REASONS: tuple[tuple[str, str], ...] = (
    ("spec.template.spec.containers[model].image", "another image: new replicas"),
    ("spec.template.spec.initContainers[worker].image", "another platform: new workers"),
    ("spec.template.spec.containers[model].env", "another environment of the model"),
    ("spec.template.spec.containers[model].resources", "other hardware for each replica"),
    ("spec.template.spec.affinity", "other nodes"),
    ("spec.template.spec.tolerations", "other nodes"),
    ("spec.template.spec.terminationGracePeriodSeconds", "how long a replica may finish its request"),
    ("spec.template.metadata.annotations[moorage.dev/revision]", "what a replica is made from has changed"),
    ("spec.template.metadata.annotations[moorage.dev/secrets-hash]", "a secret that it reads has changed"),
    ("spec.template.", "its pods are made anew"),
    ("spec.strategy", "how the next roll-out goes"),
    ("spec.progressDeadlineSeconds", "how long a roll-out may take"),
    ("data.record.json", "what gateway and scaler are told; nothing restarts"),
    ("spec.rules", "who may do or reach what"),
    ("spec.ingress", "who may reach it"),
    ("spec.egress", "what it may reach"),
    ("rules", "what it may do in the cluster"),
    ("stringData", "a secret's value"),
    ("metadata.annotations", "how it is looked after"),
)
"""Beginning of a field's path to why its change matters."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field; values as JSON, shortened."""

    path: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """One resource."""

    kind: Kind
    type: str
    name: str
    endpoint: str | None
    """None where it is the platform's."""
    is_replaced: bool
    is_data: bool
    fields: tuple[FieldChange, ...]


def compare(before: Recording | None, after: Recording) -> tuple[Change, ...]:
    """Every change, sorted by endpoint, type and name; without a recording before, all is added."""
    old = {} if before is None else {each.key: each for each in before.resources}
    new = {each.key: each for each in after.resources}
    found = [_change("added", new[key], ()) for key in new.keys() - old.keys()]
    found += [_change("removed", old[key], ()) for key in old.keys() - new.keys()]
    for key in new.keys() & old.keys():
        fields = tuple(_field_changes(old[key].inputs, new[key].inputs))
        if fields:
            found.append(_change("changed", new[key], fields))
    return tuple(
        sorted(found, key=lambda change: (change.endpoint or "", change.type, change.name, change.kind))
    )


def is_restarting(change: Change) -> bool:
    """Whether pods of a workload are made anew."""
    return change.kind == "changed" and any(
        field.path.startswith("spec.template.") for field in change.fields
    )


def _change(kind: Kind, resource: Resource, fields: tuple[FieldChange, ...]) -> Change:
    return Change(
        kind=kind,
        type=resource.type,
        name=resource.name,
        endpoint=_endpoint_of(resource),
        is_replaced=any(field.path.startswith(REPLACING) for field in fields),
        is_data=resource.type in DATA_TYPES,
        fields=fields,
    )


def _endpoint_of(resource: Resource) -> str | None:
    if resource.type == SERVICE:
        return resource.name
    metadata = resource.inputs.get("metadata")
    labels = metadata.get("labels", {}) if isinstance(metadata, dict) else {}
    found = labels.get(LABEL_ENDPOINT) if isinstance(labels, dict) else None
    return found if isinstance(found, str) else None


def _field_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield FieldChange(path, _shown(old.get(path)), _shown(new.get(path)), _why(path))


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every leaf with its path; items of a list by their name, where they have one, JSON as what it says."""
    if path.endswith(".json") and isinstance(value, str):
        value = _json(value)
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            step = f"[{key}]" if "/" in key else f".{key}" if path else key
            yield from _flat(item, f"{path}{step}")
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            named = item.get("name") if isinstance(item, Mapping) else None
            yield from _flat(item, f"{path}[{named if isinstance(named, str) else at}]")
    else:
        yield path, value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _shown(value: Any) -> str:
    if value is None:
        return MISSING
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _why(path: str) -> str:
    return next((why for begin, why in REASONS if path.startswith(begin)), "")
