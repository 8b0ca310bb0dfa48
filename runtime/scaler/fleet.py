"""One endpoint's Deployment and pods as the scaler reads them, out of the API's JSON. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from runtime.cluster.calls import Object
from runtime.wire.cluster import ANNOTATION_REVISION, DELETION_COST, LABEL_ENDPOINT, MODEL_CONTAINER

_TEMPLATE_LABEL = "pod-template-hash"
_ENDED = frozenset({"Succeeded", "Failed"})
CRASH_LOOP = "CrashLoopBackOff"
PULL_FAULTS = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
CREATE_FAULTS = frozenset({"CreateContainerError", "RunContainerError", "CreateContainerConfigError"})


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of an endpoint; its name is its replica's id in the queue."""

    name: str
    template: str
    """Which version of the Deployment's pod template it was made from."""
    created_at: float
    is_assigned: bool
    """Whether a node has been chosen."""
    phase: str
    is_ready: bool
    is_terminating: bool
    cost: int
    """Its pod-deletion-cost as the API last told it; 0 where none is written."""
    model_started_at: float | None
    """When its model was last started; None when it never was."""
    is_crash_looping: bool
    is_stuck: bool = False
    """Whether its image cannot be pulled, or a container of it not be made: it is tried again, and seldom helps."""
    raw: Object = field(repr=False, compare=False, default_factory=dict)

    @property
    def is_alive(self) -> bool:
        """Whether the ReplicaSet counts it."""
        return not self.is_terminating and self.phase not in _ENDED

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """Whom a ReplicaSet deletes first, whatever the cost: the smaller rank.

        Source: kubernetes v1.35, pkg/controller/controller_utils.go, ActivePodsWithRanks.Less.
        """
        return (self.is_assigned, {"Pending": 0, "Unknown": 1}.get(self.phase, 2), self.is_ready)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A Deployment and its pods."""

    endpoint: str
    namespace: str
    replicas: int
    """The number that stands in its spec."""
    version: str
    """The Deployment's resourceVersion that this was read from."""
    revision: str
    """`EndpointRecord.revision` that its pod template was made from."""
    is_observed: bool
    """Whether the Deployment controller has seen the last edit, and every pod is of one template."""
    created_at: float
    pods: tuple[Pod, ...] = ()
    raw: Object = field(repr=False, compare=False, default_factory=dict)

    @property
    def alive(self) -> tuple[Pod, ...]:
        """Pods that are neither ended nor ending: those that the number is about."""
        return tuple(pod for pod in self.pods if pod.is_alive)

    @property
    def is_settled(self) -> bool:
        """Whether no rollout is under way, so that one ReplicaSet alone decides who goes."""
        return self.is_observed and len({pod.template for pod in self.alive}) <= 1


def read_fleet(deployment: Object, pods: Iterable[Object]) -> Fleet:
    """The values of a Deployment and of the pods that carry its endpoint's label."""
    metadata, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    template = spec["template"]["metadata"].get("annotations") or {}
    return Fleet(
        endpoint=metadata["labels"][LABEL_ENDPOINT],
        namespace=metadata["namespace"],
        replicas=spec.get("replicas", 1),
        version=metadata.get("resourceVersion", ""),
        revision=template.get(ANNOTATION_REVISION, ""),
        is_observed=status.get("observedGeneration", 0) >= metadata.get("generation", 0)
        and status.get("updatedReplicas", 0) == status.get("replicas", 0),
        created_at=moment(metadata.get("creationTimestamp")) or 0.0,
        pods=tuple(sorted((read_pod(pod) for pod in pods), key=lambda pod: pod.name)),
        raw=deployment,
    )


def read_pod(pod: Object) -> Pod:
    """The values of a pod."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    model = container_status(pod, MODEL_CONTAINER)
    return Pod(
        name=metadata["name"],
        template=(metadata.get("labels") or {}).get(_TEMPLATE_LABEL, ""),
        created_at=moment(metadata.get("creationTimestamp")) or 0.0,
        is_assigned=bool((pod.get("spec") or {}).get("nodeName")),
        phase=status.get("phase", "Pending"),
        is_ready=condition(pod, "Ready").get("status") == "True",
        is_terminating=bool(metadata.get("deletionTimestamp")),
        cost=_cost((metadata.get("annotations") or {}).get(DELETION_COST)),
        model_started_at=_started_at(model),
        is_crash_looping=waiting_reason(model) == CRASH_LOOP,
        is_stuck=any(waiting_reason(each) in PULL_FAULTS | CREATE_FAULTS for each in _containers(pod)),
        raw=pod,
    )


def condition(found: Object, kind: str) -> Object:
    """A condition of an object's status; empty when it has none of that type."""
    conditions = (found.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind), {})


def container_status(pod: Object, name: str) -> Object:
    """What kubelet tells of a container, a sidecar too; empty before it does."""
    return next((each for each in _containers(pod) if each.get("name") == name), {})


def waiting_reason(status: Object) -> str:
    """Why a container is not running; empty when it is."""
    return str(((status.get("state") or {}).get("waiting") or {}).get("reason") or "")


def moment(text: str | None) -> float | None:
    """A time of the API in seconds since the epoch; None where it is absent."""
    return datetime.fromisoformat(text).timestamp() if text else None


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]


def _started_at(model: Object) -> float | None:
    running = (model.get("state") or {}).get("running") or {}
    ended = (model.get("lastState") or {}).get("terminated") or {}
    return moment(running.get("startedAt") or ended.get("startedAt"))


def _cost(text: str | None) -> int:
    """As the ReplicaSet controller reads it: what is no number counts as 0."""
    try:
        return int(text or 0)
    except ValueError:
        return 0
