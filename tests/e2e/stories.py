"""What the tests of one file look at: played once, for its waits overlap, then asserted fact by fact."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from e2e.client import Platform, open_platform
from e2e.cluster_api import Object
from e2e.installation import Installation
from e2e.load import Entry

from runtime.queue.port import ReplicaState, ReplicaView

T = TypeVar("T")

RUN_SECONDS = 120.0
"""Longest cold start that a story waits for."""

Restarts = dict[str, int]
"""`pod/container`, to how often its container was restarted."""


def play(installation: Installation, story: Callable[[Platform], Awaitable[T]], seconds: float) -> T:
    """Let a story run to its end on the installed platform; what it saw comes back.

    Raises:
        TimeoutError: it was not at its end in time.
    """

    async def told() -> T:
        async with asyncio.timeout(seconds), open_platform(installation.access) as platform:
            return await story(platform)

    return asyncio.run(told())


async def busy_with(
    platform: Platform, endpoint: str, count: int, seconds: float = RUN_SECONDS
) -> list[ReplicaView]:
    """Wait until so many replicas run a request; they, with their requests' ids.

    Raises:
        AssertionError: they do not.
    """

    async def busy() -> list[ReplicaView]:
        view = await platform.queue.look(endpoint)
        found = [it for it in view.replicas if it.state is ReplicaState.BUSY and it.request is not None]
        return found if len(found) >= count else []

    return await platform.wait(busy, seconds, f"{count} requests of {endpoint} running")


async def pod_of(platform: Platform, endpoint: str, name: str) -> Object:
    """A pod of an endpoint by its name, one that is ending too.

    Raises:
        LookupError: there is none.
    """
    for pod in await platform.pods(endpoint, with_ending=True):
        if pod["metadata"]["name"] == name:
            return pod
    raise LookupError(f"{endpoint} has no pod {name}")


def spaces(platform: Platform) -> tuple[str, ...]:
    """The namespaces of the platform and of its endpoints."""
    return (platform.access.namespace, *platform.access.endpoint_namespaces)


async def all_pods(platform: Platform) -> list[Object]:
    """Every pod of the platform and of its endpoints."""
    return [pod for space in spaces(platform) for pod in await platform.api.list("pods", space)]


async def restarts(platform: Platform) -> Restarts:
    """How often each container of the platform and of its endpoints was restarted."""
    return {
        f"{pod['metadata']['name']}/{each['name']}": int(each["restartCount"])
        for pod in await all_pods(platform)
        for each in statuses(pod)
    }


def restarted(before: Restarts, after: Restarts) -> Restarts:
    """Containers that are still there and were restarted meanwhile, with how often."""
    return {name: after[name] - count for name, count in before.items() if after.get(name, count) > count}


def statuses(pod: Object) -> list[Object]:
    """What kubelet tells of each container of a pod, its sidecars first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def restart_count(pod: Object, container: str) -> int:
    """How often a container of a pod was restarted."""
    return next(int(each["restartCount"]) for each in statuses(pod) if each["name"] == container)


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def told(entries: list[Entry]) -> str:
    """How each request ended, for a failing assertion."""
    return "; ".join(f"{each.kind} {each.fate} {each.why}".strip() for each in entries)
