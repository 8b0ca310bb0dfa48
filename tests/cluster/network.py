"""Two network namespaces with a cable between them; the machine's own network stays as it is."""

import os
from pathlib import Path

from cluster.commands import CommandError, command
from cluster.errors import ClusterError
from cluster.topology import NETWORKS, NODES, PREFIX_LENGTH, SERVICES, NodePlan

NAMES = Path("/run/netns")
"""Where `ip netns` and `nsenter --net` look for namespaces by name."""
SECONDS = 10.0
CABLE = "eth0"


def path_of(network: str) -> Path:
    """The file that holds a network namespace."""
    return NAMES / network


def inside(network: str) -> tuple[str, ...]:
    """What begins a command line that runs in a network namespace.

    Not `ip netns exec`: that mounts another /sys, in which no control groups are.
    """
    return ("nsenter", f"--net={path_of(network)}", "--")


async def make_networks() -> None:
    """Both namespaces, the cable and the routes.

    Raises:
        ClusterError: the machine does not let us.
    """
    for network in NETWORKS:
        _make_name(network)
        # `unshare` binds the namespace to the file. `ip netns add` would also leave a mount on the folder.
        await command("unshare", f"--net={path_of(network)}", "true", seconds=SECONDS)
        await _ip(network, "link", "set", "lo", "up")
        await _sysctl(network, "net/ipv4/ip_forward", "1")
    one, other = NODES
    await _ip(
        one.network, *("link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", other.network)
    )
    for node in NODES:
        await _ip(node.network, "address", "add", f"{node.address}/{PREFIX_LENGTH}", "dev", CABLE)
    await plug_in(one)
    await plug_in(other)


async def plug_in(node: NodePlan) -> None:
    """Its end of the cable up, and the ways to services and to the other nodes' pods.

    Raises:
        ClusterError: the network is not there.
    """
    await _ip(node.network, "link", "set", CABLE, "up")
    # Nothing lies there: kube-proxy turns the packets round, but what has no way is not even sent.
    await _ip(node.network, "route", "replace", SERVICES, "dev", CABLE, "src", node.address)
    for peer in NODES:
        if peer.network != node.network:
            await _ip(node.network, "route", "replace", peer.pods, "via", peer.address)


async def pull_out(node: NodePlan) -> None:
    """Its end of the cable down: it falls silent, as a node does that lost its power.

    Raises:
        ClusterError: the network is not there, or is the control plane's.
    """
    if node.shares_control_plane:
        raise ClusterError(f"{node.name} shares its network with the control plane.")
    await _ip(node.network, "link", "set", CABLE, "down")


async def remove_networks() -> None:
    """Both namespaces, with all that is in them; what is not there is no fault.

    Raises:
        ClusterError: one is still held.
    """
    for network in NETWORKS:
        while _is_bound(path_of(network)):
            await command("umount", path_of(network), seconds=SECONDS)
        _remove_name(network)


def _make_name(network: str) -> None:
    NAMES.mkdir(exist_ok=True)
    path_of(network).touch()


def _remove_name(network: str) -> None:
    path_of(network).unlink(missing_ok=True)
    # `ip netns` makes the folder anew; it may be a mount of its own then.
    if NAMES.is_dir() and not any(NAMES.iterdir()) and not _is_bound(NAMES):
        NAMES.rmdir()


def present() -> list[str]:
    """Names of the cluster's network namespaces that the machine has."""
    return [network for network in NETWORKS if path_of(network).exists()]


def members(network: str) -> list[int]:
    """Every process that is in a network namespace, by its pid."""
    try:
        wanted = path_of(network).stat()
    except FileNotFoundError:
        return []
    return [pid for pid in _pids() if _is_in(pid, wanted)]


def _is_in(pid: int, wanted: os.stat_result) -> bool:
    try:
        found = Path(f"/proc/{pid}/ns/net").stat()
    except OSError:  # it has ended
        return False
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_bound(path: Path) -> bool:
    """Whether something is mounted there, be it on a file."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == str(path) for line in lines)


async def _ip(network: str, *words: str) -> None:
    try:
        await command("ip", "-n", network, *words, seconds=SECONDS)
    except CommandError as error:
        raise ClusterError(f"The network {network} cannot be set up: {error}") from error


async def _sysctl(network: str, name: str, value: str) -> None:
    await command(*inside(network), "tee", f"/proc/sys/{name}", seconds=SECONDS, stdin=value)
