"""Rooms: process, mount and host name namespaces in one of the cluster's networks, held by one process.

The holder is the first process of its process namespace: when it is killed, the kernel kills all that was started in
the room with it, at once and for certain: daemons, shims, containers. What they mounted goes too.
"""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import command
from cluster.errors import ClusterError
from cluster.network import path_of
from cluster.processes import Processes, Program

from runtime.local.pids import ProcessId, is_alive, send, wait_gone

KILL_SECONDS = 20.0
SET_UP_SECONDS = 15.0
ANSWER_SECONDS = 2.0
HOLDER = "sleep"
_ASK = r"""
exec 3<>"/dev/tcp/$0/$1"
printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
read -r _ status _ <&3
echo "$status"
"""
_ASK_TLS = r"""
printf 'GET %s HTTP/1.0\r\n\r\n' "$2" | openssl s_client -quiet -connect "$0:$1" 2>/dev/null |
  { read -r _ status _ && echo "$status"; }
"""


@dataclass(frozen=True, slots=True)
class Room:
    """A place to start programs in."""

    name: str
    holder: ProcessId

    @property
    def door(self) -> tuple[str, ...]:
        """What begins a command line that runs in the room."""
        return ("nsenter", f"--target={self.holder.pid}", "--mount", "--uts", "--net", "--pid", "--")

    async def run(self, *argv: str | Path, seconds: float, stdin: str = "") -> str:
        """Run a program to its end in the room; what it printed.

        Raises:
            ClusterError: the room is closed, or the program failed or took too long.
        """
        if not is_alive(self.holder):
            raise ClusterError(f"{self.name} is not running.")
        return await command(*self.door, *argv, seconds=seconds, stdin=stdin)

    async def answers(
        self, port: int, path: str, *, status: int = 200, address: str = "127.0.0.1", tls: bool = False
    ) -> bool:
        """Whether an HTTP server says this status at a path; whose certificate it shows does not matter.

        By bash and openssl, which are needed anyway, and a tenth of what kubectl takes to ask.
        """
        script = _ASK_TLS if tls else _ASK
        try:
            told = await self.run("bash", "-c", script, address, str(port), path, seconds=ANSWER_SECONDS)
        except ClusterError:
            return False
        return told.strip() == str(status)

    async def close(self) -> None:
        """End all that runs in it, without a word.

        Raises:
            ClusterError: something did not end.
        """
        send(self.holder, signal.SIGKILL)
        try:
            async with asyncio.timeout(KILL_SECONDS):
                await wait_gone(self.holder)
        except TimeoutError:
            raise ClusterError(
                f"{self.name}: a process does not end {KILL_SECONDS:g} s after it was killed."
            ) from None


async def open_room(name: str, network: str, processes: Processes, set_up: str) -> Room:
    """A new room in a network; `set_up` is a shell script that mounts what the room should see.

    Raises:
        ClusterError: the namespaces could not be made, or the script failed.
    """
    # No child of the holder is ever waited for, orphans of the whole room: with SIGCHLD ignored the kernel reaps them.
    argv = (
        *("nsenter", f"--net={path_of(network)}", "--"),
        *("unshare", "--mount", "--propagation=private", "--uts", "--pid", "--fork", "--mount-proc"),
        *("env", "--ignore-signal=CHLD", HOLDER, "infinity"),
    )
    holder = await processes.start(Program(f"{name}-room", argv, child=HOLDER))
    room = Room(name, holder)
    # Mounts of one program of the room are to be seen by the others, and never outside.
    await room.run("sh", "-eu", "-c", f"{set_up}\nmount --make-rshared /", seconds=SET_UP_SECONDS)
    return room


def find_room(name: str, processes: Processes) -> Room | None:
    """The room of this name, if it is open."""
    holder = processes.find(f"{name}-room")
    return None if holder is None else Room(name, holder)
