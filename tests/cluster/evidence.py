"""What is kept when something went wrong: logs of daemons and pods, and what the API says."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster.commands import CommandError
from cluster.errors import ClusterError
from cluster.places import Places
from cluster.processes import Processes
from cluster.sites import Site
from cluster.topology import NODES

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "objects.txt": (
        "get",
        "nodes,pods,services,persistentvolumeclaims,events",
        "--all-namespaces",
        "--output=wide",
    ),
    "pods.txt": ("describe", "pods", "--all-namespaces"),
    "nodes.txt": ("describe", "nodes"),
}
"""Name of a file to what kubectl is asked; never for Secrets."""
SECONDS = 20.0


def folder_of(places: Places, outer: Mapping[str, str]) -> Path:
    """Where it is kept: below `E2E_OUT`, else in the cache."""
    out = outer.get("E2E_OUT")
    return Path(out).absolute() / "cluster" if out else places.cache / "failed"


async def keep_evidence(run: Path, into: Path) -> None:
    """Copy the logs there, in place of an earlier failure's; what cannot be had is left out."""
    await asyncio.to_thread(_copy_logs, run, into)
    try:
        site = Site.load(run)
    except ClusterError:
        return
    for name, words in QUESTIONS.items():
        try:
            answer = await site.kubectl(*words, seconds=SECONDS)
        except CommandError as error:
            answer = f"{error}\n"
        await asyncio.to_thread((into / name).write_text, answer)


def _copy_logs(run: Path, into: Path) -> None:
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    logs = {"daemons": Processes(run).logs, **{node.name: run / node.name / "log" / "pods" for node in NODES}}
    for name, folder in logs.items():
        if folder.is_dir():
            # Links of containers that are gone lead nowhere.
            shutil.copytree(folder, into / name, ignore_dangling_symlinks=True)
