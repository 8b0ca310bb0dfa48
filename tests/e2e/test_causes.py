"""Why a request waits: what never starts says its true cause soon, and starts once that is mended."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pytest
from e2e.client import Platform
from e2e.cluster_api import Event, Object, recorded
from e2e.figures import Figures
from e2e.installation import Installation
from e2e.load import Entry, Fate, Kind, Load
from e2e.stories import Restarts, play, restarted, restarts, statuses, told

from runtime.wire.cluster import LABEL_ENDPOINT

STORY_SECONDS = 200.0
TOLD_SECONDS = 15.0
MEND_SECONDS = 100.0
"""Longest until a mended endpoint answers: kubelet pulls again after 10, 20, 40 s."""
POLL_SECONDS = 0.25
CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "bad-image": r"cannot start: image \S+/private/nothing:1 was not found",
        "bad-login": r"cannot start: the registry lets nobody pull \S+/private/model:1 with these credentials",
        "crash": r"crash-looping: its model ended with exit code 1, \d+ restarts?; it last wrote:",
        "no-secret": r'cannot start: secret "secret-absent" not found',
        "no-gpu": r"no GPU: no node has enough of them free \(0/\d+ nodes",
    }
)
"""Endpoint, to what it must say of itself."""
NOT_YET = ("starting", "no replica is running")
"""What is said while the cause is not known."""
MENDED = ("no-secret", "bad-login")
"""Those whose Secret is put right in the end."""
PASSWORD = "wrong-password"
"""The project's secret from which the login of `bad-login` is made."""
BESIDE = "steady"
"""An endpoint that nothing is wrong with."""


STUCK = frozenset({"ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CrashLoopBackOff"})
"""What kubelet says of a container that nobody helps by waiting."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an endpoint said, and when; times are of this process's steady clock."""

    cause: str
    """The true one, or the last that was said in its place."""
    accepted_at: float
    told_at: float | None
    """None when the true one was not told in time."""
    untrue: tuple[str, ...]
    """What else it said before, in order."""
    entry: Entry
    """The request: answered where the cause was mended, else taken back."""
    mended_seconds: float
    """From then to the request's end."""


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that cannot start is asked for at once."""

    told: Mapping[str, Told]
    stuck_at: Mapping[str, float]
    """When the cluster first knew what holds an endpoint up."""
    beside: list[Entry]
    """Requests to an endpoint that nothing is wrong with, meanwhile."""
    restarted: Restarts
    """Containers of others that were restarted meanwhile."""


@pytest.fixture(scope="module")
def story(installation: Installation) -> Story:
    """What this file's tests look at."""
    return play(installation, lambda platform: _story(platform, installation), STORY_SECONDS)


@pytest.mark.parametrize("endpoint", CAUSES)
def test_an_endpoint_that_cannot_start_tells_why(story: Story, figures: Figures, endpoint: str) -> None:
    """`GET /v1/endpoints/NAME` names the true cause within 15 s of the cluster's knowing it."""
    found = story.told[endpoint]

    assert found.told_at is not None, f"said instead: {[*found.untrue, found.cause]}"
    seconds = found.told_at - story.stuck_at[endpoint]
    figures.add(f"{endpoint}: request -> cause told", found.told_at - found.accepted_at, "s")
    figures.add(f"{endpoint}: cluster knows -> cause told", seconds, "s", goal=f"{TOLD_SECONDS:g} s")
    assert seconds <= TOLD_SECONDS, f"said before: {found.untrue}"


def test_what_is_said_before_the_cause_is_not_another_cause(story: Story) -> None:
    """Until it is known an endpoint says that it is starting, or nothing."""
    untrue = {name: found.untrue for name, found in story.told.items()}

    wrong = {name: [each for each in said if not each.startswith(NOT_YET)] for name, said in untrue.items()}
    assert not any(wrong.values()), wrong


def test_other_endpoints_go_on_beside_one_that_cannot_start(story: Story) -> None:
    """Every request to another endpoint is answered, and none of its containers was restarted."""
    assert all(each.fate is Fate.ANSWERED for each in story.beside), told(story.beside)
    assert story.restarted == {}


@pytest.mark.parametrize("endpoint", MENDED)
def test_an_endpoint_starts_once_its_secret_is_right(story: Story, figures: Figures, endpoint: str) -> None:
    """The request that has waited all the while is answered, and nobody had to restart anything.

    The login becomes right as a user makes it so: another value, and the project applied again.
    """
    found = story.told[endpoint]
    figures.add(f"Secret put right -> answer: {endpoint}", found.mended_seconds, "s")

    assert found.entry.fate is Fate.ANSWERED, told([found.entry])


async def _story(platform: Platform, installation: Installation) -> Story:
    beside = Load(platform, BESIDE, deadline_seconds=STORY_SECONDS)
    await beside.send(seconds=0)
    before = await restarts(platform)
    mends = {
        "no-secret": lambda: _make_secret(platform),
        "bad-login": lambda: _put_password_right(installation),
    }
    namespace = platform.access.endpoint_namespaces[0]
    try:
        async with recorded(platform.api, "pods", namespace) as events, asyncio.TaskGroup() as group:
            flow = group.create_task(beside.flow(20, TOLD_SECONDS, [Kind.SYNC, Kind.ASYNC], seconds=0.2))
            asked = {name: group.create_task(_ask(platform, name, mends.get(name))) for name in CAUSES}
    finally:
        installation.values.pop(PASSWORD, None)
        # The login too: kubelet trusts an object with which it has once pulled an image, whatever it holds now.
        for secret in ("secret-absent", "registry-locked"):
            await platform.api.delete("secrets", secret, namespace)
    found = {name: task.result() for name, task in asked.items()}
    stuck_at = {name: _stuck_at(name, events) or one.accepted_at for name, one in found.items()}
    return Story(found, stuck_at, flow.result(), restarted(before, await restarts(platform)))


def _stuck_at(endpoint: str, events: Sequence[Event]) -> float | None:
    """When a pod of an endpoint first said that it is stuck; None where one had said so before."""
    own = (each for each in events if each.object["metadata"]["labels"][LABEL_ENDPOINT] == endpoint)
    return next((each.at for each in own if _is_stuck(each.object)), None)


def _is_stuck(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    reasons = {each["state"].get("waiting", {}).get("reason") for each in statuses(pod)}
    return bool(reasons & STUCK) or any(
        each["type"] == "PodScheduled" and each["status"] == "False" for each in conditions
    )


async def _make_secret(platform: Platform) -> None:
    """The one that has no value anywhere, made by hand."""
    namespace = platform.access.endpoint_namespaces[0]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "secret-absent", "namespace": namespace},
        "stringData": {"value": "here at last"},
    }
    await platform.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(secret))


async def _put_password_right(installation: Installation) -> None:
    installation.values[PASSWORD] = installation.parts.registry["password"]
    await asyncio.to_thread(installation.apply)


async def _ask(platform: Platform, endpoint: str, mend: Callable[[], Awaitable[object]] | None) -> Told:
    """Ask for an endpoint with one async request, hear its cause, and mend it or take the request back."""
    load = Load(platform, endpoint, deadline_seconds=STORY_SECONDS)
    sent = asyncio.ensure_future(load.send(Kind.ASYNC, seconds=0))
    try:
        accepted = await platform.wait(lambda: _accepted_at(load), TOLD_SECONDS, f"{endpoint} accepts")
        cause, told_at, untrue = await _listen(platform, endpoint, accepted)
        mended_at = time.monotonic()
        if mend is not None:
            await mend()
            await asyncio.wait([sent], timeout=MEND_SECONDS)
        return Told(cause, accepted, told_at, untrue, load.ledger.entries[0], time.monotonic() - mended_at)
    finally:
        sent.cancel()
        await (await platform.platform_api()).delete(f"/v1/requests/{load.ledger.entries[0].request_id}")


def _accepted_at(load: Load) -> float:
    """When its first request was accepted; 0 while it is not."""
    return next((each.accepted_at for each in load.ledger.entries if each.accepted_at is not None), 0.0)


async def _listen(
    platform: Platform, endpoint: str, begun: float
) -> tuple[str, float | None, tuple[str, ...]]:
    """The cause that was waited for and when it came, or the last one and None; and those before it."""
    said: list[str] = []
    while time.monotonic() - begun < 3 * TOLD_SECONDS:
        cause = str((await platform.shown(endpoint))["waiting"]["cause"])
        if re.search(CAUSES[endpoint], cause):
            return cause, time.monotonic(), tuple(said)
        if cause and cause not in said:
            said.append(cause)
        await asyncio.sleep(POLL_SECONDS)
    return (said[-1] if said else ""), None, tuple(said[:-1])
