"""What sort of thing holds replicas up."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """In order: what the user should read first comes first, for waiting alone does not mend it."""

    API = "api"
    """The cluster's API refuses, or is away."""
    NOT_DEPLOYED = "not-deployed"
    CONFIG = "config"
    """A secret, or a key of one, is missing."""
    IMAGE = "image"
    """The image cannot be pulled."""
    CONTAINER = "container"
    """A container or its network cannot be made."""
    VOLUME = "volume"
    CRASH = "crash"
    HANGS = "hangs"
    QUOTA = "quota"
    """Of the namespace or of the cloud account."""
    NO_GPU = "no-gpu"
    """Every GPU is in use, and no further node is to be had: the cloud has none, or the pool is at its most."""
    NO_NODE = "no-node"
    """No node fits, and none is being added."""
    LOST = "lost"
    """Its node is not heard of."""
    EVICTED = "evicted"
    NODE = "node"
    """A node is being added."""
    IMAGE_PULL = "image-pull"
    STARTING = "starting"

    @property
    def rank(self) -> int:
        """Its place in this order."""
        return list(Kind).index(self)


@dataclass(frozen=True, slots=True)
class Cause:
    """What holds replicas up."""

    kind: Kind
    words: str
