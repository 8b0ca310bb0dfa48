"""A second apply that edits one endpoint, adds one and removes one: only their own pods move."""

import asyncio
from dataclasses import dataclass

from e2e.client import Platform
from e2e.figures import Figures
from e2e.installation import Installation
from e2e.load import Kind, Load

EDITED, ADDED, REMOVED = "inplace", "joiner", "leaver"
STAYS = ("steady", "keyed")
"""Endpoints with a replica that nobody may touch."""
OWN_PARTS = ("gateway", "api", "scaler", "queue")


@dataclass(frozen=True, slots=True)
class Seat:
    """A pod as it was: another uid is another pod, a higher count a restart."""

    uid: str
    restarts: int


async def test_second_apply_moves_the_pods_of_its_own_endpoints_only(
    platform: Platform, installation: Installation, figures: Figures
) -> None:
    """Everything else keeps its pods, without a restart, and goes on serving."""
    await asyncio.gather(*(platform_serves(platform, name) for name in (*STAYS, EDITED, REMOVED)))
    before = await seats(platform)
    edited = installation.endpoint(EDITED)
    changes = {
        EDITED: {**edited, "env": {"EDITED": "yes"}},
        ADDED: {**edited, "name": ADDED, "rollout": "surge"},
        REMOVED: None,
    }
    loads, is_over = [Load(platform, name) for name in STAYS], asyncio.Event()

    async def keep_asking(load: Load) -> None:
        while not is_over.is_set():
            await load.send(Kind.SYNC, seconds=0.2)

    async with asyncio.TaskGroup() as group:
        for load in loads:
            group.create_task(keep_asking(load))
        try:
            await asyncio.to_thread(installation.apply, changes)
            await platform_serves(platform, ADDED)
            await platform_serves(platform, EDITED)
            await platform.wait(
                lambda: is_gone(platform, REMOVED), 60, "the removed endpoint's pods are gone"
            )
            after = await seats(platform)
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
    figures.add("second apply: pods of others that moved", len(moved), goal="0")
    figures.add("second apply: requests meanwhile", sum(len(load.ledger.entries) for load in loads))
    assert moved == set()
    assert came == {EDITED, ADDED}
    assert not set(before[EDITED]) & set(after[EDITED])
    for load in loads:
        load.ledger.require_none_lost()


async def platform_serves(platform: Platform, endpoint: str) -> None:
    """One request is answered."""
    load = Load(platform, endpoint)
    await load.send(Kind.KEYED, seconds=0)
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
    return record is None and not await platform.pods(endpoint, with_ending=True)
