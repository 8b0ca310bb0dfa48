"""From nothing to a cluster and back: `up`, `down`, and `run`, which does both around a command."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import network
from cluster.down import bring_down, is_there
from cluster.entering import run_inside
from cluster.errors import ClusterError
from cluster.evidence import folder_of, keep_evidence
from cluster.interruption import Interruption
from cluster.places import Places
from cluster.processes import Processes
from cluster.progress import Tell
from cluster.sites import UP, Site
from cluster.up import Images, bring_up, refresh

from runtime.local.lock import AlreadyRunningError, sole_holder

LOCK = Path("/run/moorage-e2e.lock")
"""The machine's, whatever the cache folder: networks and control groups have fixed names."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The one cluster of this machine: its networks have fixed names."""

    places: Places
    say: Tell
    outer: Mapping[str, str]
    """The caller's environment."""
    interruption: Interruption

    def up(self, site: Site, images: Images) -> int:
        """A cluster that stays until `down`; one that is up already gets the images that are new.

        Raises:
            ClusterError: it did not come up, or another one is in the making.
            ExceptionGroup: of ClusterErrors, where several things failed.
        """
        return self._alone(lambda: self._up(site, images))

    def run(self, site: Site, images: Images, argv: Sequence[str], seconds: float) -> int:
        """A cluster for one command; the command's exit status, or 1 if something is left after it.

        Raises:
            ClusterError: it did not come up, there is one already, or the command ran longer than so many seconds.
            ExceptionGroup: of ClusterErrors, where several things failed.
        """
        return self._alone(lambda: self._run(site, images, argv, seconds))

    def down(self) -> int:
        """End what is there, whole or half; 1 if something is left nonetheless.

        Raises:
            ClusterError: the cluster is another command's.
        """
        return self._alone(self._down)

    def _alone(self, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
        if any(os.getpid() in network.members(name) for name in network.present()):
            raise ClusterError(
                "This shell is in the cluster's network, which would end with it. Leave it first."
            )
        try:
            with sole_holder(LOCK):
                return asyncio.run(self.interruption.ends(work))
        except AlreadyRunningError:
            raise ClusterError(
                "Another `python -m cluster` is at work here: up, down, or run with its command."
            ) from None

    async def _up(self, site: Site, images: Images) -> int:
        if is_whole(site.run):
            self.say("A cluster is up already.")
            await refresh(site, images, self.say)
            return 0
        await self._clear()
        is_up = False
        try:
            await bring_up(site, images, self.say)
            is_up = True
        finally:
            if not is_up:
                await self._give_up(site)
        return 0

    async def _run(self, site: Site, images: Images, argv: Sequence[str], seconds: float) -> int:
        if is_whole(site.run):
            raise ClusterError(
                "A cluster is up already. Use it: python -m cluster exec -- COMMAND. Or end it: python -m cluster down"
            )
        await self._clear()
        status = None
        try:
            await bring_up(site, images, self.say)
            status = await run_inside(site, argv, self.outer, seconds)
        finally:
            if status != 0:
                await self._give_up(site)
        return status or await self._down()

    async def _give_up(self, site: Site) -> None:
        """Keep what tells why, and leave nothing behind."""
        folder = folder_of(self.places, self.outer)
        with self.interruption.held_off():
            await keep_evidence(site.run, folder)
            self.say(f"Logs are kept in {folder}")
            await self._down()

    async def _clear(self) -> None:
        if not self.places.run.exists() and any(network.members(name) for name in network.present()):
            raise ClusterError(
                f"A cluster runs here that {self.places.run} knows nothing of; it may be of another MOORAGE_E2E_CACHE. "
                "End it: python -m cluster down"
            )
        if is_there(self.places.run):
            self.say("Something of an earlier cluster is left; it goes first.")
            await self._down()

    async def _down(self) -> int:
        if not is_there(self.places.run):
            self.say("No cluster is there.")
            return 0
        with self.interruption.held_off():
            left = await bring_down(self.places.run)
        for line in left:
            self.say(f"left: {line}")
        self.say("The cluster is down." if not left else "The cluster is down, but something is left.")
        return int(bool(left))


def is_whole(run: Path) -> bool:
    """Whether a cluster is up and all that was started of it runs."""
    processes = Processes(run)
    return (run / UP).exists() and all(processes.find(name) for name in processes.names())
