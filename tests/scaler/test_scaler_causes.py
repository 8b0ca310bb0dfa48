"""What kubelet, scheduler and autoscalers say, and what the user reads."""

from typing import Any

import pytest
from support.kube_objects import BORN, Object, make_deployment, make_pod, stamp

from runtime.queue.port import ReplicaState, ReplicaView
from runtime.scaler.causes import Evidence, find_cause, hidden_values
from runtime.scaler.fleet import read_fleet
from runtime.scaler.kinds import Cause, Kind

NOW = BORN + 100


def event(
    reason: str, message: str, *, ago: float = 40, source: str = "kubelet", kind: str = "Warning"
) -> Object:
    """An event of a pod."""
    return {
        "reason": reason,
        "message": message,
        "type": kind,
        "lastTimestamp": stamp(NOW - ago),
        "source": {"component": source},
        "involvedObject": {"kind": "Pod", "name": "a"},
    }


def unscheduled(message: str) -> Object:
    """A pod that the scheduler found no node for."""
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return make_pod("a", phase="Pending", ready=False, assigned=False, conditions=(told,))


def waiting(reason: str, message: str = "", **more: Any) -> Object:
    """A pod whose model container waits."""
    model = {"state": {"waiting": {"reason": reason, "message": message}}, **more}
    return make_pod("a", phase="Pending", ready=False, model=model)


def cause_of(
    pod: Object | None = None,
    *events: Object,
    lines: str = "",
    env: dict[str, str] | None = None,
    detail: str = "",
    replicas: int = 1,
    conditions: tuple[Object, ...] = (),
    state: ReplicaState = ReplicaState.STARTING,
    is_known: bool = True,
) -> Cause | None:
    """The cause that is found for one pod."""
    replica = ReplicaView("a", state, "1" if is_known else "", BORN, None, None, NOW, None, detail)
    fleet = read_fleet(make_deployment(replicas=replicas, conditions=conditions), [pod] if pod else [])
    return find_cause(
        Evidence(
            fleet=fleet,
            now=NOW,
            replicas={"a": replica},
            events={"a": events},
            lines={"a": lines},
            hidden=hidden_values(env or {}, fleet.pods),
        )
    )


NO_GPU = (
    "0/5 nodes are available: 2 Insufficient nvidia.com/gpu, 3 node(s) had untolerated taint {node-role.kubernetes.io/"
    "control-plane: }. preemption: 0/5 nodes are available: 5 No preemption victims found for incoming pod."
)
KARPENTER = (
    'Failed to schedule pod, incompatible with nodepool "gpu", daemonset overhead={"cpu":"185m","memory":"240Mi",'
    '"pods":"6"}, no instance type satisfied resources {"cpu":"185m","nvidia.com/gpu":"1","pods":"7"} and requirements '
    "karpenter.sh/nodepool In [gpu], node.kubernetes.io/instance-type In [g5.12xlarge g5.16xlarge] (no instance type "
    "which had enough resources and the required offering met the scheduling requirements)"
)


@pytest.mark.parametrize(
    ("pod", "events", "kind", "words"),
    [
        pytest.param(
            make_pod("a", phase="Pending", ready=False, assigned=False),
            (),
            Kind.STARTING,
            "starting: its pod waits for the scheduler",
            id="not looked at yet",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (),
            Kind.NO_GPU,
            "no GPU: no node has enough of them free (0/5 nodes",
            id="all GPUs in use",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (
                event(
                    "TriggeredScaleUp",
                    "pod triggered scale-up: [{gpu-a10g 0->1 (max: 4)}]",
                    source="cluster-autoscaler",
                    kind="Normal",
                ),
            ),
            Kind.NODE,
            "starting: a node is being added (40 s)",
            id="cluster-autoscaler adds one",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (
                event(
                    "Nominated",
                    "Pod should schedule on: nodeclaim/gpu-mf7bc",
                    source="karpenter",
                    kind="Normal",
                ),
            ),
            Kind.NODE,
            "starting: a node is being added (40 s)",
            id="karpenter adds one",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (
                event("TriggeredScaleUp", "pod triggered scale-up: [{gpu 0->1 (max: 4)}]", ago=90),
                event(
                    "FailedScaleUp",
                    "Node scale up in zones us-central1-f associated with this pod failed: GCE out of resources. "
                    "Pod is at risk of not being scheduled.",
                    ago=30,
                ),
            ),
            Kind.NO_GPU,
            "no GPU: the cloud has none to give at this moment (Node scale up",
            id="stock-out on GKE",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (
                event(
                    "FailedScaleUp",
                    "Node scale up in zones us-central1-f associated with this pod failed: GCE quota exceeded. "
                    "Pod is at risk of not being scheduled.",
                ),
            ),
            Kind.QUOTA,
            "no GPU: the cloud account's quota is used up (",
            id="quota of the cloud on GKE",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (
                event(
                    "FailedScaleUp",
                    "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 0 allows",
                ),
            ),
            Kind.QUOTA,
            "no GPU: the cloud account's quota is used up (",
            id="quota of the cloud on AWS",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (event("NotTriggerScaleUp", "pod didn't trigger scale-up: 2 max node group size reached"),),
            Kind.NO_GPU,
            "no GPU: its nodes are at their most (",
            id="node group at its most",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 in backoff after failed scale-up"),),
            Kind.NO_GPU,
            "no GPU: the cloud gave no node, it is asked again soon (",
            id="cluster-autoscaler backs off",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (event("FailedScheduling", KARPENTER, source="karpenter"),),
            Kind.NO_GPU,
            "no GPU: the cloud has none to give, or no node pool fits (no instance type",
            id="karpenter finds no instance",
        ),
        pytest.param(
            unscheduled(NO_GPU),
            (
                event(
                    "FailedScheduling",
                    'Failed to schedule pod, all available instance types exceed limits for nodepool: "gpu"',
                    source="karpenter",
                ),
            ),
            Kind.NO_GPU,
            "no GPU: its nodes are at their most (",
            id="node pool's limit",
        ),
        pytest.param(
            unscheduled(
                "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are "
                "available: 3 Preemption is not helpful for scheduling."
            ),
            (),
            Kind.NO_NODE,
            "no node: 0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            id="no node of that kind",
        ),
        pytest.param(
            unscheduled(
                "0/1 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: present}."
            ),
            (),
            Kind.NO_GPU,
            "no GPU",
            id="taint of GPU nodes",
        ),
        pytest.param(
            unscheduled("0/2 nodes are available: 2 Insufficient memory."),
            (),
            Kind.NO_NODE,
            "no node: 0/2 nodes are available: 2 Insufficient memory.",
            id="no memory",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
            (),
            Kind.VOLUME,
            "cannot start: a volume is not to be had: ",
            id="claim without a volume",
        ),
        pytest.param(
            waiting(
                "ImagePullBackOff",
                'Back-off pulling image "ghcr.io/acme/embed:1.4": ErrImagePull: rpc error: code = NotFound desc = failed to '
                'pull and unpack image "ghcr.io/acme/embed:1.4": ghcr.io/acme/embed:1.4: not found',
            ),
            (),
            Kind.IMAGE,
            "cannot start: image ghcr.io/acme/embed:1.4 was not found",
            id="image not found",
        ),
        pytest.param(
            waiting("ImagePullBackOff", 'Back-off pulling image "ghcr.io/acme/embed:1.4"'),
            (
                event(
                    "Failed",
                    'Failed to pull image "ghcr.io/acme/embed:1.4": failed to authorize: failed to fetch anonymous token: '
                    "unexpected status: 401 Unauthorized",
                ),
            ),
            Kind.IMAGE,
            "cannot start: the registry lets nobody pull ghcr.io/acme/embed:1.4 with these credentials",
            id="registry refuses, told by the event only",
        ),
        pytest.param(
            waiting(
                "ErrImagePull", "pull access denied, repository does not exist or may require authorization"
            ),
            (),
            Kind.IMAGE,
            "cannot start: the registry lets nobody pull",
            id="access denied",
        ),
        pytest.param(
            waiting("ErrImagePull", "toomanyrequests: You have reached your pull rate limit."),
            (),
            Kind.IMAGE,
            "cannot start: the registry limits how often ghcr.io/acme/embed:1.4 may be pulled",
            id="rate limit",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "embed-env" not found'),
            (),
            Kind.CONFIG,
            'cannot start: secret "embed-env" not found',
            id="secret missing",
        ),
        pytest.param(
            waiting(
                "CreateContainerConfigError",
                "couldn't find key DATABASE_URL in Secret moorage-baseline/embed-env",
            ),
            (),
            Kind.CONFIG,
            "cannot start: couldn't find key DATABASE_URL in Secret moorage-baseline/embed-env",
            id="key missing",
        ),
        pytest.param(
            waiting(
                "RunContainerError",
                'failed to create containerd task: OCI runtime create failed: exec: "serve": executable file not found',
            ),
            (),
            Kind.CONTAINER,
            "cannot start: its model container: failed to create containerd task",
            id="command not found",
        ),
        pytest.param(
            waiting("ContainerCreating"),
            (event("Pulling", 'Pulling image "ghcr.io/acme/embed:1.4"', ago=75, kind="Normal"),),
            Kind.IMAGE_PULL,
            "starting: its image is being pulled (75 s)",
            id="image being pulled",
        ),
        pytest.param(
            waiting("PodInitializing"),
            (
                event("Pulling", 'Pulling image "moorage:1"', ago=75, kind="Normal"),
                event("Pulled", 'Successfully pulled image "moorage:1" in 3.2s', ago=70, kind="Normal"),
            ),
            Kind.STARTING,
            "starting: its containers are being made (100 s)",
            id="image is there",
        ),
        pytest.param(
            waiting("ContainerCreating"),
            (
                event(
                    "FailedMount",
                    'MountVolume.SetUp failed for volume "cache" : rpc error: code = DeadlineExceeded desc = timed out',
                ),
            ),
            Kind.VOLUME,
            "cannot start: a volume cannot be mounted: MountVolume.SetUp failed",
            id="volume cannot be mounted",
        ),
        pytest.param(
            waiting("ContainerCreating"),
            (
                event(
                    "FailedAttachVolume",
                    'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node',
                ),
            ),
            Kind.VOLUME,
            "cannot start: a volume cannot be mounted: Multi-Attach error",
            id="volume is on another node",
        ),
        pytest.param(
            waiting("ContainerCreating"),
            (
                event("FailedMount", "MountVolume.SetUp failed", ago=60),
                event("Pulling", "Pulling image", ago=20, kind="Normal"),
            ),
            Kind.IMAGE_PULL,
            "starting: its image is being pulled (20 s)",
            id="volume was mounted at last",
        ),
        pytest.param(
            waiting("ContainerCreating"),
            (event("FailedCreatePodSandBox", "failed to assign an IP address to container"),),
            Kind.CONTAINER,
            "cannot start: its pod gets no network: failed to assign an IP address",
            id="no address left",
        ),
        pytest.param(
            make_pod("a", ready=False, created_at=NOW - 35),
            (),
            Kind.STARTING,
            "starting: its health path does not answer yet (35 s)",
            id="model loads",
        ),
    ],
)
def test_message_is_understood(pod: Object, events: tuple[Object, ...], kind: Kind, words: str) -> None:
    """The kind that is counted, and how the words begin."""
    cause = cause_of(pod, *events)

    assert cause is not None
    assert (cause.kind, cause.words[: len(words)]) == (kind, words)


def crashing(**more: Any) -> Object:
    """A pod whose model ended with 1 five times."""
    ended = {"exitCode": 1, "reason": "Error", "startedAt": stamp(BORN + 50)} | more
    model = {
        "restartCount": 5,
        "state": {
            "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 2m40s restarting failed container"}
        },
        "lastState": {"terminated": ended},
    }
    return make_pod("a", ready=False, model=model, env=({"name": "TOKEN", "value": "s3cr3t-value"},))


def test_crash_loop_shows_the_last_lines() -> None:
    """What the model said before it ended tells more than its exit code."""
    cause = cause_of(crashing(), lines="loading\n\nTraceback (most recent call last):\nKeyError: 'model'\n")

    assert cause == Cause(
        Kind.CRASH,
        "crash-looping: its model ended with exit code 1, 5 restarts; it last wrote:\nloading\n"
        "Traceback (most recent call last):\nKeyError: 'model'",
    )


def test_last_lines_hide_values_of_variables() -> None:
    """Of the pod's own and of the record's."""
    cause = cause_of(
        crashing(), lines="token=s3cr3t-value url=postgres://db/x\n", env={"URL": "postgres://db/x", "N": "1"}
    )

    assert cause is not None
    assert cause.words.endswith("token=*** url=***")


def test_last_lines_are_bounded() -> None:
    """A few lines, 1 KiB, no control characters."""
    cause = cause_of(crashing(), lines="".join(f"\x1b[31m{number} {'x' * 400}\n" for number in range(50)))

    assert cause is not None
    shown = cause.words.partition("wrote:\n")[2]
    assert len(shown) <= 1024
    assert "\x1b" not in shown


def test_killed_for_memory_says_so() -> None:
    """Exit code 137 alone misleads."""
    cause = cause_of(crashing(reason="OOMKilled", exitCode=137))

    assert cause is not None
    assert cause.words == (
        "crash-looping: its model used more memory than its limit and was killed (OOMKilled), 5 restarts"
    )


def test_model_between_two_lives_is_crash_looping() -> None:
    """Before kubelet's back-off shows."""
    ended = {"exitCode": 3, "startedAt": stamp(BORN)}
    model = {"restartCount": 2, "state": {"terminated": ended}}

    cause = cause_of(make_pod("a", ready=False, model=model))

    assert cause is not None
    assert cause.words == "crash-looping: its model ended with exit code 3, 2 restarts"


def test_broken_worker_is_told_from_a_broken_model() -> None:
    """It is ours, not the user's."""
    worker = {
        "restartCount": 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2}},
    }

    cause = cause_of(make_pod("a", phase="Pending", ready=False, worker=worker))

    assert cause is not None
    assert cause.words == "crash-looping: its worker, ended with exit code 2, 1 restart; see the worker's log"


def test_hanging_model_says_what_its_worker_saw() -> None:
    """Restarted by the liveness probe a moment ago."""
    model = {"restartCount": 1, "state": {"running": {"startedAt": stamp(NOW - 10)}}}
    killed = event(
        "Killing", "Container model failed liveness probe, will be restarted", ago=15, kind="Normal"
    )

    cause = cause_of(
        make_pod("a", ready=False, model=model), killed, detail="a request ran longer than request_seconds"
    )

    assert cause == Cause(
        Kind.HANGS,
        "its model hangs and was restarted 15 s ago: a request ran longer than request_seconds",
    )


def test_start_that_takes_too_long_names_the_limit() -> None:
    """The startup probe gave up."""
    model = {"restartCount": 1, "state": {"running": {"startedAt": stamp(NOW - 10)}}}
    killed = event(
        "Killing", "Container model failed startup probe, will be restarted", ago=15, kind="Normal"
    )

    cause = cause_of(make_pod("a", ready=False, model=model), killed)

    assert cause is not None
    assert cause.words == "its model did not answer its health path within start_seconds and was restarted"


def test_evicted_pod_is_told_while_the_next_one_starts() -> None:
    """The user sees a start that they did not cause."""
    evicted = make_pod(
        "a",
        phase="Failed",
        ready=False,
        reason="Evicted",
        message="The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi.",
    )

    cause = cause_of(evicted)

    assert cause is not None
    assert cause.kind is Kind.EVICTED
    assert cause.words == (
        "starting again: its pod was evicted (The node was low on resource: memory. Threshold quantity: 100Mi, "
        "available: 80Mi.)"
    )


def test_replica_that_falls_silent_is_not_said_to_be_starting() -> None:
    """Its node lost its power: for the best part of a minute Kubernetes still calls the pod ready."""
    cause = cause_of(make_pod("a"), is_known=False)

    assert cause == Cause(
        Kind.LOST, "its replica has fallen silent: its node node-1, or the way there, may be lost"
    )


def test_lost_node_is_named_once_kubernetes_knows() -> None:
    """Until its pod is replaced."""
    told = event("NodeNotReady", "Node is not ready", ago=20, source="node-controller")

    cause = cause_of(make_pod("a", ready=False), told, is_known=False)

    assert cause == Cause(Kind.LOST, "starting again soon: its node node-1 is not heard of any more (20 s)")


def test_lost_node_is_named_without_its_event() -> None:
    """Kubernetes calls the pod unready and its containers ready, which nothing else does."""
    given_up = (
        {"type": "Ready", "status": "False", "lastTransitionTime": stamp(NOW - 5)},
        {"type": "ContainersReady", "status": "True"},
    )

    cause = cause_of(make_pod("a", ready=False, conditions=given_up), is_known=False)

    assert cause == Cause(Kind.LOST, "starting again soon: its node node-1 is not heard of any more (5 s)")


@pytest.mark.parametrize(("seconds", "kind"), [(14, Kind.STARTING), (16, Kind.LOST)])
def test_node_lost_before_its_pod_was_ready_is_told_by_the_silent_worker(seconds: int, kind: Kind) -> None:
    """A worker joins when it starts: one that runs for so long was forgotten."""
    worker = {"name": "worker", "ready": True, "state": {"running": {"startedAt": stamp(NOW - seconds)}}}
    unready = ({"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"})

    cause = cause_of(make_pod("a", ready=False, conditions=unready, worker=worker), is_known=False)

    assert cause is not None
    assert cause.kind is kind


def test_node_that_is_heard_of_again_holds_nothing_up() -> None:
    """The event stays for an hour; a worker that is heard of says more."""
    told = event("NodeNotReady", "Node is not ready", ago=60, source="node-controller")

    cause = cause_of(make_pod("a", ready=False), told)

    assert cause is not None
    assert cause.kind is Kind.STARTING


def test_worker_that_has_not_joined_yet_is_starting() -> None:
    """The queue does not know it either, but nothing is lost."""
    cause = cause_of(make_pod("a", ready=False), is_known=False)

    assert cause is not None
    assert cause.kind is Kind.STARTING


def replica_failure(message: str) -> Object:
    """The Deployment's condition when its ReplicaSet may make no pod."""
    return {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}


def test_namespace_quota_is_named() -> None:
    """No pod exists that could say so."""
    told = (
        'pods "embed-5d8-x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, '
        "used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4"
    )

    cause = cause_of(conditions=(replica_failure(told),))

    assert cause == Cause(
        Kind.QUOTA,
        "no room: the namespace's quota is used up (gpus, requested: requests.nvidia.com/gpu=1, "
        "used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4)",
    )


def test_refused_pod_is_named() -> None:
    """A policy of the cluster."""
    told = 'pods "embed-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'

    cause = cause_of(conditions=(replica_failure(told),))

    assert cause is not None
    assert cause.words == f"cannot start: its pod is refused: {told}"


def test_deployment_without_pods_is_starting() -> None:
    """The ReplicaSet is at it."""
    assert cause_of() == Cause(Kind.STARTING, "starting: its pod is being made")


def test_ready_pod_has_no_cause() -> None:
    """The queue knows best who serves."""
    assert cause_of(make_pod("a"), state=ReplicaState.READY) is None


def test_cause_that_waiting_does_not_mend_comes_first() -> None:
    """One pod waits for a node, another one's image does not exist."""
    bad = waiting("ErrImagePull", "not found")
    bad["metadata"]["name"] = "b"
    fleet = read_fleet(make_deployment(replicas=2), [unscheduled(NO_GPU), bad])

    cause = find_cause(Evidence(fleet, NOW))

    assert cause is not None
    assert cause.kind is Kind.IMAGE


def test_pods_whose_events_were_not_read_say_less_than_the_others() -> None:
    """Events of a few are read: a node is being added for those, and so for the one beside them."""
    pods = [unscheduled(NO_GPU), unscheduled(NO_GPU)]
    pods[1]["metadata"]["name"] = "b"
    added = event(
        "TriggeredScaleUp", "pod triggered scale-up: [{gpu 0->2 (max: 4)}]", source="cluster-autoscaler"
    )
    fleet = read_fleet(make_deployment(replicas=2), pods)

    cause = find_cause(Evidence(fleet, NOW, events={"a": (added,)}))

    assert cause is not None
    assert cause.kind is Kind.NODE


def test_a_pod_without_a_node_is_heard_beside_others_that_have_one() -> None:
    """Their events say nothing of it: one pulls its image, and for the other there is no GPU."""
    pulls = waiting("ContainerCreating")
    waits = unscheduled(NO_GPU)
    waits["metadata"]["name"] = "b"
    fleet = read_fleet(make_deployment(replicas=2), [pulls, waits])

    cause = find_cause(Evidence(fleet, NOW, events={"a": ()}))

    assert cause is not None
    assert cause.kind is Kind.NO_GPU


def test_long_messages_are_cut() -> None:
    """A scheduler's message may name a thousand nodes."""
    cause = cause_of(unscheduled("0/999 nodes are available: " + "1 node(s) had a taint, " * 99))

    assert cause is not None
    assert len(cause.words) < 400
