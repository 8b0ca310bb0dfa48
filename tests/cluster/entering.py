"""How a command runs inside a cluster: in its network, with what it needs to know in its environment."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence

from cluster.errors import ClusterError
from cluster.network import inside
from cluster.sites import Site
from cluster.topology import NETWORK

INTERRUPT = signal.SIGINT.name
STOP_SECONDS = 30.0
"""How long a command that is told to end may take to clean up."""
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
"""Lead out of the machine, where nothing in the cluster's network gets."""


def environment(site: Site, outer: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with the cluster's in its place."""
    kept = {
        name: value for name, value in outer.items() if name.lower() not in PROXIES and name != "E2E_CONTEXT"
    }
    return {
        **kept,
        "PATH": f"{site.modules['kubernetes']}:{outer.get('PATH', os.defpath)}",
        "KUBECONFIG": str(site.kubeconfig),
        "KUBECACHEDIR": str(site.kubectl_cache),
        "E2E_CLUSTER": str(site.run),
        "E2E_IMAGES": str(site.images),
        "E2E_REGISTRY": str(site.login),
    }


def command_line(argv: Sequence[str]) -> list[str]:
    """A command in the cluster's network."""
    return [*inside(NETWORK), *argv]


async def run_inside(site: Site, argv: Sequence[str], outer: Mapping[str, str], seconds: float) -> int:
    """Run a command on our terminal; its exit status, or 128 and the signal's number that ended it.

    When its time is over or we are cancelled it is told to end, and killed if that takes too long.

    Raises:
        ClusterError: it ran longer than so many seconds.
    """
    process = await asyncio.create_subprocess_exec(*command_line(argv), env=environment(site, outer))
    try:
        async with asyncio.timeout(seconds):
            status = await process.wait()
    except TimeoutError:
        await _end(process, has_been_told=False)
        raise ClusterError(f"The command ran longer than {seconds:g} s and was ended.") from None
    except asyncio.CancelledError as cause:
        await asyncio.shield(_end(process, has_been_told=INTERRUPT in cause.args and os.isatty(0)))
        raise
    return status if status >= 0 else 128 - status


async def _end(process: asyncio.subprocess.Process, *, has_been_told: bool) -> None:
    """A terminal tells its whole group of a Ctrl-C; told twice, a command would not clean up."""
    if process.returncode is not None:
        return
    if not has_been_told:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
