"""The queue's view of an endpoint, mended by what the cluster knows of its pods. Pure.

The queue knows a replica from the moment its worker joins until it falls silent. The cluster knows it before
(a pod that waits for its node must not count as idle) and sees its end earlier.
"""

from collections.abc import Collection
from dataclasses import replace

from runtime.queue.port import EndpointView, ReplicaState, ReplicaView
from runtime.scaler.fleet import Fleet, Pod

PREPARE_SECONDS = 900.0
"""How long a pod may wait for its node and its image before its `start_seconds` run all the same."""
GONE_SECONDS = 10.0
"""A replica without a pod is forgotten once its worker was silent for so long: more than two beats."""

_SERVING = frozenset({ReplicaState.READY, ReplicaState.BUSY})


def view_of_fleet(
    view: EndpointView, fleet: Fleet, start_seconds: float, every: Collection[Pod]
) -> EndpointView:
    """The endpoint as its policy should see it: the pods that the fleet's number is about.

    Pods that have not joined the queue are starting replicas. Requests that run on pods which are ending,
    or belong to another Deployment of the endpoint, ask for no replica here.

    Args:
        view: the queue's.
        fleet: the Deployment whose number is wanted.
        start_seconds: the endpoint's longest start.
        every: pods of all of the endpoint's Deployments.
    """
    known = {replica.id: replica for replica in view.replicas}
    alive = {pod.name: pod for pod in fleet.alive}
    elsewhere = {pod.name for pod in every} - set(alive)
    gone = set(known) - set(alive) - elsewhere
    mended = [_mended(pod, known.get(name), view.now, start_seconds) for name, pod in alive.items()]
    lost = [known[name] for name in gone if known[name].request is not None]  # it will run again elsewhere
    return replace(
        view,
        running=max(
            0, view.running - sum(known[name].request is not None for name in elsewhere & set(known))
        ),
        replicas=tuple(sorted([*mended, *lost], key=lambda replica: replica.id)),
    )


def forgotten(view: EndpointView, every: Collection[Pod]) -> list[str]:
    """Replicas that the queue should forget: their pods are gone, and they hold nothing."""
    pods = {pod.name for pod in every}
    return [
        replica.id
        for replica in view.replicas
        if replica.id not in pods and replica.request is None and view.now - replica.beat_at >= GONE_SECONDS
    ]


def _mended(pod: Pod, known: ReplicaView | None, now: float, start_seconds: float) -> ReplicaView:
    begun = _start_begun(pod, now, start_seconds)
    if known is None:
        known = ReplicaView(
            id=pod.name,
            state=ReplicaState.STARTING,
            revision="",
            joined_at=begun,
            ready_at=None,
            idle_since=None,
            beat_at=now,
            request=None,
            detail="",
        )
    elif known.ready_at is None:
        known = replace(known, joined_at=begun)
    # Nobody is helped by the start of what does not start: once no request wants it, it goes.
    if known.state is ReplicaState.STARTING and (pod.is_crash_looping or pod.is_stuck):
        known = replace(known, state=ReplicaState.FAILING)
    return known


def _start_begun(pod: Pod, now: float, start_seconds: float) -> float:
    """When its `start_seconds` began: with its model; before that it waits for a node or an image."""
    if now - pod.created_at >= PREPARE_SECONDS + start_seconds:
        return pod.created_at
    if pod.model_started_at is not None:
        return pod.model_started_at
    return now if now - pod.created_at < PREPARE_SECONDS else pod.created_at


def has_joined(replica: ReplicaView) -> bool:
    """Whether the queue knows it; what stands for a pod that it does not know is of no revision."""
    return bool(replica.revision)


def serving(view: EndpointView) -> int:
    """How many of its replicas serve."""
    return sum(replica.state in _SERVING for replica in view.replicas)
