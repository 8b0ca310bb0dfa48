"""The first request after `up`: a real one, through everything, with progress while it waits."""

import asyncio
import json
from pathlib import Path
from typing import Any

from runtime.local.causes import CANNOT_START
from runtime.local.errors import LocalError
from runtime.local.examples import Example, shown_answer
from runtime.local.notes import write_private
from runtime.local.platform_api import OK, Answered, PlatformApi
from runtime.local.racing import first_of
from runtime.local.telling import Tell, Teller

LOOK_SECONDS = 0.5
SLACK_SECONDS = 30.0
RECORD_SECONDS = 5.0
"""The gateway reads changed records within a second."""


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
    await api.wait_for(name, RECORD_SECONDS)
    with teller.progress() as tell:
        tell(f"{name}: sending a request")
        body = json.dumps(example.body).encode()
        infer = api.infer(f"/e/{name}{example.route}", body, seconds)
        answer = await first_of(infer, _watch(api, name, tell))
    shown = shown_answer(answer.text)
    if answer.status != OK:
        raise LocalError(f"{name} answered {answer.status}: {shown}")
    teller.say(f"{name} answered in {answer.seconds:.1f} s:")
    teller.say(f"  {shown}", style="green")
    return answer


async def _watch(api: PlatformApi, name: str, tell: Tell) -> Answered:
    """Tell how far it is; never returns.

    Raises:
        LocalError: it crash-loops or cannot be prepared, so that there is nothing to wait for.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            state = await api.endpoint(name)
        except LocalError:
            continue
        if state is not None:
            tell(f"{name}: {progress_text(state)}")
            cause = str(state["waiting"]["cause"] or "")
            if cause.startswith(CANNOT_START):
                raise LocalError(f"{name} {cause}")
            if state["replicas"]["failing"]:
                raise LocalError(f"{name} does not start: {cause}")


def progress_text(state: dict[str, Any]) -> str:
    """What an endpoint's state means to somebody who waits for its first answer."""
    replicas = state["replicas"]
    if replicas["busy"] or replicas["ready"]:
        return "running"
    if not replicas["desired"]:
        return "starting"  # the scaler has not looked since the request came
    return str(state["waiting"]["cause"] or "starting")
