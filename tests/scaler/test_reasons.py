"""Causes looked into beside the scaling, within seconds of the fact, and no more calls than that takes."""

import structlog
from support.kube_objects import Object
from support.kube_scene import Scene

from runtime.cluster.calls import ClusterError
from runtime.queue.port import ReplicaState
from runtime.scaler.kinds import Kind
from runtime.scaler.reasons import Reporter
from runtime.scaler.tending import Tending


class Watched:
    """A reporter of a scene, and whom it woke."""

    def __init__(self, scene: Scene) -> None:
        self.woken: list[str] = []
        self.scaler: Tending = scene.scaler()
        self.reporter = Reporter(
            scene.cluster,
            scene.roster,
            self.scaler.outlook,
            self.woken.append,
            log=structlog.get_logger(),
            clock=lambda: scene.now,
        )


def pulling() -> Object:
    """An event: the image is being pulled."""
    return {"reason": "Pulling", "message": "Pulling image", "lastTimestamp": "1970-01-12T13:46:40Z"}


async def starting(scene: Scene) -> Watched:
    """An endpoint whose pod has a node and no container yet."""
    scene.record()
    scene.cluster.deploy(replicas=1, total=1)
    scene.cluster.add_pod("a", phase="Pending", ready=False)
    await scene.request()
    watched = Watched(scene)
    await watched.scaler.tend("embed", is_sweep=False)
    return watched


async def test_new_cause_asks_for_a_look_that_publishes_it(scene: Scene) -> None:
    """And the same cause does not ask again."""
    watched = await starting(scene)
    scene.cluster.happenings["a"] = [pulling()]

    await watched.reporter.look_into_all()
    await watched.reporter.look_into_all()

    found = watched.reporter.cause_of("embed")
    assert found is not None
    assert (found.kind, watched.woken) == (Kind.IMAGE_PULL, ["embed"])


async def test_cause_reaches_the_queue(scene: Scene) -> None:
    """Where gateway and API read it."""
    watched = await starting(scene)
    await watched.reporter.look_into_all()
    scene.told.causes["embed"] = watched.reporter.cause_of("embed")  # type: ignore[assignment] # it is known

    await watched.scaler.tend("embed", is_sweep=False)

    assert (await scene.queue.look("embed")).cause.startswith("starting: its containers are being made")


async def test_cause_goes_once_enough_replicas_serve(scene: Scene) -> None:
    """A stale one would be read as true."""
    watched = await starting(scene)
    await watched.reporter.look_into_all()
    scene.cluster.start("a")
    await scene.join("a", ReplicaState.READY)
    await watched.scaler.tend("embed", is_sweep=False)

    await watched.reporter.look_into_all()

    assert watched.reporter.cause_of("embed") is None


async def test_nothing_is_read_of_endpoints_that_serve(scene: Scene) -> None:
    """Events and logs cost calls."""
    scene.record()
    await scene.fleet("a")
    watched = Watched(scene)
    await watched.scaler.tend("embed", is_sweep=False)
    scene.cluster.happenings = None  # type: ignore[assignment] # whoever reads it fails

    await watched.reporter.look_into_all()

    assert watched.reporter.cause_of("embed") is None


async def test_last_lines_are_read_once_for_each_life(scene: Scene) -> None:
    """A crash loop lasts for hours."""
    watched = await starting(scene)
    waiting = {"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    scene.cluster.add_pod("a", ready=False, model=waiting)
    scene.cluster.logs["a"] = "first\n"
    await watched.reporter.look_into_all()
    scene.cluster.logs["a"] = "second\n"

    await watched.reporter.look_into_all()
    before = watched.reporter.cause_of("embed")
    scene.cluster.add_pod("a", ready=False, model=waiting | {"restartCount": 4})
    await watched.reporter.look_into_all()
    after = watched.reporter.cause_of("embed")

    assert before is not None
    assert after is not None
    assert (before.words[-5:], after.words[-6:]) == ("first", "second")


async def test_refused_events_cost_words_only(scene: Scene) -> None:
    """The pod's own conditions still tell something."""
    watched = await starting(scene)

    async def refuse(namespace: str, name: str) -> list[Object]:
        raise ClusterError(403, f"{namespace}/{name}")

    scene.cluster.events = refuse  # type: ignore[method-assign] # a Role without events

    await watched.reporter.look_into_all()

    found = watched.reporter.cause_of("embed")
    assert found is not None
    assert found.kind is Kind.STARTING


async def test_object_of_unknown_form_costs_its_own_cause_only(scene: Scene) -> None:
    """Nothing else stops."""
    watched = await starting(scene)
    scene.cluster.happenings["a"] = [{"reason": "Pulling", "lastTimestamp": "yesterday"}]

    await watched.reporter.look_into_all()

    assert watched.reporter.cause_of("embed") is None
