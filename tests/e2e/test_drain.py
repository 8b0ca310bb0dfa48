"""Drains on a real kubelet: a pod that is deleted or replaced finishes what it runs, and nobody notices."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from e2e.client import Platform
from e2e.cluster_api import Event, Object, recorded
from e2e.figures import Figures
from e2e.installation import Installation
from e2e.load import Entry, Fate, Kind, Ledger, Load
from e2e.stories import busy_with, play, statuses, told

STORY_SECONDS = 300.0
ROLL_SECONDS = 150.0
"""Longest rollout of three replicas on a busy machine."""
LONG_SECONDS = 60.0
SHORT_SECONDS = 0.2
HELD_SECONDS = 15.0
"""Run of the request under which the endpoint without a spare slot is rolled."""
FLOW_EVERY_SECONDS = 1 / 3
FLOW_MOST = int(2 * ROLL_SECONDS / FLOW_EVERY_SECONDS)
FLOW_KINDS = (Kind.SYNC, Kind.KEYED, Kind.SYNC, Kind.ASYNC)
BESIDE_SECONDS = 3.0
"""Requests go on for so long before and after what is rolled."""
SLOWEST_SECONDS = 5.0
"""A run of 0.2 s, and a turn behind others."""
LEAVE_SECONDS = 15.0
"""After its request a pod is gone within so long: model and worker end one after the other."""
GPUS = 8
"""What one replica of `inplace` takes."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """An endpoint without a spare slot, rolled while it ran a request."""

    held: Entry
    """The request."""
    after: list[Entry]
    """Requests that came while the old pod still ran it."""


@dataclass(frozen=True, slots=True)
class Story:
    """Two long requests, one pod deleted and one replaced; a rollout under a flow; one without a spare slot."""

    deleted: str
    """The pod that was deleted."""
    replaced: str
    """The pod that a rollout replaced."""
    long: list[Entry]
    """Both long requests."""
    others: list[Entry]
    """Short requests to the same endpoint while both pods drained."""
    flow: Ledger
    """Requests while their endpoint was rolled."""
    gateway_flow: Ledger
    """Requests while the gateways were rolled."""
    rolled: Rolled | None
    """None where the cluster has no place for it, or more than one."""
    events: list[Event]
    """All that became of pods."""


@pytest.fixture(scope="module")
def story(installation: Installation) -> Story:
    """What this file's tests look at."""
    return play(installation, _story, STORY_SECONDS)


def test_a_long_request_outlives_the_deletion_of_its_pod(story: Story, figures: Figures) -> None:
    """It is answered by the very pod that was deleted under it."""
    entry = _ran_on(story.deleted, story.long)

    assert entry.fate is Fate.ANSWERED, told(story.long)
    figures.add(
        "request finished in a deleted pod", _run_seconds(entry), "s", goal=f"{LONG_SECONDS:g} s, finishes"
    )


def test_a_long_request_outlives_a_rollout(story: Story, figures: Figures) -> None:
    """It is answered by the old revision's pod, long after the new one serves."""
    entry = _ran_on(story.replaced, story.long)

    assert entry.fate is Fate.ANSWERED, told(story.long)
    figures.add(
        "request finished in a replaced pod", _run_seconds(entry), "s", goal=f"{LONG_SECONDS:g} s, finishes"
    )


def test_a_pod_that_drains_takes_no_more(story: Story) -> None:
    """What comes meanwhile is answered by other pods, without waiting for the drain's end."""
    assert all(each.fate is Fate.ANSWERED for each in story.others), told(story.others)
    assert {each.answer["pod"] for each in story.others}.isdisjoint({story.deleted, story.replaced})


def test_a_pod_that_has_drained_goes_by_itself(story: Story, figures: Figures) -> None:
    """Both are gone soon after their request's end; model and worker ended well, neither was killed."""
    for pod in (story.deleted, story.replaced):
        ended = _ran_on(pod, story.long).ended_at or 0.0
        seconds = _gone_at(pod, story.events) - ended
        figures.add("request's end -> pod gone", seconds, "s", goal=f"{LEAVE_SECONDS:g} s")

        assert 0 < seconds < LEAVE_SECONDS
        assert _exit_codes(pod, story.events) == {"worker": 0, "model": 0}


def test_no_request_fails_while_its_endpoint_is_rolled(story: Story, figures: Figures) -> None:
    """A steady flow is answered whole, first by old pods, then by new ones."""
    _tell_flow(figures, "its endpoint", story.flow)

    story.flow.require_undisturbed()
    assert _slowest(story.flow) <= SLOWEST_SECONDS
    assert len(story.flow.pods()) > 1


def test_no_request_fails_while_the_gateways_are_rolled(story: Story, figures: Figures) -> None:
    """Those that leave let clients in until everybody knows, and finish what they hold."""
    _tell_flow(figures, "the gateways", story.gateway_flow)

    story.gateway_flow.require_undisturbed()
    assert _slowest(story.gateway_flow) <= SLOWEST_SECONDS


def test_without_a_spare_slot_the_old_replica_finishes_first(story: Story, figures: Figures) -> None:
    """`rollout: in-place`: its request is answered, then its GPUs go to the new pod, which answers the rest."""
    if story.rolled is None:
        assert not os.environ.get("E2E_CLUSTER"), "the suite's own cluster has one place for eight GPUs"
        pytest.skip("the cluster has not exactly one place for eight GPUs")
    held, after = story.rolled.held, story.rolled.after

    assert held.fate is Fate.ANSWERED, told([held])
    assert all(each.fate is Fate.ANSWERED for each in after), told(after)
    old, new = str(held.answer["pod"]), str(after[0].answer["pod"])
    assert old != new
    assert _placed_at(new, story.events) >= _stopped_at(old, story.events)
    gap = min(each.answer["started"] for each in after) - held.answer["ended"]
    figures.add("in-place: old request's end -> first on the new pod", gap, "s")


async def _story(platform: Platform) -> Story:
    namespace = await platform.namespace_of("slow")
    async with recorded(platform.api, "pods", namespace) as events, asyncio.TaskGroup() as group:
        flow = group.create_task(_rolled_under_flow(platform))
        rolled = group.create_task(_rolled_in_place(platform))
        long, others, deleted, replaced = await _drained(platform)
        await platform.wait(
            lambda: all(_is_gone(pod, events) for pod in (deleted, replaced)), 4 * LEAVE_SECONDS, "pods gone"
        )
    await platform.wait(lambda: _nothing_ends(platform), STORY_SECONDS, "former gateways gone", poll=0.5)
    return Story(deleted, replaced, long, others, *flow.result(), rolled.result(), events)


async def _nothing_ends(platform: Platform) -> bool:
    pods = await platform.component_pods("gateway")
    return not any(pod["metadata"].get("deletionTimestamp") for pod in pods)


async def _drained(platform: Platform) -> tuple[list[Entry], list[Entry], str, str]:
    """Two replicas with a long request each: the pod of one is deleted, that of the other replaced."""
    load = Load(platform, "slow", deadline_seconds=STORY_SECONDS)
    async with asyncio.TaskGroup() as group:
        long = [group.create_task(load.send(kind, seconds=LONG_SECONDS)) for kind in (Kind.SYNC, Kind.ASYNC)]
        deleted, replaced = sorted(it.id for it in await busy_with(platform, "slow", 2))
        await platform.api.delete("pods", deleted, await platform.namespace_of("slow"))
        await platform.restart("slow")
        others = await load.burst(4, [Kind.SYNC, Kind.KEYED], seconds=SHORT_SECONDS)
    return [each.result() for each in long], others, deleted, replaced


async def _rolled_under_flow(platform: Platform) -> tuple[Ledger, Ledger]:
    """What became of requests while their endpoint was rolled, and after it the gateways."""
    ledgers = []
    for name, namespace in (("steady", ""), ("gateway", platform.access.namespace)):
        await Load(platform, "steady").send(seconds=SHORT_SECONDS)
        load, is_over = Load(platform, "steady", deadline_seconds=STORY_SECONDS), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(
                load.stream(FLOW_EVERY_SECONDS, is_over, FLOW_MOST, FLOW_KINDS, seconds=SHORT_SECONDS)
            )
            await asyncio.sleep(BESIDE_SECONDS)
            await platform.restart(name, namespace)
            await platform.rolled_out(name, ROLL_SECONDS, namespace)
            await asyncio.sleep(BESIDE_SECONDS)
            is_over.set()
        ledgers.append(load.ledger)
    return ledgers[0], ledgers[1]


def _tell_flow(figures: Figures, rolled: str, flow: Ledger) -> None:
    failures = _failures(flow.entries)
    figures.add(f"failures of {len(flow.entries)} requests while {rolled} rolled", failures, goal="0")
    figures.add("slowest of them", _slowest(flow), "s", goal=f"{SLOWEST_SECONDS:g} s")


def _slowest(flow: Ledger) -> float:
    return max(each.seconds for each in flow.entries)


async def _rolled_in_place(platform: Platform) -> Rolled | None:
    if await _places(platform) != 1:
        return None
    await platform.at_zero("gpu")
    load = Load(platform, "inplace", deadline_seconds=STORY_SECONDS)
    async with asyncio.TaskGroup() as group:
        held = group.create_task(load.send(seconds=HELD_SECONDS))
        await busy_with(platform, "inplace", 1)
        await platform.restart("inplace")
        after = await load.burst(3, [Kind.SYNC, Kind.ASYNC], seconds=SHORT_SECONDS)
    return Rolled(held.result(), after)


async def _places(platform: Platform) -> int:
    """For how many replicas of `inplace` there is room at one time."""
    nodes = await platform.api.list("nodes")
    return sum(int(node["status"]["allocatable"].get("nvidia.com/gpu", "0")) // GPUS for node in nodes)


def _ran_on(pod: str, entries: Sequence[Entry]) -> Entry:
    """The request that a pod answered.

    Raises:
        AssertionError: it answered none of them.
    """
    found = [each for each in entries if each.answer.get("pod") == pod]
    assert found, f"{pod} answered none: {told(list(entries))}"
    return found[0]


def _run_seconds(entry: Entry) -> float:
    return float(entry.answer["ended"] - entry.answer["started"])


def _failures(entries: Sequence[Entry]) -> int:
    return sum(each.fate is not Fate.ANSWERED for each in entries)


def _is_gone(pod: str, events: Sequence[Event]) -> bool:
    return any(each.name == pod and each.type == "DELETED" for each in events)


def _gone_at(pod: str, events: Sequence[Event]) -> float:
    return next(each.at for each in events if each.name == pod and each.type == "DELETED")


def _stopped_at(pod: str, events: Sequence[Event]) -> float:
    """When a pod's containers had all ended, so that its GPUs were free."""
    return next(each.at for each in events if each.name == pod and _has_stopped(each.object))


def _has_stopped(pod: Object) -> bool:
    found = statuses(pod)
    return bool(found) and all("terminated" in each["state"] for each in found)


def _placed_at(pod: str, events: Sequence[Event]) -> float:
    """When a node was found for a pod."""
    return next(each.at for each in events if each.name == pod and each.object["spec"].get("nodeName"))


def _exit_codes(pod: str, events: Sequence[Event]) -> dict[str, int]:
    """How the containers of a pod that is gone had ended."""
    last = [each.object for each in events if each.name == pod][-1]
    ended = {each["name"]: each["state"].get("terminated") for each in statuses(last)}
    return {name: int(state["exitCode"]) for name, state in ended.items() if state}
