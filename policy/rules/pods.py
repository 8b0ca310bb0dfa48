"""What pods may do, and what they are made from."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import ResourceRule
from policy.seen import MASK, UNKNOWN, Seen, at, blocks, is_on, texts

KUBERNETES = "kubernetes:"
HOST_SWITCHES = ("hostNetwork", "hostPID", "hostIPC")
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
ADDED_SAFELY = {"NET_BIND_SERVICE"}
SECRET_NAME = re.compile(r"(?i)(passw(or)?d|secret_?(access_?)?key|api_?key|private_?key|access_?token)$")
"""End of a name whose value is a secret."""
SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|://[^/@:\s]+:[^/@\s]+@"
)
"""Text that is a secret whatever it is called: a key, or an address with a password."""


def pod_of(seen: Seen) -> Mapping[str, Any] | None:
    """The pod that a workload makes; None of anything else."""
    if not seen.type.startswith(KUBERNETES):
        return None
    kind = seen.type.rpartition(":")[2]
    if kind == "Pod":
        path: tuple[str, ...] = ("spec",)
    elif kind == "CronJob":
        path = ("spec", "jobTemplate", "spec", "template", "spec")
    elif kind in {"DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"}:
        path = ("spec", "template", "spec")
    else:
        return None
    pod = at(seen.inputs, *path)
    return pod if isinstance(pod, Mapping) else None


def containers(seen: Seen) -> list[Mapping[str, Any]]:
    """Every container of a workload."""
    pod = pod_of(seen) or {}
    return [each for kind in CONTAINERS for each in blocks(pod.get(kind))]


def _privileged(seen: Seen) -> Iterator[str]:
    for container in containers(seen):
        name, context = container.get("name"), container.get("securityContext")
        if at(context, "privileged") is True:
            yield f"runs {name} privileged."
        if at(context, "allowPrivilegeEscalation") not in (False, UNKNOWN):
            yield f"lets {name} gain privileges (allowPrivilegeEscalation)."
        added = texts(at(context, "capabilities", "add")) - ADDED_SAFELY
        if added:
            yield f"gives {name} the capabilities {', '.join(sorted(added))}."


def _on_the_host(seen: Seen) -> Iterator[str]:
    pod = pod_of(seen) or {}
    yield from (f"shares the node's own ({switch})." for switch in HOST_SWITCHES if is_on(pod.get(switch)))
    for volume in blocks(pod.get("volumes")):
        if volume.get("hostPath"):
            yield f"mounts a folder of the node ({volume.get('name')})."
    for container in containers(seen):
        if any(port.get("hostPort") for port in blocks(container.get("ports"))):
            yield f"opens a port of the node ({container.get('name')})."


def _moving_images(seen: Seen) -> Iterator[str]:
    for container in containers(seen):
        image = container.get("image")
        if not isinstance(image, str) or image == UNKNOWN or "@sha256:" in image:
            continue
        tag = image.rpartition("/")[2].partition(":")[2]
        if tag in {"", "latest"}:
            yield f"takes whatever {image} is on the day."


def _unbounded_pods(seen: Seen) -> Iterator[str]:
    for container in containers(seen):
        missing = [key for key in ("cpu", "memory") if not at(container, "resources", "limits", key)]
        if missing:
            yield f"bounds neither by {' nor by '.join(missing)} what {container.get('name')} takes."


def _default_accounts(seen: Seen) -> Iterator[str]:
    pod = pod_of(seen)
    if pod is not None and pod.get("serviceAccountName") in (None, "", "default"):
        yield "has the identity of all that have none of their own."


def _clear_secrets(seen: Seen) -> Iterator[str]:
    if seen.type == "kubernetes:core/v1:ConfigMap":
        for data in blocks(seen.inputs.get("data")):
            secret = sorted(key for key, value in data.items() if _is_secret(key, value))
            yield from (f"holds a secret in clear (data.{key})." for key in secret)
    for container in containers(seen):
        for variable in blocks(container.get("env")):
            if _is_secret(str(variable.get("name")), variable.get("value")):
                yield f"tells {container.get('name')} a secret in clear ({variable.get('name')})."


def _is_secret(name: str, value: Any) -> bool:
    """Whether a value is a secret: masked as one, called as one, or written as one. A path is none."""
    if not isinstance(value, str) or not value or value == UNKNOWN:
        return False
    if MASK in value or SECRET_VALUE.search(value):
        return True
    return bool(SECRET_NAME.search(name)) and not value.startswith("/")


RULES = (
    ResourceRule(
        "pod-privileged",
        "mandatory",
        "No container is privileged, gains privileges or has capabilities added",
        "Set allowPrivilegeEscalation to false and leave privileged and capabilities.add out.",
        _privileged,
    ),
    ResourceRule(
        "pod-host",
        "mandatory",
        "No pod shares the node's network, processes, memory, folders or ports",
        "Use a Service, a volume or an emptyDir.",
        _on_the_host,
    ),
    ResourceRule(
        "image-pinned",
        "mandatory",
        "Each image has a tag that is not `latest`, or a digest",
        "Write the tag that was tested.",
        _moving_images,
    ),
    ResourceRule(
        "pod-limits",
        "mandatory",
        "Each container has a limit on CPU and on memory",
        "Set resources.limits.",
        _unbounded_pods,
    ),
    ResourceRule(
        "pod-identity",
        "mandatory",
        "No pod runs as the default service account",
        "Give it a ServiceAccount of its own.",
        _default_accounts,
    ),
    ResourceRule(
        "secret-in-clear",
        "mandatory",
        "No ConfigMap and no environment holds a secret",
        "Put it into a Secret and refer to it.",
        _clear_secrets,
    ),
)
