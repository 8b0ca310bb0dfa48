"""What holds an endpoint's replicas up: from conditions, container states, events and last lines to words. Pure.

The messages of scheduler, kubelet and the autoscalers are told apart by the few words in them that have stood
for years; what is not recognised is passed on as it was said, cut short.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.cluster.calls import Object
from runtime.queue.port import SILENT_SECONDS, ReplicaState, ReplicaView
from runtime.scaler import scheduling
from runtime.scaler.fleet import (
    CRASH_LOOP,
    CREATE_FAULTS,
    PULL_FAULTS,
    Fleet,
    Pod,
    condition,
    container_status,
    moment,
    waiting_reason,
)
from runtime.scaler.kinds import Cause, Kind
from runtime.scaler.seeing import has_joined
from runtime.scaler.telling import Happening, clean, happenings, last_lines, took
from runtime.wire.cluster import MODEL_CONTAINER, WORKER_CONTAINER

_SERVING = frozenset({ReplicaState.READY, ReplicaState.BUSY})
_PULL_WORDS = {
    ("unauthorized", "denied", "forbidden", "no basic auth", "401", "403"): (
        "the registry lets nobody pull {image} with these credentials, or it does not exist"
    ),
    ("not found", "manifest unknown", "404"): "image {image} was not found",
    ("invalidimagename", "couldn't parse image", "invalid reference"): "{image} is no image name",
    ("no match for platform", "no matching manifest"): "image {image} is not built for this kind of node",
    ("no space left",): "image {image} does not fit on the node's disk",
    ("toomanyrequests", "rate limit"): "the registry limits how often {image} may be pulled",
}
"""What a registry's answer holds, and what it means; the first that applies."""
_MOUNT_FAULTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
_MANY_RESTARTS = 2
_KILLED_BY_MEMORY = "OOMKilled"
_FRESH_SECONDS = 300.0
"""How long an eviction, or a restart by a probe, explains why no replica is ready."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of an endpoint that has not enough ready replicas."""

    fleet: Fleet
    now: float
    replicas: Mapping[str, ReplicaView] = field(default_factory=dict)
    """Every pod's, as `view_of_fleet` sees them."""
    events: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    """By pod."""
    lines: Mapping[str, str] = field(default_factory=dict)
    """The end of what a pod's model wrote before it last ended."""
    hidden: frozenset[str] = frozenset()
    """Values that are shown nowhere."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One pod, with what is known of it."""

    pod: Pod
    now: float
    events: tuple[Happening, ...]
    lines: str
    detail: str
    is_known: bool
    """Whether the queue has it: its worker was heard of a short while ago."""
    hidden: frozenset[str]

    @property
    def model(self) -> Object:
        return container_status(self.pod.raw, MODEL_CONTAINER)

    def since(self, at: float | None) -> str:
        return took(self.now - (self.pod.created_at if at is None else at))

    def last(self, *reasons: str) -> Happening | None:
        return next((each for each in reversed(self.events) if each.reason in reasons), None)

    def clean(self, text: str) -> str:
        return clean(text, self.hidden)


def find_cause(evidence: Evidence) -> Cause | None:
    """The cause that the user should read first: what nobody mends by waiting; None when nothing is known."""
    looks = [_look(evidence, pod) for pod in _heard(evidence)]
    causes = [cause for cause in map(_cause_of_pod, looks) if cause is not None]
    without = _cause_without_pod(evidence)
    if without is not None:
        causes.append(without)
    return min(causes, key=lambda cause: cause.kind.rank, default=None)


def _heard(evidence: Evidence) -> list[Pod]:
    """Pods that do not serve; those that wait for a node unread say less than one whose events were read, and are left out."""
    stuck = [pod for pod in evidence.fleet.alive if not _serves(evidence, pod)]
    if not any(not pod.is_assigned and pod.name in evidence.events for pod in evidence.fleet.alive):
        return stuck
    return [pod for pod in stuck if pod.is_assigned or pod.name in evidence.events]


def is_crashing(pod: Pod) -> bool:
    """Whether the last lines of its model's former life tell why it does not serve."""
    model = container_status(pod.raw, MODEL_CONTAINER)
    return pod.is_crash_looping or (not pod.is_ready and model.get("restartCount", 0) > 0)


def hidden_values(env: Mapping[str, str], pods: Sequence[Pod]) -> frozenset[str]:
    """Values of variables, of the record and of the pods' containers; short ones say nothing and stand anywhere."""
    values = list(env.values())
    for pod in pods:
        spec = pod.raw.get("spec") or {}
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            values += [each["value"] for each in container.get("env") or () if each.get("value")]
    return frozenset(value for value in values if len(value) >= 4)  # noqa: PLR2004 - `true`, a port


def _look(evidence: Evidence, pod: Pod) -> _Look:
    replica = evidence.replicas.get(pod.name)
    return _Look(
        pod=pod,
        now=evidence.now,
        events=happenings(evidence.events.get(pod.name, ())),
        lines=last_lines(evidence.lines.get(pod.name, ""), evidence.hidden),
        detail=replica.detail if replica else "",
        is_known=replica is not None and has_joined(replica),
        hidden=evidence.hidden,
    )


def _serves(evidence: Evidence, pod: Pod) -> bool:
    replica = evidence.replicas.get(pod.name)
    return replica is not None and replica.state in _SERVING


def _cause_without_pod(evidence: Evidence) -> Cause | None:
    """Why there are fewer pods than the number says, and what became of those that ended."""
    failure = condition(evidence.fleet.raw, "ReplicaFailure")
    if failure.get("status") == "True" and len(evidence.fleet.alive) < evidence.fleet.replicas:
        return scheduling.refused(clean(str(failure.get("message", "")), evidence.hidden))
    evicted = [pod for pod in evidence.fleet.pods if _was_evicted(pod, evidence.now)]
    if evicted:
        why = clean(str(evicted[-1].raw["status"].get("message") or ""), evidence.hidden)
        return Cause(Kind.EVICTED, f"starting again: its pod was evicted ({why or 'no reason was given'})")
    if not evidence.fleet.alive and evidence.fleet.replicas:
        return Cause(Kind.STARTING, "starting: its pod is being made")
    return None


def _was_evicted(pod: Pod, now: float) -> bool:
    status = pod.raw.get("status") or {}
    return (
        pod.phase == "Failed"
        and status.get("reason") == "Evicted"
        and now - pod.created_at < 4 * _FRESH_SECONDS
    )


def _cause_of_pod(look: _Look) -> Cause | None:
    """The first of these that applies."""
    rules: tuple[Callable[[_Look], Cause | None], ...] = (
        _unscheduled,
        _unpulled,
        _uncreated,
        _worker_broken,
        _crash_looping,
        _unmounted,
        _preparing,
        _lost,
        _hanging,
        _silent,
    )
    return next((cause for cause in (rule(look) for rule in rules) if cause is not None), None)


def _unscheduled(look: _Look) -> Cause | None:
    if look.pod.is_assigned:
        return None
    told = condition(look.pod.raw, "PodScheduled")
    message = str(told.get("message") or "") if told.get("status") == "False" else ""
    return scheduling.unscheduled(look.clean(message), look.events, look.now, look.clean)


def _unpulled(look: _Look) -> Cause | None:
    for name in (MODEL_CONTAINER, WORKER_CONTAINER):
        status = container_status(look.pod.raw, name)
        if waiting_reason(status) in PULL_FAULTS:
            told = look.last("Failed", "InspectFailed")
            message = str(status["state"]["waiting"].get("message") or "")
            if told is not None and "pull" in told.message:
                message = f"{message} {told.message}"
            return Cause(Kind.IMAGE, f"cannot start: {_pull_fault(look, name, message)}")
    return None


def _pull_fault(look: _Look, container: str, message: str) -> str:
    image = _image(look.pod, container)
    low = message.lower()
    for words, told in _PULL_WORDS.items():
        if any(word in low for word in words):
            return told.format(image=image)
    return f"image {image} cannot be pulled: {look.clean(message)}"


def _uncreated(look: _Look) -> Cause | None:
    for name in (MODEL_CONTAINER, WORKER_CONTAINER):
        status = container_status(look.pod.raw, name)
        if waiting_reason(status) in CREATE_FAULTS:
            message = look.clean(str(status["state"]["waiting"].get("message") or ""))
            if waiting_reason(status) == "CreateContainerConfigError":
                return Cause(Kind.CONFIG, f"cannot start: {message or 'a secret or a key of one is missing'}")
            return Cause(Kind.CONTAINER, f"cannot start: its {name} container: {message}")
    return None


def _worker_broken(look: _Look) -> Cause | None:
    status = container_status(look.pod.raw, WORKER_CONTAINER)
    if waiting_reason(status) != CRASH_LOOP:
        return None
    return Cause(Kind.CRASH, f"crash-looping: its worker, {_ending(status)}; see the worker's log")


def _crash_looping(look: _Look) -> Cause | None:
    model = look.model
    ended = (model.get("state") or {}).get("terminated") or {}
    is_between = bool(ended) and model.get("restartCount", 0) >= _MANY_RESTARTS
    if not look.pod.is_crash_looping and not is_between:
        return None
    killed_by = _probe_kill(look)
    if killed_by is not None:
        return killed_by
    text = f"crash-looping: its model {_ending(model)}"
    return Cause(Kind.CRASH, f"{text}; it last wrote:\n{look.lines}" if look.lines else text)


def _ending(status: Object) -> str:
    """`ended with exit code 1, 5 restarts`."""
    ended = (
        (status.get("lastState") or {}).get("terminated")
        or (status.get("state") or {}).get("terminated")
        or {}
    )
    count = status.get("restartCount", 0)
    restarts = f"{count} restart{'' if count == 1 else 's'}"
    if ended.get("reason") == _KILLED_BY_MEMORY:
        return f"used more memory than its limit and was killed (OOMKilled), {restarts}"
    return f"ended with exit code {ended.get('exitCode', 'unknown')}, {restarts}"


def _unmounted(look: _Look) -> Cause | None:
    if (look.model.get("state") or {}).get("running"):
        return None
    told = look.last(*_MOUNT_FAULTS)
    if told is None or _has_begun(look, told.at):
        return None
    return Cause(Kind.VOLUME, f"cannot start: a volume cannot be mounted: {look.clean(told.message)}")


def _has_begun(look: _Look, at: float) -> bool:
    """Whether kubelet has come to the image, or past it, since then."""
    later = look.last("Pulling", "Pulled", "Created", "Started")
    return later is not None and later.at > at


def _preparing(look: _Look) -> Cause | None:
    """Assigned, and its model has not run yet."""
    if look.pod.model_started_at is not None:
        return None
    sandbox = look.last("FailedCreatePodSandBox")
    if sandbox is not None and not _has_begun(look, sandbox.at):
        return Cause(Kind.CONTAINER, f"cannot start: its pod gets no network: {look.clean(sandbox.message)}")
    pulling, pulled = look.last("Pulling"), look.last("Pulled")
    if pulling is not None and (pulled is None or pulled.at < pulling.at):
        return Cause(Kind.IMAGE_PULL, f"starting: its image is being pulled ({look.since(pulling.at)})")
    scheduled = moment(condition(look.pod.raw, "PodScheduled").get("lastTransitionTime"))
    return Cause(Kind.STARTING, f"starting: its containers are being made ({look.since(scheduled)})")


def _lost(look: _Look) -> Cause | None:
    """Its worker ran, and neither the queue nor, after a while, Kubernetes hears of it."""
    if look.is_known or (look.model.get("state") or {}).get("terminated"):
        return None
    node = (look.pod.raw.get("spec") or {}).get("nodeName")
    gone_at = _node_gone_at(look)
    if gone_at is not None:
        gone = look.since(gone_at)
        return Cause(Kind.LOST, f"starting again soon: its node {node} is not heard of any more ({gone})")
    if look.pod.is_ready or _is_worker_overdue(look):
        return Cause(
            Kind.LOST, f"its replica has fallen silent: its node {node}, or the way there, may be lost"
        )
    return None


def _is_worker_overdue(look: _Look) -> bool:
    """Whether its worker runs, as kubelet last said, for longer than the queue remembers a silent one.

    It joins when it starts, so it had been there. A replica may serve before kubelet tells that it is ready; a node that
    is lost just then leaves a pod that was never ready, of which Kubernetes says nothing more until it is deleted.
    """
    begun = (container_status(look.pod.raw, WORKER_CONTAINER).get("state") or {}).get("running") or {}
    since = moment(begun.get("startedAt"))
    return since is not None and look.now - since >= SILENT_SECONDS


def _node_gone_at(look: _Look) -> float | None:
    """When Kubernetes gave the pod's node up; None where it has not.

    The node controller then calls the pod unready, and nothing else: of its containers it says what kubelet said
    last. The event that it sends besides may come late, or not at all.
    Source: kubernetes v1.35, pkg/controller/util/node/controller_utils.go, MarkPodsNotReady.
    """
    if look.pod.is_ready:
        return None
    told = look.last("NodeNotReady")
    if told is not None:
        return told.at
    if condition(look.pod.raw, "ContainersReady").get("status") != "True":
        return None
    since = moment(condition(look.pod.raw, "Ready").get("lastTransitionTime"))
    return look.now if since is None else since


def _hanging(look: _Look) -> Cause | None:
    """It runs, but was restarted by a probe a short while ago."""
    if look.model.get("restartCount", 0) == 0:
        return None
    return _probe_kill(look)


def _probe_kill(look: _Look) -> Cause | None:
    told = look.last("Killing")
    if told is None or look.now - told.at > _FRESH_SECONDS:
        return None
    if "liveness probe" in told.message:
        why = look.clean(look.detail) or "it neither answers nor ends"
        return Cause(Kind.HANGS, f"its model hangs and was restarted {look.since(told.at)} ago: {why}")
    if "startup probe" in told.message:
        return Cause(
            Kind.HANGS, "its model did not answer its health path within start_seconds and was restarted"
        )
    return None


def _silent(look: _Look) -> Cause | None:
    """It runs and does not answer yet."""
    begun = look.pod.model_started_at
    why = f": {look.clean(look.detail)}" if look.detail else ""
    if look.model.get("restartCount", 0) and look.lines:
        why = f"; before its last restart it wrote:\n{look.lines}"
    return Cause(Kind.STARTING, f"starting: its health path does not answer yet ({look.since(begun)}){why}")


def _image(pod: Pod, container: str) -> str:
    spec = pod.raw.get("spec") or {}
    every = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return next((str(each.get("image")) for each in every if each.get("name") == container), "the image")
