"""A cluster in memory: Deployments whose pods come and go as a ReplicaSet controller has it."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.kube_objects import BORN, Object, make_deployment, make_pod, ready_condition

from runtime.cluster.calls import ClusterError
from runtime.scaler.fleet import Fleet, read_fleet, read_pod

CONFLICT = 409
NAMESPACE = "moorage-baseline"


class CrashError(Exception):
    """The process was killed after this step."""


@dataclass
class Steps:
    """What was written, in order; it may kill the writer after one of them."""

    taken: list[tuple[Any, ...]] = field(default_factory=list)
    crash_after: int | None = None

    def take(self, *step: Any) -> None:
        """Note a step that has been done.

        Raises:
            CrashError: it was the last one.
        """
        self.taken.append(step)
        if self.crash_after is not None and len(self.taken) > self.crash_after:
            raise CrashError

    @property
    def names(self) -> list[str]:
        """The first word of each step."""
        return [step[0] for step in self.taken]


class MemoryCluster:
    """A `runtime.scaler.cluster.Cluster`; `control` is the moment in which its controllers act."""

    def __init__(self, steps: Steps | None = None, clock: Callable[[], float] = lambda: BORN) -> None:
        self.steps = steps or Steps()
        self.is_known = True
        self.deployments: dict[tuple[str, str], Object] = {}
        self.pods: dict[str, Object] = {}
        self.deleted: list[str] = []
        """Pods that a lower number took, in order."""
        self.ending: set[str] = set()
        """Pods that are being deleted, and of which the copy does not know it yet."""
        self.fault: ClusterError | None = None
        """What every write is answered with."""
        self.happenings: dict[str, list[Object]] = {}
        """Events by the name of their object."""
        self.logs: dict[str, str] = {}
        self._clock = clock
        self._version = 1
        self._born = 0

    def deploy(self, name: str = "embed", replicas: int = 0, **more: Any) -> None:
        """Add a Deployment, or put another in its place."""
        found = make_deployment(name, replicas, version=self._next_version(), **more)
        self.deployments[(found["metadata"]["namespace"], name)] = found

    def add_pod(self, name: str, **more: Any) -> None:
        """Add a pod, or put another in its place."""
        self.pods[name] = make_pod(name, version=self._next_version(), **more)

    def control(self, endpoint: str = "embed", namespace: str = NAMESPACE) -> None:
        """Make or delete pods until there are as many as the number says."""
        deployment = self.deployments[(namespace, endpoint)]
        alive = self.alive(endpoint, namespace)
        number = deployment["spec"]["replicas"]
        for _ in range(number - len(alive)):
            self._born += 1
            self.add_pod(
                f"{endpoint}-{self._born}",
                endpoint=endpoint,
                namespace=namespace,
                phase="Pending",
                ready=False,
                assigned=False,
                created_at=self._clock(),
            )
        order = sorted((read_pod(self.pods[name]) for name in alive), key=lambda pod: (pod.rank, pod.cost))
        for pod in order[: max(0, len(alive) - number)]:
            self.pods[pod.name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self.deleted.append(pod.name)
        self._count(deployment, endpoint, namespace)

    def start(self, name: str, *, ready: bool = True) -> None:
        """Let a pod run, and be ready."""
        pod = self.pods[name]
        pod["spec"]["nodeName"] = "node-1"
        pod["status"] |= {
            "phase": "Running",
            "conditions": [ready_condition(is_ready=ready)],
            "containerStatuses": [
                {"name": "model", "state": {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}}
            ],
        }

    def end(self, name: str) -> None:
        """Let a pod be gone."""
        del self.pods[name]

    def alive(self, endpoint: str = "embed", namespace: str = NAMESPACE) -> list[str]:
        """Names of the pods that the number is about."""
        return [
            name
            for name, pod in self.pods.items()
            if pod["metadata"]["labels"]["moorage.dev/endpoint"] == endpoint
            and pod["metadata"]["namespace"] == namespace
            and read_pod(pod).is_alive
        ]

    def number(self, endpoint: str = "embed", namespace: str = NAMESPACE) -> int:
        """What stands in the Deployment."""
        number: int = self.deployments[(namespace, endpoint)]["spec"]["replicas"]
        return number

    def endpoints(self) -> Collection[str]:
        """See `Cluster`."""
        return {name for _, name in self.deployments}

    def fleets(self, endpoint: str, revision: str) -> Sequence[Fleet]:
        """See `Cluster`."""
        found = [
            read_fleet(
                copy.deepcopy(deployment),
                [copy.deepcopy(pod) for pod in self.pods.values() if _is_of(pod, endpoint, namespace)],
            )
            for (namespace, name), deployment in self.deployments.items()
            if name == endpoint
        ]
        return sorted(found, key=lambda fleet: (fleet.revision != revision, -fleet.created_at))

    async def scale(self, fleet: Fleet, number: int, *, only_unchanged: bool) -> None:
        """See `Cluster`."""
        self._refuse()
        deployment = self.deployments[(fleet.namespace, fleet.endpoint)]
        if only_unchanged and deployment["metadata"]["resourceVersion"] != fleet.version:
            raise ClusterError(CONFLICT, "the object has been modified")
        deployment["spec"]["replicas"] = number
        deployment["metadata"]["resourceVersion"] = str(self._next_version())
        self.steps.take("scale", fleet.endpoint, number)

    async def set_costs(self, fleet: Fleet, costs: Mapping[str, int]) -> None:
        """See `Cluster`."""
        self._refuse()
        known = {pod.name for pod in fleet.pods}
        for name, cost in costs.items():
            if name not in known:
                raise KeyError(name)
            annotations = self.pods[name]["metadata"].setdefault("annotations", {})
            annotations["controller.kubernetes.io/pod-deletion-cost"] = str(cost)
            self.steps.take("cost", name, cost)

    async def living(self, fleet: Fleet, names: Collection[str]) -> Collection[str]:
        """See `Cluster`."""
        self._refuse()
        return [pod.name for pod in fleet.alive if pod.name in names and pod.name not in self.ending]

    async def events(self, namespace: str, name: str) -> Sequence[Object]:
        """See `Cluster`."""
        return self.happenings.get(name, []) if namespace == NAMESPACE else []

    async def last_lines(self, namespace: str, pod: str) -> str:
        """See `Cluster`."""
        return self.logs.get(pod, "") if namespace == NAMESPACE else ""

    def _refuse(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _count(self, deployment: Object, endpoint: str, namespace: str) -> None:
        total = len(self.alive(endpoint, namespace))
        deployment["status"] |= {"replicas": total, "updatedReplicas": total}
        deployment["metadata"]["resourceVersion"] = str(self._next_version())

    def _next_version(self) -> int:
        self._version += 1
        return self._version


def _is_of(pod: Object, endpoint: str, namespace: str) -> bool:
    metadata = pod["metadata"]
    return bool(metadata["namespace"] == namespace and metadata["labels"]["moorage.dev/endpoint"] == endpoint)
