"""What the scaler asks of a cluster. `KubeCluster` does it with the API; tests have one in memory."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from runtime.cluster.calls import Object
from runtime.scaler.fleet import Fleet


class Cluster(Protocol):
    """Deployments and pods of all endpoints, from a copy that is kept up to date; writes go to the API."""

    @property
    def is_known(self) -> bool:
        """Whether everything was listed once."""
        ...

    def endpoints(self) -> Collection[str]:
        """Endpoints that have a Deployment."""
        ...

    def fleets(self, endpoint: str, revision: str) -> Sequence[Fleet]:
        """Its Deployments: first the one of this revision, else the newest; more than one only while it moves."""
        ...

    async def scale(self, fleet: Fleet, number: int, *, only_unchanged: bool) -> None:
        """Write a Deployment's number; with `only_unchanged` only while it is as `fleet` was read.

        Raises:
            ClusterError: the API refused or is away.
        """
        ...

    async def set_costs(self, fleet: Fleet, costs: Mapping[str, int]) -> None:
        """Write the pod-deletion-costs of pods; those that are gone are passed over.

        Raises:
            ClusterError: the API refused or is away.
        """
        ...

    async def living(self, fleet: Fleet, names: Collection[str]) -> Collection[str]:
        """Which of these pods are neither ended nor ending, asked of the API itself and not of the copy.

        Raises:
            ClusterError: the API refused or is away.
        """
        ...

    async def events(self, namespace: str, name: str) -> Sequence[Object]:
        """Recent events about an object, bounded.

        Raises:
            ClusterError: the API refused or is away.
        """
        ...

    async def last_lines(self, namespace: str, pod: str) -> str:
        """The end of what a pod's model wrote before it last ended, bounded.

        Raises:
            ClusterError: the API refused or is away.
        """
        ...
