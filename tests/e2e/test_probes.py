"""Health of a model that infers, and of one that hangs: only the one that hangs is restarted, and only it."""

import asyncio
import time
from dataclasses import dataclass

import pytest
from e2e.client import Platform
from e2e.cluster_api import Object
from e2e.commands import CommandError
from e2e.figures import Figures
from e2e.installation import Installation
from e2e.load import Entry, Fate, Load
from e2e.stories import Restarts, busy_with, play, pod_of, restart_count, restarted, restarts, told

from runtime.wire.cluster import MODEL_CONTAINER, WORKER_CONTAINER

STORY_SECONDS = 150.0
INFERS_SECONDS = 20.0
"""Longer than it takes to restart a model that fails its probes: two of them, two seconds apart, and the grace."""
REQUEST_SECONDS = 5.0
"""`limits.request_seconds` of the endpoint `hang`."""
SERVES_SECONDS = 40.0
"""A model that hung is ended, started again and answers within so long."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A model that answers no health check while it infers."""

    answered: Entry
    pod: Object
    is_silent: bool
    """Whether its health path did not answer in the middle of its run."""
    answers_again: bool
    """Whether the same path answered after the run."""


@dataclass(frozen=True, slots=True)
class Hung:
    """A model that never answers."""

    refused: Entry
    after: Entry
    """The next request on the same replica."""
    before: Object
    """The pod, before it."""
    pod: Object
    """The pod, at the end."""
    served_again: float
    """Seconds from the refusal to the next answer."""


@dataclass(frozen=True, slots=True)
class Story:
    """Both at the same time."""

    blocked: Blocked
    hung: Hung
    before: Restarts
    after: Restarts


@pytest.fixture(scope="module")
def story(installation: Installation) -> Story:
    """What this file's tests look at."""
    return play(installation, _story, STORY_SECONDS)


def test_a_model_that_answers_no_health_check_while_it_infers_finishes(
    story: Story, figures: Figures
) -> None:
    """Its request is answered after its whole run, although its health path was silent all the while."""
    run = story.blocked

    assert run.is_silent
    assert run.answers_again
    assert run.answered.fate is Fate.ANSWERED, told([run.answered])
    ran = float(run.answered.answer["ended"] - run.answered.answer["started"])
    figures.add("run without a health answer", ran, "s", goal="finishes")
    assert ran >= INFERS_SECONDS


def test_a_model_that_infers_is_not_restarted(story: Story) -> None:
    """Neither the model nor its worker was restarted during or after the run."""
    assert restart_count(story.blocked.pod, MODEL_CONTAINER) == 0
    assert restart_count(story.blocked.pod, WORKER_CONTAINER) == 0


def test_a_request_that_runs_too_long_is_refused_at_its_limit(story: Story, figures: Figures) -> None:
    """The client is told at `request_seconds`, not when somebody notices later."""
    refused = story.hung.refused

    assert "ran-too-long" in refused.why
    ran = refused.seconds - float(refused.headers.get("X-Queue-Wait-Seconds", "0"))
    assert REQUEST_SECONDS <= ran < REQUEST_SECONDS + 2
    figures.add("hanging request refused after", ran, "s", goal=f"{REQUEST_SECONDS:g} s")


def test_a_model_that_hangs_is_restarted_once(story: Story) -> None:
    """The same pod goes on with a new model."""
    assert story.hung.pod["metadata"]["uid"] == story.hung.before["metadata"]["uid"]
    assert (
        restart_count(story.hung.pod, MODEL_CONTAINER)
        == restart_count(story.hung.before, MODEL_CONTAINER) + 1
    )


def test_a_model_that_hangs_takes_nothing_else_along(story: Story) -> None:
    """No other container in any of the platform's namespaces was restarted, its own worker not either."""
    pod = story.hung.pod["metadata"]["name"]

    assert restarted(story.before, story.after) == {}
    assert story.after[f"{pod}/{WORKER_CONTAINER}"] == 0


def test_a_replica_serves_again_after_its_model_hung(story: Story, figures: Figures) -> None:
    """The next request is answered by the same replica's new model."""
    after = story.hung.after

    assert after.fate is Fate.ANSWERED, told([after])
    assert after.answer["run"] == 1
    goal = f"{SERVES_SECONDS:g} s: the grace of 10 s and a start"
    figures.add("refused -> next answer, model restarted", story.hung.served_again, "s", goal=goal)
    assert story.hung.served_again <= SERVES_SECONDS


async def _story(platform: Platform) -> Story:
    before = await restarts(platform)
    async with asyncio.TaskGroup() as group:
        blocked = group.create_task(_blocked(platform))
        hung = group.create_task(_hung(platform))
    return Story(blocked.result(), hung.result(), before, await restarts(platform))


async def _blocked(platform: Platform) -> Blocked:
    load = Load(platform, "blocked", deadline_seconds=STORY_SECONDS)
    async with asyncio.TaskGroup() as group:
        sent = group.create_task(load.send(seconds=INFERS_SECONDS))
        (replica, *_) = await busy_with(platform, "blocked", 1)
        is_silent = await _is_silent(platform, "blocked", replica.id)
    answers_again = not await _is_silent(platform, "blocked", replica.id)
    return Blocked(sent.result(), await pod_of(platform, "blocked", replica.id), is_silent, answers_again)


async def _is_silent(platform: Platform, endpoint: str, pod: str) -> bool:
    """Whether the model's health path gives no answer for three seconds, asked past its worker."""
    namespace = await platform.namespace_of(endpoint)
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy/healthcheck"
    try:
        await platform.kubectl("get", "--raw", path, "--request-timeout=3s")
    except CommandError:
        return True
    return False


async def _hung(platform: Platform) -> Hung:
    load = Load(platform, "hang", deadline_seconds=STORY_SECONDS)
    async with asyncio.TaskGroup() as group:
        sent = group.create_task(load.send(hang=True))
        (replica, *_) = await busy_with(platform, "hang", 1)
        before = await pod_of(platform, "hang", replica.id)
    refused_at = time.monotonic()
    after = await load.send(seconds=0)
    served_again = time.monotonic() - refused_at
    return Hung(sent.result(), after, before, await pod_of(platform, "hang", replica.id), served_again)
