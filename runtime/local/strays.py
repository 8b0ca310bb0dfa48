"""Processes of ours that no note knows: started just before a supervisor was killed."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from runtime.local.notes import Notes
from runtime.local.pids import ProcessId, is_alive, marked, send
from runtime.local.processes import kill_session

SUPERVISOR = "supervisor"
SERVICES = (SUPERVISOR, "valkey", "gateway")


def known_processes(notes: Notes) -> dict[str, ProcessId]:
    """Role to process, of every noted process that still runs."""
    noted: dict[str, ProcessId | None] = {name: notes.service(name).process for name in SERVICES}
    for note in notes.replicas():
        noted[f"{note.id}.model"] = note.model
        noted[f"{note.id}.worker"] = note.worker
    return {role: process for role, process in noted.items() if process is not None and is_alive(process)}


def strays(found: dict[ProcessId, str], known: Iterable[str]) -> list[ProcessId]:
    """Marked processes in a role that no noted process plays; children of noted ones share their role."""
    roles = set(known)
    return [process for process, role in found.items() if role not in roles]


async def kill_strays(state: Path, known: Iterable[str]) -> list[ProcessId]:
    """Kill every process of this state folder whose role is not known; those that were found come back."""
    found = [process for process in strays(marked(state), known) if process.pid != os.getpid()]
    for process in found:
        await kill_session(process)
        send(process, signal.SIGKILL)  # it may have led no session
    return found


async def clear_remains(state: Path, notes: Notes) -> None:
    """End what no note knows, before a supervisor is started where none is noted.

    One that runs all the same has lost its notes, most likely with the whole folder, queue and password
    too: then it goes first, so that it starts nothing again, and all that it kept goes with it.
    """
    lost = [process for process, role in marked(state).items() if role == SUPERVISOR]
    for process in lost:
        await kill_session(process)
    await kill_strays(state, () if lost else known_processes(notes))
    if lost:
        notes.clear()
