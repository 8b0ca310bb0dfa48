"""What could be read of a faulty file, so that fields are held against each other all the same."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra.spec.model import Endpoint, Registry, Spec, Token
from infra.spec.source import Finding
from infra.spec.wording import Path

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Placed:
    """One endpoint: where it stands, the user's own keys, and all readable fields with defaults.

    `faulty` holds the keys that were left out of `endpoint`.
    """

    at: int
    name: str | None
    own: Mapping[str, Any]
    faulty: frozenset[str | int]
    endpoint: Endpoint

    def path(self, *steps: str | int) -> Path:
        """A path below this endpoint."""
        return ("endpoints", self.at, *steps)


@dataclass(frozen=True, slots=True)
class Draft:
    """The readable parts of a file; names count even where their entries are faulty."""

    account: str | None
    registries: Mapping[str, Registry]
    registry_names: frozenset[str]
    secret_names: frozenset[str]
    tokens: Mapping[str, Token]
    endpoint_names: frozenset[str]
    endpoints: tuple[Placed, ...]


def draft_of(own: Any, merged: Any, spec: Spec | None, findings: Iterable[Finding]) -> Draft:
    """The readable parts of a file.

    Args:
        own: the file's value as written.
        merged: the same with templates beneath their clones.
        spec: the validated value, if it was right.
        findings: the faults so far; the keys they stand at are left out.
    """
    written = own if isinstance(own, dict) else {}
    faulty = _faulty_keys(findings)
    raw = _items(written.get("endpoints"))
    full = _items(merged.get("endpoints") if isinstance(merged, dict) else None)
    return Draft(
        account=_text(written.get("account")) if not faulty["account",] else None,
        registries=_readable(Registry, written.get("registries"), "registries", faulty),
        registry_names=_names(written.get("registries")),
        secret_names=_names(written.get("secrets")),
        tokens=_readable(Token, written.get("tokens"), "tokens", faulty),
        endpoint_names=frozenset(
            item["name"] for item in raw if isinstance(item, dict) and isinstance(item.get("name"), str)
        ),
        endpoints=tuple(_placed(raw, full, spec, faulty)),
    )


Faulty = defaultdict[Path, set[str | int]]
"""Entry of the file to its keys that have a fault."""


def _faulty_keys(findings: Iterable[Finding]) -> Faulty:
    faulty: Faulty = defaultdict(set)
    for path, *_ in findings:
        deep = 2 if path[:1] in {("endpoints",), ("registries",), ("tokens",)} else 1
        faulty[path[:deep]].add(path[deep] if len(path) > deep else "")
    return faulty


def _placed(raw: list[Any], full: list[Any], spec: Spec | None, faulty: Faulty) -> Iterable[Placed]:
    for at, (own, item) in enumerate(zip(raw, full, strict=True)):
        if not isinstance(own, dict):
            continue
        bad = faulty["endpoints", at]
        name = None if "name" in bad else _text(own.get("name"))
        endpoint = spec.endpoints[at] if spec else _salvaged(Endpoint, {"name": "unnamed", **item}, bad)
        if endpoint:
            yield Placed(at, name, own, frozenset(bad), endpoint)


def _readable(model: type[M], entries: Any, key: str, faulty: Faulty) -> dict[str, M]:
    found = entries.items() if isinstance(entries, dict) else ()
    read = {name: _salvaged(model, item, faulty[key, name]) for name, item in found if isinstance(item, dict)}
    return {name: item for name, item in read.items() if item}


def _salvaged(model: type[M], value: Mapping[str, Any], bad: set[str | int]) -> M | None:
    """The model of the faultless keys, if they are enough for one."""
    kept = {key: item for key, item in value.items() if key not in bad}
    if "name" in bad:
        kept["name"] = "unnamed"
    try:
        return model.model_validate(kept)
    except ValidationError:
        return None


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else []


def _names(value: Any) -> frozenset[str]:
    return frozenset(value) if isinstance(value, dict) else frozenset()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
