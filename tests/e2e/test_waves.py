"""Up and down with requests flowing: none lost, and the number what the policy says; with our scaler and with KEDA."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import pytest
from e2e.client import Platform, kubectl, open_platform
from e2e.cluster_api import recorded
from e2e.commands import run_command
from e2e.figures import Figures, spread
from e2e.installation import Installation, Parts
from e2e.law import Law, Sample, Step, sample_queue, steps_of
from e2e.load import Kind, Load

ENDPOINT = "wave"
SELECTOR = f"moorage.dev/endpoint={ENDPOINT}"
KINDS = tuple(Kind)
MOST = 4
OWN = Law(least=0, most=MOST, timeout=3, up_seconds=0.5, down_seconds=5)
KEDA_TIMEOUT = 10
BY_KEDA = Law(least=0, most=MOST, timeout=KEDA_TIMEOUT, up_seconds=3, down_seconds=10)
"""It learns of a raise past 1 at the autoscaler's sync, and goes to zero at a poll."""
UP_SECONDS = 0.2
"""Goal of our own scaler: from a request to the number."""
KEDA_SECONDS = 240.0
"""For its installation, where its programs and images are built."""
USAGE_SECONDS = 30.0
"""Longest until a replica that is there is told of: two slots."""
API_SECONDS = 90.0
"""Longest until another pod of the API has the disk and answers."""
AFTER_HOLD_SECONDS = 30.0
"""Longest that a fall may take, the hold included."""


@dataclass(slots=True)
class Wave:
    """What one 0->1->N->1->0->1 was seen to do."""

    load: Load
    samples: list[Sample]
    steps: list[Step]
    idle_from: Mapping[int, float]
    """From when on no more than so many were needed."""


async def test_number_follows_demand_up_and_down(platform: Platform, figures: Figures) -> None:
    """With our own scaler."""
    wave = await ride(platform)

    tell(figures, "own", wave)
    wave.load.ledger.require_undisturbed()
    assert wave.load.ledger.overlaps() == 0
    assert is_one_wave([step.number for step in wave.steps])
    assert max(rises(wave).values()) <= UP_SECONDS
    require_kept(OWN, wave)


async def test_number_follows_demand_by_keda_too(by_keda: Platform, figures: Figures) -> None:
    """The same policy through KEDA and the cluster's own autoscaler; slower, and with steps between."""
    wave = await ride(by_keda)

    tell(figures, "keda", wave)
    wave.load.ledger.require_undisturbed()
    assert wave.load.ledger.overlaps() == 0
    assert is_one_wave([step.number for step in wave.steps])
    require_kept(BY_KEDA, wave)


async def test_usage_outlives_its_api(by_keda: Platform, figures: Figures) -> None:
    """That platform's API keeps it in SQLite on a disk: one pod, which is exchanged here."""
    load, is_over = Load(by_keda, ENDPOINT), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_one_running(load, is_over))
        used = await by_keda.wait(lambda: used_seconds(by_keda), USAGE_SECONDS, "a replica is counted")
        is_over.set()
    (before,) = await by_keda.component_pods("api")
    await by_keda.api.delete("pods", before["metadata"]["name"], by_keda.access.namespace)
    begun = time.monotonic()

    async def kept() -> int:
        pods = await by_keda.component_pods("api")
        is_gone = all(pod["metadata"]["uid"] != before["metadata"]["uid"] for pod in pods)
        return await used_seconds(by_keda) if is_gone else 0

    still = await by_keda.wait(kept, API_SECONDS, "the next pod of the API tells of it")

    figures.add("usage: replica seconds counted", used, "s", goal="> 0")
    figures.add("usage: API with a disk deleted -> its next pod tells", time.monotonic() - begun, "s")
    assert still >= used


async def used_seconds(platform: Platform) -> int:
    """Replica seconds of the wave's endpoint, as `/v1/usage` tells them; 0 while it does not answer."""
    api = await platform.platform_api()
    answer = await api.get("/v1/usage?by=total")
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return 0
    assert answer.status_code == HTTPStatus.OK, answer.text
    return sum(row["replica_seconds"] for row in answer.json()["usage"] if row["endpoint"] == ENDPOINT)


@pytest.fixture(scope="module")
def keda_installation(
    installation: Installation,
    parts: Parts,
    tmp_path_factory: pytest.TempPathFactory,
    say: Callable[[str], None],
) -> Iterator[Installation]:
    """A second platform beside the first, of one endpoint, whose stack says `scaler: keda`."""
    require_keda(installation.context, say)
    small = {"cpu": "25m", "memory": "256Mi"}  # beside the first one on one node
    queue = {"cpu": "25m", "memory": "512Mi", "disk": "1Gi"}
    api = {**small, "disk": "1Gi"}
    settings = {"namespace": "moorage-keda", "scaler": "keda", "gateway": small, "api": api, "queue": queue}
    folder = tmp_path_factory.mktemp("keda")
    second = Installation(parts, folder, installation.context, settings, only=[ENDPOINT], tell=say)
    second.apply({ENDPOINT: {**second.endpoint(ENDPOINT), "timeout": KEDA_TIMEOUT}})
    yield second
    second.remove()


@pytest.fixture
async def by_keda(keda_installation: Installation) -> AsyncIterator[Platform]:
    """That second platform."""
    async with open_platform(keda_installation.access) as opened:
        yield opened


def require_keda(context: str | None, say: Callable[[str], None]) -> None:
    """KEDA in the cluster: installed where the cluster is the suite's own; elsewhere the test is skipped without it.

    Raises:
        CommandError: it cannot be installed; `python -m cluster build` makes what it needs.
    """
    command = kubectl(context, "get", "crd", "scaledobjects.keda.sh", "--ignore-not-found", "-o", "name")
    if run_command(command, 30):
        return
    if not os.environ.get("E2E_CLUSTER"):
        pytest.skip("needs KEDA in the cluster")
    say("installing KEDA")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    run_command([sys.executable, "-m", "cluster", "keda"], KEDA_SECONDS, environment=environment)


async def ride(platform: Platform) -> Wave:
    """0->1->N->1->0->1, requests of all kinds flowing; what was seen comes back."""
    await platform.at_zero(ENDPOINT)
    load, namespace = Load(platform, ENDPOINT), await platform.namespace_of(ENDPOINT)
    samples: list[Sample] = []
    async with (
        recorded(platform.api, "deployments", namespace, SELECTOR) as deployments,
        asyncio.TaskGroup() as group,
    ):
        sampling = group.create_task(sample_queue(platform, ENDPOINT, samples))

        async def number_is(number: int, what: str) -> None:
            await platform.wait(
                lambda: steps_of(deployments, 0)[-1].number == number, AFTER_HOLD_SECONDS, what, poll=0.05
            )

        await load.send(Kind.SYNC, seconds=0.2)
        await load.burst(3 * MOST, KINDS, seconds=1.5)
        idle_from, is_over = {1: time.monotonic()}, asyncio.Event()
        alone = group.create_task(keep_one_running(load, is_over))
        await number_is(1, "the number falls to 1 while one request runs after another")
        is_over.set()
        await alone
        idle_from[0] = time.monotonic()
        await number_is(0, "the number falls to 0 when nothing runs any more")
        await load.send(Kind.ASYNC, seconds=0.2)
        await number_is(1, "the number rises to 1 again")
        sampling.cancel()
    return Wave(load, samples, steps_of(deployments, 0), idle_from)


async def keep_one_running(load: Load, is_over: asyncio.Event) -> None:
    """One request after another, until it is over."""
    while not is_over.is_set():
        await load.send(Kind.SYNC, seconds=0.3)


def is_one_wave(numbers: list[int]) -> bool:
    """Whether they rise from 0 over 1 to the most, fall over 1 to 0, and rise to 1 again."""
    top = numbers.index(max(numbers))
    rise, fall = numbers[: top + 1], numbers[top:-1]
    is_up = rise[:2] == [0, 1] and rise[-1] == MOST and rise == sorted(rise)
    is_down = fall[-2:] == [1, 0] and fall == sorted(fall, reverse=True)
    return is_up and is_down and numbers[-1] == 1


def require_kept(law: Law, wave: Wave) -> None:
    """Hold what was seen to a law, and see that the law does find what is wrong.

    Raises:
        AssertionError: the number was not what the policy says, or nothing could be seen of it.
    """
    assert law.breaches(wave.samples, wave.steps) == []
    unused = [replace(sample, busy=0) for sample in wave.samples]
    assert law.breaches(unused, [Step(0.0, 1)]), "a number that stays at 1 is not found"
    assert law.breaches(wave.samples, [*wave.steps, Step(wave.samples[-1].at, MOST)])


def rises(wave: Wave) -> dict[str, float]:
    """Seconds from a request to its number, by move."""
    entries, steps = wave.load.ledger.entries, wave.steps
    return {
        "0->1": first_at(steps, 1, 0.0) - entries[0].begun_at,
        f"1->{MOST}": first_at(steps, MOST, 0.0) - entries[1].begun_at,
        "0->1 again": steps[-1].at - entries[-1].begun_at,
    }


def falls(wave: Wave) -> dict[str, float]:
    """Seconds from the last need of more to the number, by move."""
    return {
        f"{MOST}->1": last_to(wave.steps[:-1], 1) - wave.idle_from[1],
        "1->0": last_to(wave.steps, 0) - wave.idle_from[0],
    }


def tell(figures: Figures, scaler: str, wave: Wave) -> None:
    """Write down how fast the number followed."""
    entries, steps = wave.load.ledger.entries, wave.steps
    goal = f"<= {UP_SECONDS:g} s" if scaler == "own" else ""
    for move, seconds in rises(wave).items():
        figures.add(f"{scaler}: {move}, request to number", seconds, "s", goal=goal)
    timeout = OWN.timeout if scaler == "own" else BY_KEDA.timeout
    for move, seconds in falls(wave).items():
        figures.add(f"{scaler}: {move}, last need to number", seconds, "s", goal=f"{timeout:g} s held")
    figures.add(f"{scaler}: numbers", " ".join(str(step.number) for step in steps))
    figures.add(f"{scaler}: requests answered", f"{len(entries)} ({wave.load.ledger.told()})")
    figures.add(f"{scaler}: wait for an answer", spread([entry.seconds for entry in entries]), "s")


def first_at(steps: list[Step], number: int, after: float) -> float:
    """When a number was first heard of."""
    return next(step.at for step in steps if step.number >= number and step.at > after)


def last_to(steps: list[Step], number: int) -> float:
    """When a number was last come to."""
    return next(step.at for step in reversed(steps) if step.number == number)
