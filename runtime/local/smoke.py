"""The first request after `up`: a real one, through everything, with progress while it waits."""

import asyncio
import json
from pathlib import Path
from typing import Any

from runtime.local.errors import LocalError
from runtime.local.examples import Example, shown_answer
from runtime.local.notes import write_private
from runtime.local.platform_api import OK, Answered, PlatformApi
from runtime.local.telling import Tell, Teller

LOOK_SECONDS = 0.5
SLACK_SECONDS = 30.0


def write_body(example: Example, folder: Path) -> Path:
    """The example's body as a file, for people to send again."""
    path = folder / f"{example.endpoint.name}.json"
    write_private(path, json.dumps(example.body))
    return path


async def send_example(api: PlatformApi, example: Example, teller: Teller) -> Answered:
    """Send it, say what it waits for, show its answer.

    Raises:
        LocalError: no good answer came; the text says what came instead.
    """
    name, limits = example.endpoint.name, example.endpoint.limits
    seconds = limits.queue_seconds + limits.request_seconds + SLACK_SECONDS
    with teller.progress() as tell:
        tell(f"{name}: sending a request")
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(api, name, tell))
            body = json.dumps(example.body).encode()
            answer = await api.infer(f"/e/{name}{example.route}", body, seconds)
            watching.cancel()
    shown = shown_answer(answer.text)
    if answer.status != OK:
        raise LocalError(f"{name} answered {answer.status}: {shown}")
    teller.say(f"{name} answered in {answer.seconds:.1f} s, its start included:")
    teller.say(f"  {shown}", style="green")
    return answer


async def _watch(api: PlatformApi, name: str, tell: Tell) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            state = await api.endpoint(name)
        except LocalError:
            continue
        if state is not None:
            tell(f"{name}: {progress_text(state)}")


def progress_text(state: dict[str, Any]) -> str:
    """What an endpoint's state means to somebody who waits for its first answer."""
    replicas, waiting = state["replicas"], state["waiting"]
    if replicas["busy"]:
        return "running"
    if replicas["ready"]:
        return "ready"
    return str(waiting["cause"] or "starting")
