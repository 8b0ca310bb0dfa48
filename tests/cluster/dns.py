"""CoreDNS as a process of the control plane's room, behind the service that pods ask."""

from pathlib import Path

from cluster.kubectl import MANIFESTS
from cluster.processes import Program
from cluster.rooms import Room
from cluster.sites import Site
from cluster.topology import DOMAIN
from cluster.waiting import until

NAME = "coredns"
READY_PORT = 8181
READY_SECONDS = 30.0


def corefile(kubeconfig: Path) -> str:
    """Answers for the cluster's own names; any other is refused, as nobody outside can be reached."""
    return f"""\
.:53 {{
    errors
    ready :{READY_PORT}
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    cache 5
}}
"""


async def start_dns(site: Site, room: Room) -> None:
    """Start it, with its rights and its service; the API server must be ready. Returns when it knows all services.

    Raises:
        ClusterError: it does not start.
    """
    await site.kubectl.apply(MANIFESTS / "dns.yaml")
    config = site.folder(NAME) / "Corefile"
    config.write_text(corefile(site.kubeconfig_of(NAME)))
    argv = (site.program(NAME), "-conf", config)
    await site.processes.start(Program(NAME, argv, room.door))

    async def ready() -> bool:
        return await room.answers(READY_PORT, "/ready")

    await until("CoreDNS is ready", ready, READY_SECONDS, site.processes, (NAME,))
