"""`down`: end everything that the platform started here, also after its supervisor was killed."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from runtime.local.engines import remove_container
from runtime.local.notes import Notes, ReplicaNote
from runtime.local.pids import ProcessId, is_alive
from runtime.local.processes import Process
from runtime.local.replica import container_of
from runtime.local.settings import Settings
from runtime.local.strays import kill_strays

SUPERVISOR_SECONDS = 10.0
GATEWAY_SECONDS = 5.0
MODEL_SECONDS = 5.0
VALKEY_SECONDS = 20.0

Say = Callable[[str], None]


async def bring_down(settings: Settings, say: Say) -> None:
    """End supervisor, gateway, workers, models, containers and the queue's server, in this order, bounded.

    Requests that run get `MOORAGE_DOWN_SECONDS` to finish; async ones that do not stay in the queue's
    files and run after the next `up`.
    """
    notes = Notes(settings.places.run)
    ended = [await _end("supervisor", notes.service("supervisor").process, SUPERVISOR_SECONDS)]
    replicas = list(notes.replicas())
    gateway = notes.service("gateway").process
    ended += await _drain(gateway, replicas, settings.down_seconds)
    ended += await _together([_model(note, settings) for note in replicas])
    ended.append(await _end("queue", notes.service("valkey").process, VALKEY_SECONDS))
    ended += [f"stray process {stray.pid}" for stray in await kill_strays(settings.state, ())]
    notes.clear()
    names = [name for name in ended if name]
    say("Nothing was running." if not names else f"Stopped {', '.join(names)}.")


async def _drain(gateway: ProcessId | None, replicas: Sequence[ReplicaNote], seconds: float) -> list[str]:
    """The gateway lets go of its clients while workers finish what those wait for."""
    workers = [_end("", note.worker, seconds) for note in replicas]
    return await _together([_end("gateway", gateway, max(GATEWAY_SECONDS, seconds)), *workers])


async def _model(note: ReplicaNote, settings: Settings) -> str:
    told = await _end(f"{note.record.name} ({note.id})", note.model, MODEL_SECONDS)
    if note.launch.container:
        await remove_container(note.launch.argv[0], container_of(note), settings.environ, settings.state)
    return told


async def _end(name: str, process: ProcessId | None, seconds: float) -> str:
    """End one process and its session; its name if it ran."""
    if process is None:
        return ""
    ran = is_alive(process)
    await Process(process).stop(seconds)
    return name if ran else ""


async def _together(ends: Sequence[Coroutine[Any, Any, str]]) -> list[str]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(end) for end in ends]
    return [task.result() for task in tasks]
