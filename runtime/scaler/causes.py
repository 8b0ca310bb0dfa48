"""Kinds of causes."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of thing holds an endpoint's replicas up."""

    STARTING = "starting"
    NOT_DEPLOYED = "not-deployed"
    API = "api"


@dataclass(frozen=True, slots=True)
class Cause:
    """What holds replicas up."""

    kind: Kind
    words: str
