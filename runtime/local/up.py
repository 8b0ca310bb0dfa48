"""`up`: a supervisor that runs, a gateway that answers, one real inference, and where everything is."""

import asyncio
import shlex
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aiohttp import ClientSession

from runtime.local.access_tokens import write_tokens
from runtime.local.errors import LocalError
from runtime.local.examples import Example, choose_example, read_templates
from runtime.local.fingerprint import code_fingerprint
from runtime.local.lock import in_turn
from runtime.local.logs import last_lines
from runtime.local.notes import Notes, make_private
from runtime.local.pids import MARK, environment_of, is_alive, send
from runtime.local.platform_api import PlatformApi
from runtime.local.ports import is_free, next_free
from runtime.local.processes import Command, Process, mark_of, start
from runtime.local.records import Plan, read_plan
from runtime.local.services import GATEWAY
from runtime.local.settings import Settings
from runtime.local.smoke import send_example, write_body
from runtime.local.strays import SUPERVISOR, clear_remains
from runtime.local.telling import Teller
from runtime.local.valkey import VALKEY

PREFIX = "MOORAGE_"
END_SECONDS = 10.0
HEALTHY_SECONDS = 60.0
TURN_SECONDS = HEALTHY_SECONDS + END_SECONDS
POLL_SECONDS = 0.1
TAIL_LINES = 20
ANOTHER = "Another `make up` of this folder is at work; waiting for it."
NEWER_CODE = (
    "The platform runs older code: its supervisor and gateway, then its replicas make room for the newer."
)


async def bring_up(settings: Settings, teller: Teller) -> None:
    """Bring the platform up, or in line with new records.

    Raises:
        LocalError: something is in the way; the text says what and what mends it.
    """
    places = settings.places
    plan = read_plan(places)
    make_private(settings.state)
    write_tokens(places, plan.account)
    async with ClientSession(trust_env=False) as session:
        api = PlatformApi(session, settings.url, places.token)
        async with in_turn(places.run / "up.lock", TURN_SECONDS, lambda: teller.say(ANOTHER)):
            supervisor = await ensure_supervisor(settings, teller)
            await wait_until_healthy(api, supervisor, settings)
        example = choose_example(plan.endpoints, read_templates(places), settings.root)
        if example is None:
            teller.say("No endpoint has a template with an example request, so none is sent.")
        else:
            body = write_body(example, settings.state / "examples")
            await send_example(api, example, teller)
    say_where(settings, plan, teller)
    if example is not None:
        teller.say("Try it:")
        teller.say(f"  {curl_line(settings, example, body)}", style="bold")


async def ensure_supervisor(settings: Settings, teller: Teller) -> Process:
    """A supervisor of our code that knows of the latest records and of the settings and secrets in our environment.

    Raises:
        LocalError: the port is another program's, or the platform runs on another port.
    """
    notes = Notes(settings.places.run)
    note = notes.service(SUPERVISOR)
    if note.process is None or not is_alive(note.process):
        await clear_remains(settings.state, notes)
        check_port(settings, notes)
        teller.say(f"Starting the platform on {settings.url}")
        return start_supervisor(settings)
    check_port(settings, notes)
    before = own_variables(environment_of(note.process.pid))
    wanted = {**before, **own_variables(settings.environ)}
    is_newer = note.build != code_fingerprint(settings.code)
    if wanted == before and not is_newer:
        send(note.process, signal.SIGHUP)
        teller.say("The platform runs already; its records are read again.")
        return Process(note.process)
    teller.say(NEWER_CODE if is_newer else "The supervisor starts anew with the changed environment.")
    await Process(note.process).stop(END_SECONDS)
    return start_supervisor(replace(settings, environ={**settings.environ, **wanted}))


async def wait_until_healthy(api: PlatformApi, supervisor: Process, settings: Settings) -> None:
    """Return when a gateway of our code answers and reaches its queue.

    Raises:
        LocalError: the supervisor ended, or that took longer than `HEALTHY_SECONDS`.
    """
    notes, code = Notes(settings.places.run), code_fingerprint(settings.code)
    deadline = time.monotonic() + HEALTHY_SECONDS
    while not notes.service(GATEWAY).build.startswith(code) or not await api.is_healthy():
        if not supervisor.alive:
            raise LocalError(f"the supervisor ended. Its last lines:\n{_tail(settings, SUPERVISOR)}")
        if time.monotonic() > deadline:
            raise LocalError(_why_unhealthy(settings, notes))
        await asyncio.sleep(POLL_SECONDS)


def check_port(settings: Settings, notes: Notes) -> None:
    """Raise unless the gateway's port is free or our own gateway's.

    Raises:
        LocalError: it is not, or our gateway runs on another port.
    """
    note = notes.service(GATEWAY)
    if is_alive(note.process):
        if note.port != settings.port:
            raise LocalError(
                f"the platform runs on port {note.port} already, not on {settings.port}. "
                f"Say `make down` first, or `MOORAGE_PORT={note.port} make up`."
            )
    elif not is_free(settings.port):
        raise LocalError(
            f"port {settings.port} of 127.0.0.1 is in use by another program. "
            f"Stop that, or give another port: `MOORAGE_PORT={next_free(settings.port)} make up`."
        )


def own_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The platform's settings and secrets in an environment."""
    return {name: value for name, value in environ.items() if name.startswith(PREFIX) and name != MARK}


def start_supervisor(settings: Settings) -> Process:
    """Start a supervisor that outlives this command; it alone gets our whole environment, for the secrets."""
    return start(
        Command(
            (sys.executable, "-m", "runtime.local", "supervise"),
            {**settings.environ, "MOORAGE_PORT": str(settings.port)},
            settings.root,
            settings.places.logs / "supervisor.log",
            mark_of(settings.state, SUPERVISOR),
        )
    )


def _why_unhealthy(settings: Settings, notes: Notes) -> str:
    told = f"the gateway did not become healthy within {HEALTHY_SECONDS:g} s."
    for name in (VALKEY, GATEWAY):
        if not is_alive(notes.service(name).process):
            return f"{told} The {name} does not stay up. Its last lines:\n{_tail(settings, name)}"
    return f"{told} `make logs` may say why."


def _tail(settings: Settings, name: str) -> str:
    return last_lines(settings.places.logs / f"{name}.log", TAIL_LINES)


def say_where(settings: Settings, plan: Plan, teller: Teller) -> None:
    """Where every endpoint, the owner's token and the logs are."""
    width = max((len(name) for name in plan.endpoints), default=0)
    for name, record in plan.endpoints.items():
        note = "" if record.access == "private" else "  (public)"
        teller.say(f"  {name:{width}}  {settings.url}/e/{name}/{note}")
    teller.say(f"Token: {shown(settings.places.token, settings.root)} (opens every endpoint)")


def curl_line(settings: Settings, example: Example, body: Path) -> str:
    """A command line that sends the example, to be pasted in the project's folder."""
    token, data = (shlex.quote(str(shown(path, settings.root))) for path in (settings.places.token, body))
    address = shlex.quote(f"{settings.url}/e/{example.endpoint.name}{example.route}")
    return (
        f'curl -s -H "Authorization: Bearer $(cat {token})" -H "Content-Type: application/json" '
        f"-d @{data} {address}"
    )


def shown(path: Path, root: Path) -> Path:
    """The path as it is said: from the project's folder where it lies below that."""
    return path.relative_to(root) if path.is_relative_to(root) else path
