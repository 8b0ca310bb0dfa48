"""What `python -m cluster` can do, a function a command; each gives the exit status."""

import argparse
import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cluster.entering import command_line, environment
from cluster.errors import ClusterError
from cluster.interruption import Interruption
from cluster.keda_addon import install_keda
from cluster.lifecycle import Lifecycle
from cluster.machine import require_machine
from cluster.node import kill_node, restart_kubelet, room_of, start_node
from cluster.places import Places
from cluster.progress import Tell
from cluster.sites import Site
from cluster.status import describe
from cluster.stopwatch import Stopwatch
from cluster.topology import NODES, NodePlan, node_named

if TYPE_CHECKING:
    from cluster.supplies import KedaSupplies, Supplies

Words = argparse.Namespace


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the cluster of this machine is, and who is told of it."""

    places: Places
    say: Tell
    outer: Mapping[str, str]
    """The caller's environment."""

    @property
    def lifecycle(self) -> Lifecycle:
        """From nothing to a cluster and back."""
        return Lifecycle(self.places, self.say, self.outer, Interruption(self.say))

    @property
    def site(self) -> Site:
        """The cluster that is up.

        Raises:
            ClusterError: none is.
        """
        return Site.load(self.places.run)


def build_all(cluster: Cluster, _: Words) -> int:
    """All programs and images, those that are rarely needed too."""
    _supplies(cluster)
    _keda()
    return 0


def up(cluster: Cluster, _: Words) -> int:
    """A cluster that stays."""
    supplies = _supplies(cluster)
    status = cluster.lifecycle.up(supplies.site, supplies.images)
    cluster.say("Use it: python -m cluster exec -- kubectl get pods --all-namespaces")
    return status


def down(cluster: Cluster, _: Words) -> int:
    """No cluster."""
    return cluster.lifecycle.down()


def run(cluster: Cluster, words: Words) -> int:
    """A cluster for one command."""
    supplies = _supplies(cluster)
    if words.keda:
        _keda()
    return cluster.lifecycle.run(supplies.site, supplies.images, words.command, words.seconds)


def execute(cluster: Cluster, words: Words) -> int:
    """Become the command; there is no way back."""
    argv = command_line(words.command)
    try:
        os.execvpe(argv[0], argv, environment(cluster.site, cluster.outer))  # noqa: S606 - it is the user's own
    except FileNotFoundError:
        raise ClusterError(f"{argv[0]} is not installed.") from None


def status(cluster: Cluster, _: Words) -> int:
    """What runs; 1 if something of a cluster does not."""
    lines, is_whole = asyncio.run(describe(cluster.places.run))
    for line in lines:
        cluster.say(line)
    return int(not is_whole)


def keda(cluster: Cluster, _: Words) -> int:
    """KEDA in the cluster that is up, on the node that is never switched off."""
    site, supplies = cluster.site, _keda()
    watch = Stopwatch(cluster.say)
    asyncio.run(install_keda(site, room_of(site, NODES[0]), supplies.config, supplies.images))
    watch.tell("KEDA ready")
    return 0


def _supplies(cluster: Cluster) -> "Supplies":
    """What a cluster is made of; the machine is looked at before anything is built."""
    from cluster.supplies import get_supplies  # noqa: PLC0415 - a second of imports that no other action needs

    require_machine(cluster.places.cache)
    return get_supplies(cluster.places)


def _keda() -> "KedaSupplies":
    from cluster.supplies import get_keda  # noqa: PLC0415 - the same

    return get_keda()


def _on_node(done: str, action: Callable[[Site, NodePlan], Coroutine[Any, Any, None]]) -> "Action":
    def act(cluster: Cluster, words: Words) -> int:
        watch = Stopwatch(cluster.say)
        asyncio.run(action(cluster.site, node_named(words.node)))
        watch.tell(f"{words.node}: {done}")
        return 0

    return act


Action = Callable[[Cluster, Words], int]
ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "build": build_all,
        "up": up,
        "down": down,
        "run": run,
        "exec": execute,
        "status": status,
        "keda": keda,
        "restart-kubelet": _on_node("kubelet restarted, Ready", restart_kubelet),
        "kill-node": _on_node("dead", kill_node),
        "start-node": _on_node("Ready again", start_node),
    }
)
