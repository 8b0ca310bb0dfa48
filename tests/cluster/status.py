"""What runs of a cluster, for a person."""

from collections.abc import Sequence
from pathlib import Path

from cluster.commands import CommandError
from cluster.down import is_there
from cluster.errors import ClusterError
from cluster.processes import Processes
from cluster.sites import Site

SECONDS = 10.0


async def describe(run: Path) -> tuple[Sequence[str], bool]:
    """Lines to show, and whether all that was started runs."""
    if not is_there(run):
        return ["No cluster is there."], True
    processes = Processes(run)
    found = {name: processes.find(name) for name in processes.names()}
    lines = [
        f"{name:32} {f'pid {process.pid}' if process else 'has ended'}" for name, process in found.items()
    ]
    lines += (await _nodes(run)).splitlines()
    return lines, all(found.values())


async def _nodes(run: Path) -> str:
    try:
        site = Site.load(run)
        nodes = await site.kubectl("get", "nodes", "--output=wide", seconds=SECONDS)
    except CommandError as error:
        return str(error)
    except ClusterError:
        return "It is not up: it is coming up or going down, or was left half way. Remove it: python -m cluster down"
    return f"{nodes}\nkubeconfig {site.kubeconfig} (in its network: python -m cluster exec -- COMMAND)\nlogs       {site.processes.logs}"
