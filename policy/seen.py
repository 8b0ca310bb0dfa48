"""What rules look at: resources of a stack as values, whoever read them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.plan.bounds import Bounds

MASK = "[secret]"
"""Stands for a secret's value in a recorded plan."""
UNKNOWN = "[unknown]"
"""Stands for a value that is known only once the resource is there; it counts as set."""
ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One resource."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    """In Pulumi's own case."""
    dependencies: frozenset[str] = frozenset()
    """Keys of the resources whose outputs it takes."""
    protect: bool = False

    @property
    def key(self) -> str:
        """`type::name`."""
        return f"{self.type}::{self.name}"


@dataclass(frozen=True, slots=True)
class Subject:
    """A whole stack."""

    resources: tuple[Seen, ...]
    bounds: Bounds | None = field(default=None)
    """What it may cost, and whether its data is protected; None where nothing says so."""

    def of(self, *types: str) -> Iterator[Seen]:
        """Its resources of some types."""
        return (each for each in self.resources if each.type in types)

    def beside(self, seen: Seen, kind: str) -> Iterator[Seen]:
        """Resources of a type that belong to another: they take its outputs."""
        return (each for each in self.of(kind) if seen.key in each.dependencies)


def at(inputs: Any, *path: str) -> Any:
    """What lies at a path of keys; None where there is nothing, `UNKNOWN` where that cannot be told yet.

    A list with one item counts as that item: Pulumi's types disagree on which blocks may be there twice.
    """
    found = inputs
    for key in path:
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if found == UNKNOWN:
            return UNKNOWN
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def is_on(value: Any) -> bool:
    """Whether a switch is on, written as a boolean or as its text; what is not known yet may be."""
    return value is True or value == UNKNOWN or (isinstance(value, str) and value.lower() == "true")


def items(value: Any) -> list[Any]:
    """A value as a list: of one, of many, of none."""
    if value is None or value == UNKNOWN:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def blocks(value: Any) -> list[Mapping[str, Any]]:
    """The same of what has keys of its own; what has none is left out."""
    return [each for each in items(value) if isinstance(each, Mapping)]


def texts(value: Any) -> set[str]:
    """The same of text, each once."""
    return {each for each in items(value) if isinstance(each, str)}
