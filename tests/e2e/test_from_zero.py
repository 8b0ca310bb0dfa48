"""From zero: how soon a first request moves the number, and how soon after its pod it is answered."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import pytest
from e2e.client import Platform
from e2e.cluster_api import Event, Object, recorded
from e2e.figures import Figures, spread
from e2e.load import ROUTE, Fate, Load

ENDPOINT = "zero"
SELECTOR = f"moorage.dev/endpoint={ENDPOINT}"
GPU_RESOURCE = "nvidia.com/gpu"
TRIES = 5
SCALE_SECONDS = 0.2
"""Goal: from the request to the number in the Deployment."""
OVERHEAD_SECONDS = 1.0
"""Goal: what the answer may take beyond the pod's own start."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start from zero, in seconds."""

    scale: float
    """From the request to the number, as a watch of the Deployment heard it."""
    pod: float
    """From the pod's creation to its Ready condition, as a watch of pods heard them."""
    answer: float
    """From the request to its answer."""

    @property
    def overhead(self) -> float:
        """What the answer took beyond the pod's own start; below 0 where it came before the pod was Ready."""
        return self.answer - self.pod


async def test_first_request_is_answered_as_soon_as_its_pod_serves(
    platform: Platform, figures: Figures
) -> None:
    """Five starts from zero, each held to both goals."""
    starts = [await start_from_zero(platform) for _ in range(TRIES)]

    figures.add("0->1: request to number (least / middle / most)", spread([it.scale for it in starts]), "s")
    figures.add("0->1: pod created to Ready", spread([it.pod for it in starts]), "s")
    figures.add("0->1: request to answer", spread([it.answer for it in starts]), "s")
    most_scale, most_overhead = max(it.scale for it in starts), max(it.overhead for it in starts)
    figures.add("0->1: request to number, most of 5", most_scale, "s", goal=f"<= {SCALE_SECONDS} s")
    goal = f"<= pod's own start + {OVERHEAD_SECONDS:g} s"
    figures.add("0->1: answer less the pod's own start, most of 5", most_overhead, "s", goal=goal)
    assert most_scale <= SCALE_SECONDS
    assert most_overhead <= OVERHEAD_SECONDS


@pytest.mark.parametrize(
    ("endpoint", "body", "key"),
    [("sentiment", {"text": "I love it"}, "label"), ("gpu", {"seconds": 0}, "pod")],
)
async def test_a_class_and_a_gpu_are_served_too(
    platform: Platform, endpoint: str, body: dict[str, object], key: str
) -> None:
    """An image made from a folder with a class, and a pod that holds a GPU of a tainted node."""
    reply = await (await platform.client(endpoint)).post(ROUTE, json=body)

    assert reply.status_code == HTTPStatus.OK, reply.text
    assert key in reply.text
    (pod,) = await platform.pods(endpoint)
    gpus = [each["resources"].get("limits", {}).get(GPU_RESOURCE) for each in pod["spec"]["containers"]]
    assert ("1" in gpus) == (endpoint == "gpu")


async def start_from_zero(platform: Platform) -> Start:
    """One request to an endpoint that has nothing."""
    await platform.at_zero(ENDPOINT)
    load, namespace = Load(platform, ENDPOINT), await platform.namespace_of(ENDPOINT)
    async with (
        recorded(platform.api, "deployments", namespace, SELECTOR) as deployments,
        recorded(platform.api, "pods", namespace, SELECTOR) as pods,
    ):
        await load.open()
        begun = time.monotonic()
        entry = await load.send(seconds=0)

        assert entry.fate is Fate.ANSWERED, entry.why
        await platform.wait(lambda: any(map(is_ready, pods)), 15, "the pod that answered is Ready")
        pod = first(pods, is_ready) - first(pods, is_new)
        return Start(first(deployments, is_scaled) - begun, pod, entry.seconds)


def first(events: list[Event], holds: Callable[[Event], bool]) -> float:
    """When the first event of a kind was heard.

    Raises:
        StopIteration: there was none.
    """
    return next(event.at for event in events if holds(event))


def is_new(event: Event) -> bool:
    """Whether the pod was created."""
    return event.type == "ADDED"


def is_scaled(event: Event) -> bool:
    """Whether the Deployment asks for a replica."""
    return bool(event.object["spec"].get("replicas"))


def is_ready(event: Event) -> bool:
    """Whether the pod is Ready."""
    conditions: list[Object] = event.object["status"].get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
