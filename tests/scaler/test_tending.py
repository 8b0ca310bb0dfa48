"""One endpoint, looked at: up at once, down in its order, mended after a crash."""

import pytest
from support.kube_fleet import CrashError
from support.kube_scene import Scene

from runtime.cluster.calls import ClusterError
from runtime.queue.port import ReplicaState


async def test_request_at_zero_raises_the_number_before_anything_else(scene: Scene) -> None:
    """0 to 1 costs one look and one write."""
    scene.record()
    scene.cluster.deploy()
    await scene.request()

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.steps.taken == [("scale", "embed", 1), ("desired", 1)]


async def test_second_look_writes_nothing(scene: Scene) -> None:
    """What stands is not written again."""
    scene.record()
    scene.cluster.deploy()
    await scene.request()
    scaler = scene.scaler()
    await scaler.tend("embed", is_sweep=False)
    scene.steps.taken.clear()

    await scaler.tend("embed", is_sweep=True)

    assert scene.steps.taken == []


async def test_idle_replicas_go_in_the_order_retire_cost_number(scene: Scene) -> None:
    """Every pod's cost is written, the survivor's too."""
    scene.record(timeout=60)
    await scene.fleet("a", "b", "c")
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.now += 61

    await scene.lower(scene.scaler())

    assert scene.steps.taken == [
        ("retire", "a", "c"),
        ("cost", "a", -1000),
        ("cost", "b", 1000),
        ("cost", "c", -1000),
        ("desired", 1),
        ("retire", "a", "c"),
        ("cost", "a", -1000),
        ("cost", "b", 1000),
        ("cost", "c", -1000),
        ("scale", "embed", 1),
    ]


async def test_busy_replica_survives_what_the_replica_set_deletes(scene: Scene) -> None:
    """The controller takes the retired ones."""
    scene.record()
    await scene.fleet("a", "b", "c")
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.now += 61
    await scene.lower(scene.scaler())

    scene.cluster.control()

    assert sorted(scene.cluster.deleted) == ["a", "c"]


async def test_number_sinks_only_by_what_could_be_retired(scene: Scene) -> None:
    """One of the victims takes a request between the look and the retirement."""
    scene.record()
    await scene.fleet("a", "b")
    scene.now += 61
    await scene.beat()

    async def take() -> None:
        await scene.request()
        await scene.queue.take("embed", "a", 600)

    scene.queue.race = take

    await scene.lower(scene.scaler())

    assert ("retire", "b") in scene.steps.taken
    assert scene.cluster.number() == 1


async def test_unready_busy_replica_holds_the_number(scene: Scene) -> None:
    """The ReplicaSet would take it before any idle one, whatever the costs."""
    scene.record()
    await scene.fleet("a", "b")
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.cluster.start("b", ready=False)
    scene.now += 61

    await scene.lower(scene.scaler())

    assert scene.cluster.number() == 2
    assert scene.steps.names == ["desired"]


async def test_nothing_is_lowered_while_two_replica_sets_have_pods(scene: Scene) -> None:
    """Nobody can say which of them the lower number would meet."""
    scene.record()
    await scene.fleet("a", "b", "c")
    scene.cluster.add_pod("c", template="bbbb")
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.now += 61

    await scene.lower(scene.scaler())

    assert scene.cluster.number() == 3
    assert "retire" not in scene.steps.names


async def test_rollout_of_an_idle_endpoint_ends_at_zero(scene: Scene) -> None:
    """A rollout that never succeeds must not cost money for ever."""
    scene.record()
    await scene.fleet("a", "b")
    scene.cluster.add_pod("b", template="bbbb")
    scene.now += 61
    await scene.beat()

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.cluster.number() == 0


async def test_stuck_surge_of_an_idle_endpoint_ends_at_zero(scene: Scene) -> None:
    """More pods than the number says, for the new one never becomes ready."""
    scene.record()
    await scene.fleet("a", "b")
    scene.cluster.add_pod("new", template="bbbb", ready=False)
    await scene.join("new", ReplicaState.FAILING)
    scene.now += 61
    await scene.beat()

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.cluster.number() == 0


async def test_partly_refused_end_of_a_rollout_changes_nothing(scene: Scene) -> None:
    """All or none: a number between would be shared out between two ReplicaSets."""
    scene.record()
    await scene.fleet("a", "b")
    scene.cluster.add_pod("b", template="bbbb")
    scene.now += 61
    await scene.beat()

    async def take() -> None:
        await scene.request()
        await scene.queue.take("embed", "a", 600)

    scene.queue.race = take

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.cluster.number() == 2
    assert (await scene.states())["b"] is ReplicaState.READY


async def test_request_on_a_terminating_pod_holds_no_other(scene: Scene) -> None:
    """It ends on the pod that has it; a number that counted it would keep an idle GPU."""
    scene.record()
    await scene.fleet("a")
    scene.cluster.add_pod("old", terminating=True)
    await scene.join("old")
    await scene.request()
    await scene.queue.take("embed", "old", 600)
    scene.now += 61

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.cluster.number() == 0


async def test_survivor_of_a_raised_number_takes_again(scene: Scene) -> None:
    """Demand came back before the ReplicaSet deleted anything."""
    scene.record()
    await scene.fleet("a", "b")
    await scene.queue.retire("embed", ["a", "b"])
    scene.cluster.deployments["moorage-baseline", "embed"]["spec"]["replicas"] = 1
    await scene.request()
    await scene.request()

    await scene.scaler().tend("embed", is_sweep=False)

    assert set((await scene.states()).values()) == {ReplicaState.READY}


async def test_retired_ones_wait_while_the_replica_set_still_deletes(scene: Scene) -> None:
    """Which of them go is known only when they are going."""
    scene.record()
    await scene.fleet("a", "b")
    scene.now += 61
    await scene.beat()
    await scene.request()
    await scene.queue.retire("embed", ["a", "b"])
    scene.cluster.deployments["moorage-baseline", "embed"]["spec"]["replicas"] = 1

    await scene.scaler().tend("embed", is_sweep=False)
    before = await scene.states()
    scene.cluster.control()
    await scene.scaler().tend("embed", is_sweep=False)
    after = await scene.states()

    assert set(before.values()) == {ReplicaState.RETIRED}
    assert sorted(after.values()) == [ReplicaState.READY, ReplicaState.RETIRED]


async def test_pod_that_waits_for_its_node_is_not_idle(scene: Scene) -> None:
    """The client gave up; the node that the next one needs is being added."""
    scene.record(timeout=60)
    scene.cluster.deploy()
    request = await scene.request()
    await scene.scaler().tend("embed", is_sweep=False)
    scene.cluster.control()
    await scene.queue.cancel(request)
    scene.now += 300

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.cluster.number() == 1


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CreateContainerConfigError"])
async def test_pod_that_cannot_start_goes_with_the_last_request(scene: Scene, reason: str) -> None:
    """It would hold its GPU for a quarter of an hour, for a start that nobody waits for and that does not come."""
    scene.record(timeout=60)
    request = await scene.request()
    scene.cluster.deploy(replicas=1, total=1)
    waiting = {"state": {"waiting": {"reason": reason}}}
    scene.cluster.add_pod("a", phase="Pending", ready=False, model=waiting, created_at=scene.now)

    await scene.scaler().tend("embed", is_sweep=False)
    waited_for = scene.cluster.number()
    await scene.queue.cancel(request)
    scene.now += 61
    await scene.scaler().tend("embed", is_sweep=False)

    assert (waited_for, scene.cluster.number()) == (1, 0)


async def test_pod_that_never_gets_a_node_is_given_up(scene: Scene) -> None:
    """Nobody waits for it any more."""
    scene.record(timeout=60)
    scene.cluster.deploy()
    request = await scene.request()
    await scene.scaler().tend("embed", is_sweep=False)
    scene.cluster.control()
    await scene.queue.cancel(request)
    scene.now += 3600

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.cluster.number() == 0


async def test_replica_whose_pod_is_gone_is_forgotten_once_it_is_silent(scene: Scene) -> None:
    """Not before: the copy of the cluster may be behind the queue."""
    scene.record(least=1)
    await scene.fleet("a")
    await scene.join("gone")
    scaler = scene.scaler()
    await scaler.tend("embed", is_sweep=False)
    early = await scene.states()
    scene.now += 11
    await scene.beat(but=("gone",))

    await scaler.tend("embed", is_sweep=False)

    assert set(early) == {"a", "gone"}
    assert set(await scene.states()) == {"a"}


async def test_lease_of_a_pod_that_is_gone_is_left_to_the_queue(scene: Scene) -> None:
    """Its own sweep takes it over, with the attempts counted."""
    scene.record(least=1)
    await scene.fleet("a")
    await scene.join("gone")
    await scene.request()
    await scene.queue.take("embed", "gone", 600)
    scene.now += 60
    await scene.beat(but=("gone",))

    await scene.scaler().tend("embed", is_sweep=False)

    assert "gone" in await scene.states()


async def test_crash_looping_model_is_reported(scene: Scene) -> None:
    """Its worker only knows that it is starting."""
    scene.record()
    scene.cluster.deploy(replicas=1, total=1)
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    scene.cluster.add_pod("a", ready=False, model=waiting)
    await scene.join("a", ReplicaState.STARTING)
    await scene.request()

    await scene.scaler().tend("embed", is_sweep=False)

    assert (await scene.states())["a"] is ReplicaState.FAILING


async def crash_while_lowering(scene: Scene, steps: int) -> None:
    """Three replicas, `b` busy, the others long idle; their scaler dies after so many steps of lowering."""
    scene.record()
    await scene.fleet("a", "b", "c")
    await scene.request()
    await scene.queue.take("embed", "b", 6000)
    scene.now += 61
    await scene.beat()
    scene.steps.crash_after = steps
    with pytest.raises(CrashError):
        await scene.lower(scene.scaler())
    scene.steps.crash_after = None
    scene.cluster.control()


@pytest.mark.parametrize("crash_after", range(10))
async def test_next_leader_mends_what_a_crash_left(scene: Scene, crash_after: int) -> None:
    """After any step, the busy one lives, the others go, and nobody stays retired."""
    await crash_while_lowering(scene, crash_after)

    for _ in range(3):
        await scene.lower(scene.scaler())
        scene.cluster.control()

    assert scene.cluster.alive() == ["b"]
    assert (await scene.states())["b"] is ReplicaState.BUSY


@pytest.mark.parametrize("crash_after", range(10))
async def test_demand_after_a_crash_finds_replicas_that_take(scene: Scene, crash_after: int) -> None:
    """Whatever the dead leader had begun, the retired that live are let back."""
    await crash_while_lowering(scene, crash_after)
    for _ in range(2):
        await scene.request()

    for _ in range(3):
        await scene.scaler().tend("embed", is_sweep=False)
        scene.cluster.control()

    states = await scene.states()
    assert len(scene.cluster.alive()) == 3
    assert all(states.get(pod) is not ReplicaState.RETIRED for pod in scene.cluster.alive())


async def test_endpoint_without_a_record_serves_what_it_has_accepted(scene: Scene) -> None:
    """Then it goes to 0, so that its Deployment may be deleted."""
    scene.record(least=2)
    await scene.fleet("a", "b")
    await scene.request()
    taken = await scene.queue.take("embed", "a", 600)
    assert taken is not None
    scene.roster.take({})
    scaler = scene.scaler()

    await scene.lower(scaler)
    while_it_runs = scene.cluster.number()
    scene.cluster.control()
    await scene.queue.finish("embed", taken.id, taken.attempt, None)
    await scaler.tend("embed", is_sweep=False)

    assert while_it_runs == 1
    assert scene.cluster.number() == 0


async def test_endpoint_that_has_left_is_forgotten(scene: Scene) -> None:
    """No Deployment, no demand, no record."""
    scene.record()
    scene.roster.take({})

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.roster.names() == []


async def test_deployment_without_a_record_is_looked_after(scene: Scene) -> None:
    """Its record went before this scaler came."""
    scene.roster.take({})
    await scene.fleet("a")
    scene.roster.adopt(scene.cluster.endpoints())

    await scene.scaler().tend("embed", is_sweep=False)

    assert scene.cluster.number() == 0


async def test_former_deployment_is_emptied_once_the_new_one_serves(scene: Scene) -> None:
    """An endpoint that moves to another namespace has two of them for a while."""
    scene.record(least=1)
    scene.cluster.deploy(replicas=1, total=1, revision="0")
    scene.cluster.add_pod("old")
    await scene.join("old")
    scene.cluster.deploy(namespace="moorage-restricted", created_at=scene.now + 5)
    scaler = scene.scaler()

    await scaler.tend("embed", is_sweep=False)
    both = scene.cluster.number(), scene.cluster.number(namespace="moorage-restricted")
    scene.cluster.add_pod("new", namespace="moorage-restricted")
    await scene.join("new")
    await scaler.tend("embed", is_sweep=False)

    assert both == (1, 1)
    assert scene.cluster.number() == 0


async def test_former_deployment_that_must_go_on_takes_again(scene: Scene) -> None:
    """Its replica was retired before another Deployment took over, which does not serve yet."""
    scene.record(least=1)
    scene.cluster.deploy(replicas=1, total=1, revision="0")
    scene.cluster.add_pod("old")
    await scene.join("old")
    await scene.queue.retire("embed", ["old"])
    scene.cluster.deploy(namespace="moorage-restricted", created_at=scene.now + 5)

    await scene.scaler().tend("embed", is_sweep=False)

    assert await scene.states() == {"old": ReplicaState.READY}


async def test_nobody_is_retired_while_the_api_is_away(scene: Scene) -> None:
    """The number could not be lowered then, and nobody could be let back: warm replicas would serve nobody."""
    scene.record()
    await scene.fleet("a", "b")
    scene.now += 61
    await scene.beat()
    scene.cluster.fault = ClusterError(503, "away")

    outlook = await scene.scaler().tend("embed", is_sweep=False)

    assert outlook is not None
    assert "away" in outlook.fault
    assert set((await scene.states()).values()) == {ReplicaState.READY}


async def test_keda_mode_prepares_a_lower_number_and_writes_none(scene: Scene) -> None:
    """KEDA's HPA lowers it; the victims are retired and cheap by then."""
    scene.record()
    await scene.fleet("a", "b", "c")
    await scene.queue.set_desired("embed", 3, 4, "", 60)
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.now += 61
    scene.steps.taken.clear()

    scaler = scene.scaler(writes_scale=False)
    await scaler.tend("embed", is_sweep=False)
    prepared = (await scene.queue.look("embed")).desired
    scene.now += 1
    await scaler.tend("embed", is_sweep=False)

    assert scene.steps.names == ["retire", "cost", "cost", "cost", "desired"] * 2
    assert (prepared, (await scene.queue.look("embed")).desired) == (3, 1)
    assert scene.cluster.number() == 3


async def test_keda_hears_of_a_higher_number_though_nobody_can_be_let_back(scene: Scene) -> None:
    """The cluster's API is away, and KEDA asks the queue."""
    scene.record()
    await scene.fleet("a")
    await scene.queue.set_desired("embed", 1, 4, "", 60)
    await scene.queue.retire("embed", ["a"])
    for _ in range(3):
        await scene.request()
    scene.cluster.fault = ClusterError(503, "away")

    outlook = await scene.scaler(writes_scale=False).tend("embed", is_sweep=False)

    assert outlook is not None
    assert "away" in outlook.fault
    assert (await scene.queue.look("embed")).desired == 3


async def test_keda_mode_keeps_them_retired_until_the_number_sinks(scene: Scene) -> None:
    """Its HPA takes its time."""
    scene.record()
    await scene.fleet("a", "b", "c")
    await scene.queue.set_desired("embed", 3, 4, "", 60)
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.now += 61
    scaler = scene.scaler(writes_scale=False)
    await scene.lower(scaler)

    await scaler.tend("embed", is_sweep=False)

    assert sorted((await scene.states()).values()) == ["busy", "retired", "retired"]


async def test_pod_that_comes_in_between_makes_the_costs_wait_again(scene: Scene) -> None:
    """What the controller may not have heard of yet must not be counted on."""
    scene.record()
    await scene.fleet("a", "b", "c")
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.now += 61
    scaler = scene.scaler()
    await scaler.tend("embed", is_sweep=False)
    scene.now += 1
    scene.cluster.end("c")

    await scaler.tend("embed", is_sweep=False)
    early = scene.cluster.number()
    scene.now += 1
    await scaler.tend("embed", is_sweep=False)

    assert (early, scene.cluster.number()) == (3, 1)


async def test_pods_that_are_told_to_go_are_not_let_back_by_an_old_copy(scene: Scene) -> None:
    """Demand comes back right after the number sank; the copy does not show yet that they are ending."""
    scene.record()
    await scene.fleet("a", "b")
    scene.now += 61
    await scene.beat()
    scaler = scene.scaler()
    await scaler.tend("embed", is_sweep=False)
    await scene.request()
    await scene.request()

    await scaler.tend("embed", is_sweep=False)
    early = set((await scene.states()).values())
    scene.now += 2
    await scaler.tend("embed", is_sweep=False)

    assert scene.cluster.number() == 2
    assert early == {ReplicaState.RETIRED}
    assert set((await scene.states()).values()) == {ReplicaState.READY}


async def test_pods_that_go_are_not_let_back_however_late_the_copy_is(scene: Scene) -> None:
    """The API knows; a copy may be late for longer than anybody would wait."""
    scene.record()
    await scene.fleet("a", "b")
    scene.now += 61
    await scene.beat()
    scaler = scene.scaler()
    await scaler.tend("embed", is_sweep=False)
    scene.cluster.ending = {"a"}
    await scene.request()
    await scene.request()

    for _ in range(5):
        scene.now += 10
        await scene.beat()
        await scaler.tend("embed", is_sweep=False)

    assert await scene.states() == {"a": ReplicaState.RETIRED, "b": ReplicaState.READY}


async def test_nobody_is_let_back_while_the_api_is_away(scene: Scene) -> None:
    """Whether a pod is going cannot be known then; the next look asks again."""
    scene.record()
    await scene.fleet("a", "b")
    scene.now += 61
    await scene.beat()
    scaler = scene.scaler()
    await scaler.tend("embed", is_sweep=False)
    await scene.request()
    await scene.request()
    await scaler.tend("embed", is_sweep=False)
    scene.now += 2
    scene.cluster.fault = ClusterError(503, "away")

    outlook = await scaler.tend("embed", is_sweep=False)
    away = set((await scene.states()).values())
    scene.cluster.fault = None
    await scaler.tend("embed", is_sweep=False)

    assert outlook is not None
    assert "away" in outlook.fault
    assert away == {ReplicaState.RETIRED}
    assert set((await scene.states()).values()) == {ReplicaState.READY}


async def test_pods_that_a_former_leader_told_to_go_are_not_let_back(scene: Scene) -> None:
    """It lowered the number and released the lease at once; demand comes back under the next one."""
    scene.record()
    await scene.fleet("a", "b")
    scene.now += 61
    await scene.beat()
    await scene.scaler().tend("embed", is_sweep=False)
    await scene.request()
    await scene.request()
    scaler = scene.scaler()
    scaler.begin()

    await scaler.tend("embed", is_sweep=False)
    early = set((await scene.states()).values())
    scene.now += 2
    await scaler.tend("embed", is_sweep=False)

    assert (early, scene.cluster.number()) == ({ReplicaState.RETIRED}, 2)
    assert set((await scene.states()).values()) == {ReplicaState.READY}


async def test_costs_of_a_former_term_do_not_count(scene: Scene) -> None:
    """Another leader may have written other ones since: they must stand anew before the number sinks."""
    scene.record()
    await scene.fleet("a", "b", "c")
    await scene.request()
    await scene.queue.take("embed", "b", 600)
    scene.now += 61
    await scene.beat()
    scaler = scene.scaler()
    await scaler.tend("embed", is_sweep=False)
    scene.now += 1
    scaler.begin()

    await scaler.tend("embed", is_sweep=False)
    early = scene.cluster.number()
    scene.now += 1
    await scaler.tend("embed", is_sweep=False)

    assert (early, scene.cluster.number()) == (3, 1)
