"""Everything is killed once under load: nothing that was accepted is lost, and each part comes back by itself."""

import pytest
from e2e.figures import Figures
from e2e.installation import Installation
from e2e.kills import BACK_SECONDS, GOES, RERUN_GOAL, STORY_SECONDS, Story, kill_everything
from e2e.load import Entry, Fate, Kind
from e2e.stories import play, told

LAST_GOAL = 90.0
"""Until Kubernetes has given a node up and another pod runs in the place of the endpoint's only one, in seconds."""
NODES = frozenset({"node", "kubelet"})
"""What is killed on the suite's own cluster only."""


@pytest.fixture(scope="module")
def story(installation: Installation) -> Story:
    """What this file's tests look at."""
    return play(installation, kill_everything, STORY_SECONDS)


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.KEYED])
def test_no_request_that_is_kept_is_lost(story: Story, figures: Figures, kind: Kind) -> None:
    """Each was answered, with its own answer, through all of the kills."""
    figures.add(
        f"{kind} requests, lost", f"{_count(story, kind)}, {len(story.flow.lost(kind))}", goal="0 lost"
    )

    story.flow.require_none_lost(kind)
    assert story.flow.count(Fate.REFUSED, kind) == 0, told(story.flow.entries)


def test_a_plain_request_fails_only_with_its_own_gateway(story: Story, figures: Figures) -> None:
    """It is not kept: the kill of the gateway that holds its client ends it, nothing else does."""
    failed = [
        each for each in story.flow.entries if each.kind is Kind.SYNC and each.fate is not Fate.ANSWERED
    ]
    figures.add("sync requests, failed with their gateway", f"{_count(story, Kind.SYNC)}, {len(failed)}")

    assert failed, "no client was at the gateway that was killed"
    assert [each for each in failed if not _lived_within(each, *story.gateway_killed)] == []


@pytest.mark.parametrize(
    "struck", ["node", "gateway", "model", "worker", "scaler leader", "queue", "kubelet"]
)
def test_requests_come_while_each_part_is_away(story: Story, figures: Figures, struck: str) -> None:
    """Of those that may not be lost; else nothing would be shown by it."""
    if struck in NODES:
        _require_own(story)
    begin, end = story.away[struck]
    kept = [each for each in story.flow.entries if each.kind is not Kind.SYNC]
    meanwhile = sum(begin <= each.begun_at <= end for each in kept)
    figures.add(f"{struck} away: async and keyed requests sent meanwhile", meanwhile, goal="> 0")

    assert meanwhile > 0


def test_a_keyed_request_goes_on_at_another_gateway(story: Story) -> None:
    """Some were at the one that was killed; with its key each was sent again."""
    again = [each for each in story.flow.entries if each.kind is Kind.KEYED and each.retries]

    assert any(_lived_within(each, *story.gateway_killed) for each in again), told(story.flow.entries)


def test_nobody_sees_a_request_that_ran_twice(story: Story) -> None:
    """Whoever asks again, by id or with the same key, gets the very same answer."""
    kinds = {entry.kind for entry, _ in story.again}
    asked = {entry.tag for entry, _ in story.again}

    assert kinds == {Kind.ASYNC, Kind.KEYED}
    assert all(rerun.entry.tag in asked for rerun in story.reruns.values())
    assert min(story.attempts.values()) > 1, story.attempts
    assert [(entry.answer, answer) for entry, answer in story.again if entry.answer != answer] == []


def test_no_two_requests_overlap_on_a_replica(story: Story) -> None:
    """Whatever was killed, a model had one request at a time."""
    held = [rerun.entry for rerun in story.reruns.values()]

    assert story.flow.overlaps() == 0
    assert {each.answer["overlaps"] for each in held} == {0}


@pytest.mark.parametrize("struck", ["model", "worker"])
def test_a_request_runs_again_when_its_replica_is_struck(story: Story, figures: Figures, struck: str) -> None:
    """It is answered all the same; how long it took to run again is told."""
    rerun = story.reruns[struck]
    figures.add(f"{struck} killed -> its request runs again", rerun.seconds, "s", goal=_goal(story, struck))

    assert rerun.entry.fate is Fate.ANSWERED, told([rerun.entry])
    assert rerun.seconds > 0
    if story.is_own:
        assert rerun.seconds <= RERUN_GOAL


def test_a_request_runs_again_when_its_node_is_gone(story: Story, figures: Figures) -> None:
    """On a replica of another node, when its lease has run out."""
    _require_own(story)
    rerun = story.reruns["node"]
    figures.add("node killed -> its request runs elsewhere", rerun.seconds, "s", goal=f"{RERUN_GOAL:g} s")

    assert rerun.entry.fate is Fate.ANSWERED, told([rerun.entry])
    assert rerun.entry.answer["pod"] != rerun.former["metadata"]["name"]
    assert 0 < rerun.seconds <= RERUN_GOAL


def test_an_endpoint_comes_back_when_the_node_of_its_only_replica_is_gone(
    story: Story, figures: Figures
) -> None:
    """Once Kubernetes has given the node up, another pod takes over."""
    _require_own(story)
    rerun = story.reruns["last replica's node"]
    figures.add(
        "node of the only replica killed -> runs elsewhere", rerun.seconds, "s", goal=f"{LAST_GOAL:g} s"
    )

    assert rerun.entry.fate is Fate.ANSWERED, told([rerun.entry])
    assert 0 < rerun.seconds <= LAST_GOAL


def test_an_endpoint_says_that_its_node_is_gone(story: Story) -> None:
    """And not that it is starting, as long as nothing starts."""
    _require_own(story)
    lost = [f"its node {GOES}" in each for each in story.heard]

    assert any(lost), story.heard
    assert not any("health path" in each for each in story.heard[: lost.index(True)]), story.heard


@pytest.mark.parametrize("struck", ["gateway", "scaler leader", "queue", "kubelet"])
def test_each_part_comes_back_by_itself(story: Story, figures: Figures, struck: str) -> None:
    """How long it took until it served again is told."""
    if struck == "kubelet":
        _require_own(story)
    figures.add(
        f"{struck} killed -> {_MEASURED[struck]}", story.back[struck], "s", goal=f"{BACK_SECONDS:g} s"
    )

    assert story.back[struck] <= BACK_SECONDS


def test_a_kubelet_that_restarts_ends_no_container(story: Story) -> None:
    """Containers run on below it."""
    _require_own(story)

    assert story.restarted_with_kubelet == {}


_MEASURED = {
    "gateway": "all its pods are ready",
    "scaler leader": "an endpoint at zero answers",
    "queue": "the next request is accepted",
    "kubelet": "the node is ready again",
}


def _count(story: Story, kind: Kind) -> int:
    return sum(each.kind is kind for each in story.flow.entries)


def _lived_within(entry: Entry, begin: float, end: float) -> bool:
    return entry.begun_at <= end and (entry.ended_at or end) >= begin


def _goal(story: Story, struck: str) -> str:
    return f"{RERUN_GOAL:g} s" if story.is_own else f"pod deleted, not only its {struck}"


def _require_own(story: Story) -> None:
    """Skip what nobody may do to nodes of another cluster."""
    if not story.is_own:
        pytest.skip("needs the suite's own cluster (E2E_CLUSTER): its nodes are killed")
