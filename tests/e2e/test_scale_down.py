"""Scaling down under load takes idle replicas only: no running request loses its pod, none runs twice."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from e2e.client import Platform
from e2e.cluster_api import Event, recorded
from e2e.figures import Figures
from e2e.law import steps_of
from e2e.load import Kind, Ledger, Load

from runtime.queue.port import ReplicaState
from runtime.wire import RequestState

ENDPOINT = "busy"
SELECTOR = f"moorage.dev/endpoint={ENDPOINT}"
ROUNDS = 10
REPLICAS, LONG, ASKERS = 6, 3, 15
LONG_SECONDS, SHORT_SECONDS = 12.0, 0.3
"""The long ones run on until well after the number has sunk."""
FILL_SECONDS = 120.0
QUICK_POLL = 0.01


@pytest.mark.timeout(400, func_only=True)
async def test_scale_down_takes_idle_replicas_only(platform: Platform, figures: Figures) -> None:
    """Ten times: three of six replicas run on, the others go, and new requests come in that very moment.

    In odd rounds they come as soon as replicas are retired in the queue, in even ones as the number sinks.
    """
    await platform.at_zero(ENDPOINT)
    namespace = await platform.namespace_of(ENDPOINT)
    load, begun, rounds = Load(platform, ENDPOINT), time.monotonic(), list[Round]()
    async with (
        recorded(platform.api, "deployments", namespace, SELECTOR) as deployments,
        recorded(platform.api, "pods", namespace, SELECTOR) as pods,
        asyncio.TaskGroup() as group,
    ):
        for number in range(ROUNDS):
            rounds.append(await one_round(platform, load, deployments, group, is_odd=bool(number % 2)))
    took, gone = time.monotonic() - begun, deletions(pods)
    cut = cut_runs(load.ledger, gone)
    attempts = [await attempts_of(platform, entry.request_id) for entry in load.ledger.entries]
    good = sum(any(it.begun_at < at < it.ended_at for at in gone.values()) for it in rounds)

    goal = f"{ROUNDS} of {ROUNDS}"
    figures.add("scale-down: rounds in which replicas went beside running requests", good, goal=goal)
    figures.add("scale-down: running requests whose pod was deleted", len(cut), goal="0")
    figures.add("scale-down: most attempts of a request", max(attempts), goal="1")
    figures.add(
        "scale-down: pods deleted / requests / seconds", f"{len(gone)} / {len(attempts)} / {took:.0f}"
    )
    load.ledger.require_none_lost()
    assert not cut, "\n".join(cut)
    assert set(attempts) == {1}
    assert load.ledger.overlaps() == 0
    assert good == ROUNDS


@dataclass(frozen=True, slots=True)
class Round:
    """When long requests ran, in seconds since the epoch: no longer than the shortest of them."""

    begun_at: float
    ended_at: float


async def one_round(
    platform: Platform, load: Load, deployments: list[Event], group: asyncio.TaskGroup, *, is_odd: bool
) -> Round:
    """Bring it to six, keep three busy, ask anew in the moment in which it shrinks, wait until three are left."""
    await fill(platform, load)
    for _ in range(LONG):
        group.create_task(load.send(Kind.ASYNC, seconds=LONG_SECONDS))
    await platform.wait(lambda: all_run(platform, load, LONG), 5, "the long requests run")
    begun_at, seen = time.time(), len(deployments)

    async def shrinks() -> bool:
        return await has_retired(platform) if is_odd else number_now(deployments[seen:], REPLICAS) < REPLICAS

    what = "replicas are retired" if is_odd else "the number sinks"
    await platform.wait(shrinks, LONG_SECONDS, what, poll=QUICK_POLL)
    await load.burst(2, [Kind.ASYNC], seconds=SHORT_SECONDS)
    await platform.wait(
        lambda: number_now(deployments[seen:], REPLICAS) <= LONG,
        30,
        "the number is that of the long requests",
    )
    return Round(begun_at, begun_at + LONG_SECONDS - 1)


async def fill(platform: Platform, load: Load) -> None:
    """Short requests, more than six at any time, until six replicas serve."""
    is_full = asyncio.Event()

    async def ask() -> None:
        while not is_full.is_set():
            await load.send(Kind.ASYNC, seconds=SHORT_SECONDS)

    async with asyncio.TaskGroup() as group:
        for _ in range(ASKERS):
            group.create_task(ask())
        await platform.replicas_ready(ENDPOINT, REPLICAS, FILL_SECONDS)
        is_full.set()


async def all_run(platform: Platform, load: Load, count: int) -> bool:
    """Whether the last so many requests are with a replica."""
    ids = [entry.request_id for entry in load.ledger.entries[-count:]]
    views = [await platform.queue.find(request_id) for request_id in ids]
    return all(view is not None and view.state is RequestState.RUNNING for view in views)


async def has_retired(platform: Platform) -> bool:
    """Whether a replica takes no more."""
    view = await platform.queue.look(ENDPOINT)
    return any(replica.state is ReplicaState.RETIRED for replica in view.replicas)


async def attempts_of(platform: Platform, request_id: str) -> int:
    """How often a request was taken."""
    view = await platform.queue.find(request_id)
    return 0 if view is None else view.attempt


def number_now(deployments: list[Event], before: int) -> int:
    """The number that was heard of last."""
    return steps_of(deployments, before)[-1].number


def deletions(pods: list[Event]) -> dict[str, float]:
    """Each pod that was deleted, and when that was first heard of, in seconds since the epoch."""
    offset, found = time.time() - time.monotonic(), dict[str, float]()
    for event in pods:
        if event.type == "DELETED" or event.object["metadata"].get("deletionTimestamp"):
            found.setdefault(event.name, event.at + offset)
    return found


def cut_runs(ledger: Ledger, gone: Mapping[str, float]) -> list[str]:
    """Runs that had not ended when their pod was deleted."""
    runs = [entry for entry in ledger.entries if entry.answer]
    return [
        f"{entry.request_id} on {entry.answer['pod']}: ran from {entry.answer['started'] - gone[entry.answer['pod']]:.2f} s"
        f" to {entry.answer['ended'] - gone[entry.answer['pod']]:.2f} s after its deletion"
        for entry in runs
        if entry.answer["pod"] in gone and entry.answer["ended"] > gone[entry.answer["pod"]]
    ]
