"""Why a pod has no node: what scheduler, cluster-autoscaler, GKE and Karpenter say about it, in words. Pure."""

import re
from collections.abc import Callable, Sequence

from runtime.scaler.kinds import Cause, Kind
from runtime.scaler.telling import Happening, took

GPU = re.compile(r"(nvidia\.com|amd\.com)/gpu|gpu\.intel\.com|habana\.ai/gaudi|/gpu\b")
_QUOTA = ("quota", "limitexceeded", "vcpulimit", "maxspotinstancecount")
_STOCK_OUT = (
    "out of resources",
    "insufficientinstancecapacity",
    "insufficient capacity",
    "stockout",
    "zone_resource_pool_exhausted",
    "resource_pool_exhausted",
    "unavailable during launch",
    "allocationfailed",
    "skunotavailable",
    "overconstrained",
    "could not launch",
)
_FULL = ("max node group size reached", "max cluster", "exceed limits for nodepool", "max limit reached")
_VOLUME = ("persistentvolumeclaim", "volume node affinity", "free persistent volumes", "max volume count")
_GIVES_UP_SECONDS = 900.0
"""After so long without a node, an autoscaler's promise of one counts no more."""


def unscheduled(message: str, events: Sequence[Happening], now: float, clean: Callable[[str], str]) -> Cause:
    """Why a pod has no node yet.

    Args:
        message: of the pod's condition `PodScheduled`; empty before the scheduler has looked.
        events: of the pod, in order.
        now: the moment.
        clean: makes a message fit to be shown.
    """
    failed = _last(events, "FailedScaleUp", "ScaleUpFailed", "FailedToScaleUpGroup")
    promised = _last(events, "TriggeredScaleUp", "Nominated", "NominatedNode")
    refused = _last(events, "NotTriggerScaleUp") or _last_of_karpenter(events)
    if failed is not None and (promised is None or failed.at >= promised.at):
        return _from_cloud(clean(failed.message), message)
    if promised is not None and (refused is None or promised.at >= refused.at):
        if now - promised.at < _GIVES_UP_SECONDS:
            return Cause(Kind.NODE, f"starting: a node is being added ({took(now - promised.at)})")
        return _no_node(message, "a node was to be added, and did not come")
    if refused is not None:
        return _from_autoscaler(refused.message, message, clean)
    if message:
        return _from_scheduler(message)
    return Cause(Kind.STARTING, "starting: its pod waits for the scheduler")


def refused(message: str) -> Cause:
    """Why the API makes no pod for the Deployment: a quota, a policy."""
    if "exceeded quota" in message:
        return Cause(
            Kind.QUOTA, f"no room: the namespace's quota is used up ({_after(message, 'exceeded quota')})"
        )
    return Cause(Kind.CONFIG, f"cannot start: its pod is refused: {message}")


def _from_cloud(told: str, message: str) -> Cause:
    """What the cloud answered when a node was asked for."""
    low = told.lower()
    if any(word in low for word in _QUOTA):
        return Cause(Kind.QUOTA, f"{_lack(message)}: the cloud account's quota is used up ({told})")
    if any(word in low for word in _STOCK_OUT):
        return Cause(Kind.NO_GPU, f"{_lack(message)}: the cloud has none to give at this moment ({told})")
    return _no_node(message, f"a node could not be added ({told})")


def _from_autoscaler(said: str, message: str, clean: Callable[[str], str]) -> Cause:
    """Why the autoscaler adds no node."""
    low, told = said.lower(), clean(said)
    if any(word in low for word in _QUOTA):
        return Cause(Kind.QUOTA, f"{_lack(message)}: the cloud account's quota is used up ({told})")
    if "backoff after failed scale-up" in low or any(word in low for word in _STOCK_OUT):
        return Cause(
            Kind.NO_GPU, f"{_lack(message)}: the cloud gave no node, it is asked again soon ({told})"
        )
    if any(word in low for word in _FULL):
        return Cause(Kind.NO_GPU, f"{_lack(message)}: its nodes are at their most ({told})")
    if "no instance type" in low or "incompatible with nodepool" in low:
        offer = "has none to give, or no node pool fits"
        return Cause(
            Kind.NO_GPU if GPU.search(said) else Kind.NO_NODE,
            f"{_lack(message + said)}: the cloud {offer} ({clean(_in_brackets(said))})",
        )
    return _from_scheduler(message) if message else _no_node(message, told)


def _from_scheduler(message: str) -> Cause:
    """What the scheduler says of the nodes that there are."""
    told = message.partition(" preemption:")[0].replace("no new claims to deallocate", "").rstrip(" ,")
    low = told.lower()
    if any(word in low for word in _VOLUME):
        return Cause(Kind.VOLUME, f"cannot start: a volume is not to be had: {told}")
    if GPU.search(told):
        return Cause(Kind.NO_GPU, f"no GPU: no node has enough of them free ({told})")
    return _no_node(message, told)


def _no_node(message: str, told: str) -> Cause:
    kind = Kind.NO_GPU if GPU.search(message) else Kind.NO_NODE
    return Cause(kind, f"{_lack(message)}: {told}")


def _lack(message: str) -> str:
    return "no GPU" if GPU.search(message) else "no node"


def _last(events: Sequence[Happening], *reasons: str) -> Happening | None:
    return next((each for each in reversed(events) if each.reason in reasons), None)


def _last_of_karpenter(events: Sequence[Happening]) -> Happening | None:
    """Karpenter tells by the scheduler's reason why it adds no node."""
    return next(
        (
            each
            for each in reversed(events)
            if each.source == "karpenter" and each.reason == "FailedScheduling"
        ),
        None,
    )


def _after(message: str, words: str) -> str:
    return message.partition(words)[2].strip(" :,") or message


def _in_brackets(told: str) -> str:
    """Karpenter puts what it came to into the last brackets, after all that it compared."""
    found = re.findall(r"\(([^()]+)\)", told)
    return found[-1] if found else told
