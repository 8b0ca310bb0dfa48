"""The cluster behind the API: a copy that is never older than what we wrote, and writes that do not guess."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from support.kube_api import KubeApi, serve_kube
from support.kube_objects import make_deployment, make_pod
from support.polling import until

from runtime.cluster.calls import ClusterError
from runtime.cluster.watching import Pace
from runtime.scaler.kube import KubeCluster
from runtime.scaler.metrics import Metrics

NAMESPACE = "moorage-baseline"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
PACE = Pace(watch_seconds=30, first_delay=0.01, most_delay=0.02, jitter=lambda: 0.0)


@asynccontextmanager
async def cluster_of(kube: KubeApi, metrics: Metrics | None = None) -> AsyncIterator[KubeCluster]:
    """The API's cluster, listed once."""
    kube.objects.setdefault(DEPLOYMENTS, {})
    kube.objects.setdefault(PODS, {})
    async with serve_kube(kube) as client:
        cluster = KubeCluster(client, [NAMESPACE], metrics or Metrics(), structlog.get_logger(), PACE)
        task = asyncio.create_task(cluster.run())
        try:
            await until(lambda: cluster.is_known and kube.watching == 2)
            yield cluster
        finally:
            task.cancel()
            await asyncio.wait({task})


def deployed(replicas: int = 0, *pods: str) -> KubeApi:
    """An API with one endpoint."""
    kube = KubeApi()
    kube.put(DEPLOYMENTS, make_deployment(replicas=replicas, total=len(pods)))
    for pod in pods:
        kube.put(PODS, make_pod(pod))
    return kube


async def test_copy_follows_deployments_and_pods() -> None:
    """By the endpoint's label."""
    kube = deployed(1, "a")
    async with cluster_of(kube) as cluster:
        kube.put(PODS, make_pod("b", ready=False))
        await until(lambda: len(cluster.fleets("embed", "1")[0].pods) == 2)
        kube.delete(PODS, "a")
        await until(lambda: [pod.name for pod in cluster.fleets("embed", "1")[0].pods] == ["b"])

        assert list(cluster.endpoints()) == ["embed"]


async def test_number_is_one_patch_of_the_scale() -> None:
    """And nothing is read before it."""
    kube = deployed()
    async with cluster_of(kube) as cluster:
        kube.asked.clear()

        await cluster.scale(cluster.fleets("embed", "1")[0], 1, only_unchanged=False)

        assert [(method, path) for method, path, _ in kube.asked] == [("PATCH", f"{DEPLOYMENTS}/embed/scale")]
        assert kube.objects[DEPLOYMENTS]["embed"]["spec"]["replicas"] == 1


async def test_written_number_stands_before_the_watch_tells_of_it() -> None:
    """Else the next look would write it again, or lower it."""
    kube = deployed()
    kube.put("/nowhere", {"metadata": {"name": "x"}})
    async with cluster_of(kube) as cluster:
        stale = cluster.fleets("embed", "1")[0]
        kube._tell = lambda *_: None  # type: ignore[method-assign] # the watch lags behind

        await cluster.scale(stale, 3, only_unchanged=False)

        assert cluster.fleets("embed", "1")[0].replicas == 3


async def test_lower_number_is_refused_once_the_deployment_has_changed() -> None:
    """A rollout began since we looked."""
    kube = deployed(3, "a", "b", "c")
    async with cluster_of(kube) as cluster:
        fleet = cluster.fleets("embed", "1")[0]
        kube.put(DEPLOYMENTS, make_deployment(replicas=3, generation=2, total=3))

        with pytest.raises(ClusterError) as told:
            await cluster.scale(fleet, 1, only_unchanged=True)

        assert told.value.is_conflict
        assert kube.objects[DEPLOYMENTS]["embed"]["spec"]["replicas"] == 3


async def test_costs_are_written_where_they_differ() -> None:
    """A hundred pods must not cost a hundred calls each time."""
    kube = KubeApi()
    kube.put(DEPLOYMENTS, make_deployment(replicas=2, total=2))
    kube.put(PODS, make_pod("a", cost=1000))
    kube.put(PODS, make_pod("b"))
    async with cluster_of(kube) as cluster:
        kube.asked.clear()

        await cluster.set_costs(cluster.fleets("embed", "1")[0], {"a": 1000, "b": -1000})

        assert [path for _, path, _ in kube.asked] == [f"{PODS}/b"]
        assert {pod.name: pod.cost for pod in cluster.fleets("embed", "1")[0].pods} == {"a": 1000, "b": -1000}


async def test_pod_that_is_gone_needs_no_cost() -> None:
    """It went on its own."""
    kube = deployed(2, "a", "b")
    async with cluster_of(kube) as cluster:
        fleet = cluster.fleets("embed", "1")[0]
        kube.delete(PODS, "a")

        await cluster.set_costs(fleet, {"a": -1000, "b": 1000})

        assert kube.objects[PODS]["b"]["metadata"]["annotations"] is not None


async def test_cost_that_cannot_be_written_is_told_and_counted() -> None:
    """The number may not be lowered then."""
    kube = deployed(1, "a")
    metrics = Metrics()
    async with cluster_of(kube, metrics) as cluster:
        kube.refusals.append(403)

        with pytest.raises(ClusterError):
            await cluster.set_costs(cluster.fleets("embed", "1")[0], {"a": -1000})

    assert b'moorage_scaler_api_faults_total{call="cost",status="403"} 1.0' in metrics.expose()


async def test_events_are_asked_for_by_pod_and_bounded() -> None:
    """A namespace may hold thousands."""
    kube = deployed(1, "a")
    kube.put(EVENTS, {"metadata": {"name": "e1"}, "reason": "Pulling"})
    async with cluster_of(kube) as cluster:
        found = await cluster.events(NAMESPACE, "a")

    query = next(query for _, path, query in kube.asked if path == EVENTS)
    assert [each["reason"] for each in found] == ["Pulling"]
    assert (query["fieldSelector"], query["limit"]) == ("involvedObject.name=a", "50")


async def test_current_deployment_comes_first() -> None:
    """By its revision, whatever its age."""
    kube = KubeApi()
    kube.put(DEPLOYMENTS, make_deployment(revision="2"))
    other = f"/apis/apps/v1/namespaces/{NAMESPACE[:-8]}restricted/deployments"
    kube.put(other, make_deployment(revision="1", namespace="moorage-restricted", created_at=9_000_000.0))
    kube.objects.setdefault(PODS, {})
    kube.objects.setdefault(PODS.replace("baseline", "restricted"), {})
    async with serve_kube(kube) as client:
        namespaces = [NAMESPACE, "moorage-restricted"]
        cluster = KubeCluster(client, namespaces, Metrics(), structlog.get_logger(), PACE)
        task = asyncio.create_task(cluster.run())
        await until(lambda: cluster.is_known)
        found = [fleet.namespace for fleet in cluster.fleets("embed", "2")]
        task.cancel()
        await asyncio.wait({task})

    assert found == [NAMESPACE, "moorage-restricted"]
