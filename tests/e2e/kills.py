"""The story of the kills: each part once, under a flow of requests, and what became of it."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from e2e.blows import Blows
from e2e.client import Platform
from e2e.cluster_api import Object
from e2e.load import Entry, Fate, Kind, Ledger, Load
from e2e.stories import Restarts, all_pods, busy_with, is_ready, pod_of, restarted, restarts, statuses, told

from runtime.queue.port import QueueUnavailableError
from runtime.wire.cluster import LEASE, MODEL_CONTAINER, WORKER_CONTAINER

STORY_SECONDS = 420.0
FLOW_EVERY_SECONDS = 0.5
FLOW_MOST = int(STORY_SECONDS / FLOW_EVERY_SECONDS)
FLOW_RUN_SECONDS = 0.3
HELD_SECONDS = 6.0
LEASE_SECONDS = 15.0
"""How long a request stays its worker's without a sign of life."""
RERUN_GOAL = LEASE_SECONDS + 1
BACK_SECONDS = 60.0
"""Within so long whatever was killed serves again."""
NODE_BACK_SECONDS = 120.0
STAYS, GOES = "node1", "node2"
AT_ONCE = 8
HEAR_SECONDS = 1.0
SETTLE_SECONDS = 3.0
DYING_SECONDS = 0.5
"""How long the kernel may take to tear a killed process down: until then it seems to listen."""
PLAIN_COUNT = 12
"""Plain requests that come together before a gateway is killed: half of them by it, and more than replicas."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """A request that ran where something was killed."""

    load: Load
    entry: Entry
    killed_at: float
    """Seconds since the epoch, as the model tells its runs."""
    former: Object
    """The pod that ran it first."""

    @property
    def seconds(self) -> float:
        """From the kill to the beginning of the run that was answered."""
        return float(self.entry.answer["started"]) - self.killed_at


@dataclass(slots=True)
class Story:
    """What was killed, and what became of it."""

    flow: Ledger
    is_own: bool
    is_node_gone: bool = False
    gateway_killed: tuple[float, float] = (0.0, 0.0)
    """From when to when it may have died, of this process's steady clock."""
    away: dict[str, tuple[float, float]] = field(default_factory=dict)
    """From when to when each part was away, of the same clock."""
    reruns: dict[str, Rerun] = field(default_factory=dict)
    """By what was killed: model, worker, node, last replica's node."""
    back: dict[str, float] = field(default_factory=dict)
    """Seconds until it served again, by what was killed."""
    heard: list[str] = field(default_factory=list)
    """What the endpoint whose only replica's node was gone said of itself, each once."""
    restarted_with_kubelet: Restarts = field(default_factory=dict)
    again: list[tuple[Entry, Mapping[str, Any]]] = field(default_factory=list)
    """Requests that were asked for once more, with what was answered then."""
    attempts: dict[str, int] = field(default_factory=dict)
    """How often each of `reruns` was given to a replica, as the queue has it."""

    @contextmanager
    def without(self, part: str) -> Iterator[None]:
        """A part is away for so long."""
        begun = time.monotonic()
        yield
        self.away[part] = (begun, time.monotonic())


async def kill_everything(platform: Platform) -> Story:
    """Kill one part after the other; on another cluster than the suite's own no node, and pods whole."""
    blows = Blows(platform.api, is_own=bool(os.environ.get("E2E_CLUSTER")))
    load = Load(platform, "keyed", deadline_seconds=STORY_SECONDS)
    story = Story(load.ledger, blows.is_own)
    await load.send(seconds=0)
    is_over = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            kinds = [Kind.ASYNC, Kind.KEYED, Kind.SYNC, Kind.KEYED]
            group.create_task(
                load.stream(FLOW_EVERY_SECONDS, is_over, FLOW_MOST, kinds, seconds=FLOW_RUN_SECONDS)
            )
            if blows.is_own:
                await _kill_all(platform, blows, story)
            else:
                await _kill_gateway(platform, blows, story)
                await _kill_parts(platform, blows, story)
            is_over.set()
    finally:
        if blows.is_own:
            await platform.kubectl("uncordon", STAYS, GOES)
        if story.is_node_gone:
            await _bring_back(platform, blows)
    await _ask_again(platform, story)
    return story


async def _kill_all(platform: Platform, blows: Blows, story: Story) -> None:
    """The node with one of two replicas of an endpoint and the only one of another; the rest while it is away."""
    pair, alone = (Load(platform, name, deadline_seconds=STORY_SECONDS) for name in ("pair", "alone"))
    async with asyncio.TaskGroup() as group:
        await platform.kubectl("cordon", STAYS)
        runs = [group.create_task(it.send(Kind.ASYNC, seconds=4 * HELD_SECONDS)) for it in (pair, alone)]
        formers = [await _pod_with_request(platform, it.endpoint) for it in (pair, alone)]
        await platform.kubectl("uncordon", STAYS)
        await platform.kubectl("cordon", GOES)
        assert {pod["spec"]["nodeName"] for pod in formers} == {GOES}
        await pair.send(seconds=0)  # its second replica, on the node that stays
        story.is_node_gone = True
        with story.without("node"):
            await blows.kill_node(GOES)
            # Not before it: the tool takes a while to start, and until then the node renews its leases.
            killed_at = time.time()
            group.create_task(_hear(platform, alone.endpoint, runs[1], story.heard))
            await _kill_gateway(platform, blows, story)
            story.reruns["node"] = Rerun(pair, await runs[0], killed_at, formers[0])
        await _kill_parts(platform, blows, story)
        await _restart_kubelet(platform, blows, story)
        story.reruns["last replica's node"] = Rerun(alone, await runs[1], killed_at, formers[1])


async def _kill_parts(platform: Platform, blows: Blows, story: Story) -> None:
    """Replicas, scaler and queue, each when the one before has come back."""
    for container, kind in ((MODEL_CONTAINER, Kind.ASYNC), (WORKER_CONTAINER, Kind.KEYED)):
        story.reruns[container] = await _kill_under_request(platform, blows, story, container, kind)
    await _kill_scaler(platform, blows, story)
    await _kill_queue(platform, blows, story)


async def _hear(platform: Platform, endpoint: str, until: asyncio.Task[Entry], heard: list[str]) -> None:
    """Write down what an endpoint says of itself until its request is answered."""
    while not until.done():
        try:
            cause = str((await platform.shown(endpoint))["waiting"]["cause"])
        except httpx.HTTPError:  # gateway or queue are being killed
            cause = ""
        if cause and cause not in heard:
            heard.append(cause)
        await asyncio.sleep(HEAR_SECONDS)


async def _bring_back(platform: Platform, blows: Blows) -> None:
    """The node that was killed; what Kubernetes had given up there goes for good."""
    await blows.start_node(GOES)

    async def is_back() -> bool:
        pods = await all_pods(platform)
        ending = [
            pod
            for pod in pods
            if "deletionTimestamp" in pod["metadata"] and pod["spec"].get("nodeName") == GOES
        ]
        return is_ready(await platform.api.get("nodes", GOES)) and not ending

    await platform.wait(is_back, NODE_BACK_SECONDS, f"{GOES} ready, its former pods gone", poll=0.5)


async def _kill_gateway(platform: Platform, blows: Blows, story: Story) -> None:
    """Kill one of them while it surely holds clients: of some plain requests, each by a connection of its own."""
    victim, *_ = await platform.component_pods("gateway")
    load = Load(platform, "keyed", deadline_seconds=STORY_SECONDS, ledger=story.flow)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.burst(PLAIN_COUNT, [Kind.SYNC], seconds=1.0))
        group.create_task(load.burst(PLAIN_COUNT, [Kind.KEYED], seconds=FLOW_RUN_SECONDS))
        await platform.wait(
            lambda: _demand(platform, load.endpoint, PLAIN_COUNT // 2), BACK_SECONDS, "plain requests"
        )
        begun = time.monotonic()
        with story.without("gateway"):
            await blows.kill(victim, "gateway")
            story.gateway_killed = (begun, time.monotonic() + DYING_SECONDS)
            story.back["gateway"] = await _until_ready(platform, "gateway", victim)


async def _demand(platform: Platform, endpoint: str, least: int) -> bool:
    """Whether so many requests wait or run."""
    return (await platform.queue.look(endpoint)).demand >= least


async def _kill_under_request(
    platform: Platform, blows: Blows, story: Story, container: str, kind: Kind
) -> Rerun:
    """Kill a container of the replica that runs a request."""
    load = Load(platform, "steady", deadline_seconds=STORY_SECONDS)
    async with asyncio.TaskGroup() as group:
        sent = group.create_task(load.send(kind, seconds=HELD_SECONDS))
        former = await _pod_with_request(platform, "steady")
        killed_at = time.time()
        with story.without(container):
            await blows.kill(former, container)
            await sent
    return Rerun(load, sent.result(), killed_at, former)


async def _kill_scaler(platform: Platform, blows: Blows, story: Story) -> None:
    """Kill the one that leads; an endpoint at zero, asked at once, needs another."""
    await platform.at_zero("zero", 90)
    lease = await platform.api.get("leases", LEASE, platform.access.namespace)
    pods = await platform.component_pods("scaler")
    (leader,) = [pod for pod in pods if pod["metadata"]["name"] == lease["spec"]["holderIdentity"]]
    load, begun = Load(platform, "zero", deadline_seconds=STORY_SECONDS), time.monotonic()
    with story.without("scaler leader"):
        await blows.kill(leader, "scaler")
        entry = await load.send(Kind.ASYNC, seconds=0)
        assert entry.fate is Fate.ANSWERED, told([entry])
        story.back["scaler leader"] = time.monotonic() - begun
        await _until_ready(platform, "scaler", leader)


async def _kill_queue(platform: Platform, blows: Blows, story: Story) -> None:
    (victim,) = await platform.component_pods("queue")
    load, begun = Load(platform, "keyed", deadline_seconds=STORY_SECONDS), time.monotonic()
    with story.without("queue"):
        await blows.kill(victim, "queue")
        await _until_away(platform)
        entry = await load.send(Kind.ASYNC, seconds=0)
        assert entry.accepted_at is not None, told([entry])
        story.back["queue"] = entry.accepted_at - begun
        await _until_ready(platform, "queue", victim)


async def _restart_kubelet(platform: Platform, blows: Blows, story: Story) -> None:
    before, begun = await restarts(platform), time.monotonic()
    stamp = (await _node_condition(platform, STAYS))["lastHeartbeatTime"]

    async def has_beaten() -> bool:
        condition = await _node_condition(platform, STAYS)
        return bool(condition["status"] == "True" and condition["lastHeartbeatTime"] != stamp)

    with story.without("kubelet"):
        await blows.restart_kubelet(STAYS)
        await platform.wait(has_beaten, BACK_SECONDS, f"{STAYS} ready with its new kubelet", poll=0.25)
    story.back["kubelet"] = time.monotonic() - begun
    # A new kubelet looks at all containers anew, and may end one a while later.
    await asyncio.sleep(SETTLE_SECONDS)
    story.restarted_with_kubelet = restarted(before, await restarts(platform))


async def _node_condition(platform: Platform, node: str) -> Object:
    found = (await platform.api.get("nodes", node))["status"]["conditions"]
    condition: Object = next(each for each in found if each["type"] == "Ready")
    return condition


async def _until_away(platform: Platform) -> None:
    """Wait until the queue surely does not answer, or has answered anew."""
    pod_at = time.monotonic()
    while time.monotonic() - pod_at < 1.0:
        try:
            async with asyncio.timeout(0.5):
                await platform.queue.ping()
        except (QueueUnavailableError, TimeoutError):
            return
        await asyncio.sleep(0.02)


async def _until_ready(platform: Platform, component: str, victim: Object) -> float:
    """Seconds until the component is whole again after one of its pods was struck."""
    begun, before = time.monotonic(), len(await platform.component_pods(component))
    lives = _lives(victim)

    async def is_whole() -> bool:
        pods = await platform.component_pods(component)
        is_struck = all(_lives(pod) != lives for pod in pods)
        return is_struck and len(pods) >= before and all(is_ready(pod) for pod in pods)

    await platform.wait(is_whole, BACK_SECONDS, f"all pods of {component} ready again")
    return time.monotonic() - begun


def _lives(pod: Object) -> tuple[str, int]:
    """Which pod it is, and in which of its lives."""
    return pod["metadata"]["uid"], sum(each["restartCount"] for each in statuses(pod))


async def _pod_with_request(platform: Platform, endpoint: str) -> Object:
    """The pod of an endpoint that runs a request, as it stands once it does."""
    (replica, *_) = await busy_with(platform, endpoint, 1)
    return await pod_of(platform, endpoint, replica.id)


async def _ask_again(platform: Platform, story: Story) -> None:
    """Ask once more for what was answered: by its id, or with its key; those that ran twice among them."""
    room, flow = asyncio.Semaphore(AT_ONCE), Load(platform, "keyed")

    async def ask(load: Load, entry: Entry) -> None:
        async with room:
            story.again.append((entry, await load.ask_again(entry)))

    kept = [each for each in story.flow.entries if each.kind is not Kind.SYNC and each.fate is Fate.ANSWERED]
    async with asyncio.TaskGroup() as group:
        for entry in kept:
            group.create_task(ask(flow, entry))
        for rerun in story.reruns.values():
            group.create_task(ask(rerun.load, rerun.entry))
    for struck, rerun in story.reruns.items():
        view = await platform.queue.find(rerun.entry.request_id)
        story.attempts[struck] = 0 if view is None else view.attempt
