"""Who is looked at when: pushed demands at once, the rest in sweeps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from support.kube_scene import Scene
from support.polling import until

from runtime.queue.port import EndpointView, QueueUnavailableError
from runtime.scaler.rounds import Rounds
from runtime.scaler.tending import Tending


def make_rounds(scene: Scene, tending: Tending | None = None) -> Rounds:
    """A leader's rounds, in real time; the queue's clock stands still."""
    return Rounds(
        scene.queue,
        scene.cluster,
        scene.roster,
        tending or scene.scaler(),
        metrics=scene.metrics,
        log=structlog.get_logger(),
        clock=asyncio.get_running_loop().time,
    )


@asynccontextmanager
async def going(rounds: Rounds) -> AsyncIterator[None]:
    """Let rounds go while the block runs."""
    task = asyncio.create_task(rounds.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_pushed_demand_raises_the_number_at_once(scene: Scene) -> None:
    """No sweep is waited for; the wake is measured."""
    scene.record()
    scene.cluster.deploy()
    rounds = make_rounds(scene)
    async with going(rounds):
        first = rounds.moved_at
        await until(lambda: rounds.moved_at > first)
        begun = asyncio.get_running_loop().time()
        await scene.request()
        await until(lambda: scene.cluster.number() == 1)
        took = asyncio.get_running_loop().time() - begun

    assert took < 0.3
    assert b"moorage_scaler_wake_seconds_count 1.0" in scene.metrics.expose()


async def test_wake_does_not_wait_for_a_slow_sweep(scene: Scene) -> None:
    """Hundreds of slow endpoints are being looked at; one is woken."""
    for number in range(300):
        scene.record(f"e{number}")
    scene.record("woken")
    scene.cluster.deploy("woken")
    look = scene.queue.look

    async def look_slowly(endpoint: str) -> EndpointView:
        if endpoint != "woken":
            await asyncio.sleep(0.5)
        return await look(endpoint)

    scene.queue.look = look_slowly  # type: ignore[method-assign] # a slow server, played
    rounds = make_rounds(scene)
    async with going(rounds):
        await asyncio.sleep(0.1)
        await scene.request("woken")
        begun = asyncio.get_running_loop().time()
        await until(lambda: scene.cluster.number("woken") == 1)
        took = asyncio.get_running_loop().time() - begun

    assert took < 0.4


async def test_wake_during_a_look_is_followed_by_another_look(scene: Scene) -> None:
    """What came after the look began must not be lost."""
    scene.record()
    scene.cluster.deploy()
    looks = 0
    gate = asyncio.Event()
    look = scene.queue.look

    async def look_at_gate(endpoint: str) -> EndpointView:
        nonlocal looks
        looks += 1
        view = await look(endpoint)
        await gate.wait()
        return view

    scene.queue.look = look_at_gate  # type: ignore[method-assign] # a slow server, played
    rounds = make_rounds(scene)
    async with going(rounds):
        await until(lambda: looks == 1)
        await scene.request()
        await asyncio.sleep(0)
        gate.set()
        await until(lambda: scene.cluster.number() == 1, 0.5)


async def test_lost_signal_is_made_up_for_by_a_sweep(scene: Scene) -> None:
    """Pushes are lossy."""
    scene.record()
    scene.cluster.deploy()
    scene.queue._tell = lambda _: None  # type: ignore[method-assign, assignment] # nobody hears it
    async with going(make_rounds(scene)):
        await until(lambda: scene.roster.is_known)
        await scene.request()
        await until(lambda: scene.cluster.number() == 1, 8)


async def test_nothing_is_decided_before_the_cluster_is_known(scene: Scene) -> None:
    """An empty copy would look as if nothing was deployed."""
    scene.record()
    scene.cluster.deploy()
    scene.cluster.is_known = False
    rounds = make_rounds(scene)
    async with going(rounds):
        await scene.request()
        rounds.wake("embed")
        await asyncio.sleep(0.1)
        before = list(scene.steps.taken)
        scene.cluster.is_known = True
        await until(lambda: scene.cluster.number() == 1)

    assert before == []


async def test_queue_that_is_away_is_waited_for(scene: Scene) -> None:
    """Nothing is scaled meanwhile, and it goes on afterwards."""
    scene.record()
    scene.cluster.deploy()
    look, is_away = scene.queue.look, True

    async def look_if_there(endpoint: str) -> EndpointView:
        if is_away:
            raise QueueUnavailableError("away")
        return await look(endpoint)

    scene.queue.look = look_if_there  # type: ignore[method-assign] # a server that is away
    async with going(make_rounds(scene)):
        await scene.request()
        await asyncio.sleep(0.05)
        before = scene.cluster.number()
        is_away = False
        await until(lambda: scene.cluster.number() == 1)

    assert before == 0


async def test_defect_at_one_endpoint_leaves_the_others(scene: Scene) -> None:
    """A Deployment that cannot be read, say."""
    scene.record("bad")
    scene.record("good")
    scene.cluster.deploy("bad")
    scene.cluster.deploy("good")
    del scene.cluster.deployments["moorage-baseline", "bad"]["spec"]["template"]
    async with going(make_rounds(scene)):
        await scene.request("good")
        await until(lambda: scene.cluster.number("good") == 1)


async def test_woken_stranger_is_passed_over(scene: Scene) -> None:
    """A signal of an endpoint that is none of ours."""
    scene.roster.take({})
    rounds = make_rounds(scene)
    async with going(rounds):
        await asyncio.sleep(0.02)
        rounds.wake("stranger")
        await asyncio.sleep(0.02)

    assert scene.steps.taken == []
