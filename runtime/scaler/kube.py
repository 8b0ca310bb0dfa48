"""The cluster behind the Kubernetes API: mirrors to read from, calls to write with."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import ApiClient, ClusterError, Object
from runtime.cluster.paths import deployments, events, pods
from runtime.cluster.watching import Pace
from runtime.scaler.fleet import Fleet, read_fleet, read_pod
from runtime.scaler.metrics import Metrics
from runtime.scaler.mirror import Mirror, version_of
from runtime.wire.cluster import DELETION_COST, LABEL_ENDPOINT, MODEL_CONTAINER

MOST_EVENTS = 50
MOST_LOG_LINES = 12
MOST_LOG_BYTES = 4096
AT_ONCE = 16
"""Pods whose cost is written at the same time."""


class KubeCluster:
    """A `runtime.scaler.cluster.Cluster` of the given namespaces."""

    def __init__(
        self,
        client: ApiClient,
        namespaces: Sequence[str],
        metrics: Metrics,
        log: FilteringBoundLogger,
        pace: Pace | None = None,
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._deployments = {name: Mirror(client, deployments(name), log, pace) for name in namespaces}
        self._pods = {name: Mirror(client, pods(name), log, pace) for name in namespaces}
        self._written: dict[tuple[str, str], Object] = {}
        """Namespace and Deployment to the `Scale` that the API answered to our last write."""

    async def run(self) -> None:
        """Keep the copies up to date; never returns."""
        async with asyncio.TaskGroup() as group:
            for mirror in (*self._deployments.values(), *self._pods.values()):
                group.create_task(mirror.run())

    @property
    def is_known(self) -> bool:
        """Whether everything was listed once."""
        return all(mirror.is_known for mirror in (*self._deployments.values(), *self._pods.values()))

    def endpoints(self) -> Collection[str]:
        """Endpoints that have a Deployment."""
        return {endpoint for mirror in self._deployments.values() for endpoint in mirror.endpoints}

    def fleets(self, endpoint: str, revision: str) -> Sequence[Fleet]:
        """Its Deployments; see `Cluster`."""
        found = [
            read_fleet(self._as_written(deployment), self._pods[namespace].of(endpoint).values())
            for namespace, mirror in self._deployments.items()
            for deployment in mirror.of(endpoint).values()
        ]
        return sorted(found, key=lambda fleet: (fleet.revision != revision, -fleet.created_at))

    async def scale(self, fleet: Fleet, number: int, *, only_unchanged: bool) -> None:
        """Write a Deployment's number; see `Cluster`."""
        body: Object = {"spec": {"replicas": number}}
        if only_unchanged:
            body["metadata"] = {"resourceVersion": fleet.version}
        name = fleet.raw["metadata"]["name"]
        with self._metrics.counting_faults("scale"):
            written = await self._client.merge(f"{deployments(fleet.namespace)}/{name}/scale", body)
        self._written[(fleet.namespace, name)] = written

    async def set_costs(self, fleet: Fleet, costs: Mapping[str, int]) -> None:
        """Write the costs that are not written yet; see `Cluster`."""
        standing = {pod.name: pod.cost for pod in fleet.pods}
        stale = [(name, cost) for name, cost in costs.items() if standing.get(name) != cost]
        room = asyncio.Semaphore(AT_ONCE)

        async def write(name: str, cost: int) -> None:
            async with room:
                await self._set_cost(fleet.namespace, name, cost)

        written = await asyncio.gather(*(write(*each) for each in stale), return_exceptions=True)
        for fault in written:
            if fault is not None:
                raise fault

    async def living(self, fleet: Fleet, names: Collection[str]) -> Collection[str]:
        """Which of these pods are neither ended nor ending; see `Cluster`."""
        with self._metrics.counting_faults("pods"):
            # Without a version it is read from the store: what has been deleted until now shows.
            found = await self._client.read(
                pods(fleet.namespace), {"labelSelector": f"{LABEL_ENDPOINT}={fleet.endpoint}"}
            )
        seen = map(read_pod, found.get("items") or ())
        return {pod.name for pod in seen if pod.name in names and pod.is_alive}

    async def events(self, namespace: str, name: str) -> Sequence[Object]:
        """Recent events about an object; see `Cluster`."""
        with self._metrics.counting_faults("events"):
            found = await self._client.read(
                events(namespace), {"fieldSelector": f"involvedObject.name={name}", "limit": MOST_EVENTS}
            )
        return found.get("items") or ()

    async def last_lines(self, namespace: str, pod: str) -> str:
        """The end of what its model wrote before it last ended; see `Cluster`."""
        with self._metrics.counting_faults("log"):
            return await self._client.read_text(
                f"{pods(namespace)}/{pod}/log",
                {
                    "container": MODEL_CONTAINER,
                    "previous": "true",
                    "tailLines": MOST_LOG_LINES,
                    "limitBytes": MOST_LOG_BYTES,
                },
            )

    async def _set_cost(self, namespace: str, name: str, cost: int) -> None:
        body = {"metadata": {"annotations": {DELETION_COST: str(cost)}}}
        with self._metrics.counting_faults("cost"):
            try:
                found = await self._client.merge(f"{pods(namespace)}/{name}", body)
            except ClusterError as exc:
                if not exc.is_gone:
                    raise
                return
        self._pods[namespace].put(found)

    def _as_written(self, deployment: Object) -> Object:
        """The Deployment with the number that we wrote, until the watch has told of it."""
        key = (deployment["metadata"]["namespace"], deployment["metadata"]["name"])
        written = self._written.get(key)
        if written is None:
            return deployment
        if version_of(deployment) >= version_of(written):
            del self._written[key]
            return deployment
        metadata = {**deployment["metadata"], "resourceVersion": written["metadata"]["resourceVersion"]}
        spec = {**deployment["spec"], "replicas": written["spec"].get("replicas", 0)}
        return {**deployment, "metadata": metadata, "spec": spec}
