"""What a run of the program registered, as values that outlive a commit."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.plan.facts import Facts


@dataclass(frozen=True, slots=True)
class Resource:
    """One registration, as the engine would have got it."""

    type: str
    name: str
    parent: str
    """`type::name`; empty below the stack itself."""
    inputs: Mapping[str, Any]
    """In Pulumi's own case; secrets are masked."""
    dependencies: tuple[str, ...]
    """`type::name` each, sorted."""
    protect: bool
    aliases: tuple[str, ...]
    retained: bool = False
    """Whether it outlives its removal from the program."""
    ignored: tuple[str, ...] = ()
    """Fields that somebody else writes."""
    provider: str = ""
    """Name of the provider that was asked for; empty for the default one. Fields from here on may lack in older recordings."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Its identity: parent, type and name."""
        return self.parent, self.type, self.name


@dataclass(frozen=True, slots=True)
class Recording:
    """All resources, sorted by their keys, and what the plan says of the endpoints."""

    stack: str
    resources: tuple[Resource, ...]
    facts: Facts

    def to_json(self) -> str:
        """The whole as one line of JSON."""
        resources = [asdict(each) for each in self.resources]
        whole = {"stack": self.stack, "resources": resources, "facts": self.facts.model_dump(mode="json")}
        return json.dumps(whole, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Recording":
        """What `to_json` wrote.

        Raises:
            ValueError: it is no recording, or one that an older commit wrote otherwise.
        """
        try:
            value = json.loads(text)
            resources = tuple(_resource(each) for each in value["resources"])
            return cls(value["stack"], resources, Facts.model_validate(value["facts"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no recording: {error}") from error


def _resource(value: Mapping[str, Any]) -> Resource:
    lists = {key: tuple(value.get(key, ())) for key in ("dependencies", "aliases", "ignored")}
    return Resource(**{**value, **lists})
