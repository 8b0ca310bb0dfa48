"""A second apply that edits one endpoint, adds one and removes one: only their own pods move."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from e2e.client import Platform
from e2e.cluster_api import recorded
from e2e.figures import Figures
from e2e.installation import Installation
from e2e.law import steps_of
from e2e.load import Kind, Load

EDITED, ADDED, REMOVED = "keyed", "joiner", "leaver"
STAYS = ("blocked", "hang")
"""Endpoints of one replica, which nobody may touch; requests keep them from their idle timeout."""
LONG_SECONDS = 25.0
"""Runs on while its endpoint is edited: longer than an apply takes to reach it."""
OWN_PARTS = ("gateway", "api", "scaler", "queue")


@dataclass(frozen=True, slots=True)
class Seat:
    """A pod as it was: another uid is another pod, a higher count a restart."""

    uid: str
    restarts: int


async def test_second_apply_moves_the_pods_of_its_own_endpoints_only(
    platform: Platform, installation: Installation, figures: Figures
) -> None:
    """Everything else keeps its pods, without a restart, and goes on serving; a rollout takes no replica more."""
    await asyncio.gather(*(serve_one(platform, name) for name in (*STAYS, EDITED, REMOVED)))
    before, edited = await seats(platform), installation.endpoint(EDITED)
    changes = {
        EDITED: {**edited, "env": {"EDITED": "yes"}},
        ADDED: {**edited, "name": ADDED, "timeout": 300},
        REMOVED: None,
    }
    loads, is_over = [Load(platform, name) for name in STAYS], asyncio.Event()
    namespace = await platform.namespace_of(EDITED)

    async def keep_asking(load: Load) -> None:
        while not is_over.is_set():
            await load.send(Kind.SYNC, seconds=0.2)

    async with (
        recorded(platform.api, "deployments", namespace, f"moorage.dev/endpoint={EDITED}") as deployments,
        asyncio.TaskGroup() as group,
    ):
        for load in loads:
            group.create_task(keep_asking(load))
        long = group.create_task(serve_one(platform, EDITED, seconds=LONG_SECONDS))
        try:
            await asyncio.to_thread(installation.apply, changes)
            await serve_one(platform, ADDED)
            await long
            await platform.wait(
                lambda: is_exchanged(platform, before[EDITED]), 60, f"{EDITED} has a new pod alone"
            )
            await platform.wait(
                lambda: is_gone(platform, REMOVED), 60, "the removed endpoint's pods are gone"
            )
            after = await seats(platform)
            await serve_one(platform, EDITED)
        finally:
            is_over.set()
            await asyncio.to_thread(installation.apply)

    moved = {
        f"{name}: {pod}"
        for name in (*STAYS, *OWN_PARTS)
        for pod, seat in before[name].items()
        if after.get(name, {}).get(pod) != seat
    }
    came = {name for name, pods in after.items() if set(pods) - set(before.get(name, {}))}
    highest = max(step.number for step in steps_of(deployments, 1))
    figures.add("second apply: pods of others that moved", len(moved), goal="0")
    figures.add("second apply: requests meanwhile", sum(len(load.ledger.entries) for load in loads))
    figures.add("second apply: highest number of one busy replica in its rollout", highest, goal="1")
    assert moved == set()
    assert came == {EDITED, ADDED}
    assert deployments, "nothing was heard of the edited endpoint's Deployment"
    assert highest == 1
    for load in loads:
        load.ledger.require_undisturbed()


async def is_exchanged(platform: Platform, former: Mapping[str, Seat]) -> bool:
    """Whether the endpoint has one pod that serves, and it is none of its former ones."""
    names = [pod["metadata"]["name"] for pod in await platform.pods(EDITED, with_ending=True)]
    return len(names) == 1 and not set(names) & set(former)


async def serve_one(platform: Platform, endpoint: str, seconds: float = 0) -> None:
    """One request is answered."""
    load = Load(platform, endpoint)
    await load.send(Kind.KEYED, seconds=seconds)
    load.ledger.require_none_lost()


async def seats(platform: Platform) -> dict[str, dict[str, Seat]]:
    """Every pod of the platform, by endpoint or component."""
    found: dict[str, dict[str, Seat]] = {}
    for namespace in (platform.access.namespace, *platform.access.endpoint_namespaces):
        for pod in await platform.api.list("pods", namespace):
            metadata, status = pod["metadata"], pod["status"]
            if metadata.get("deletionTimestamp"):
                continue
            labels = metadata["labels"]
            owner = labels.get("moorage.dev/endpoint", labels["app.kubernetes.io/component"])
            counts = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
            restarts = sum(each["restartCount"] for each in counts)
            found.setdefault(owner, {})[metadata["name"]] = Seat(metadata["uid"], restarts)
    return found


async def is_gone(platform: Platform, endpoint: str) -> bool:
    """Whether nothing of an endpoint runs, and its Deployment and record are not there any more."""
    namespace = platform.access.namespace
    record = await platform.api.find("configmaps", f"endpoint-{endpoint}", namespace)
    spaces = platform.access.endpoint_namespaces
    deployments = [await platform.api.find("deployments", endpoint, space) for space in spaces]
    is_there = record is not None or any(each is not None for each in deployments)
    return not is_there and not await platform.pods(endpoint, with_ending=True)
