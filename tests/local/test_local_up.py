"""Before the platform is started, and what is said after."""

import asyncio
import io
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console
from support.records import make_record

from runtime.local.__main__ import at_running_port
from runtime.local.causes import CANNOT_START
from runtime.local.errors import LocalError
from runtime.local.examples import Example
from runtime.local.lock import AlreadyRunningError, sole_holder
from runtime.local.notes import Notes, ServiceNote
from runtime.local.pids import identify
from runtime.local.platform_api import Answered, PlatformApi
from runtime.local.processes import Command, mark_of, start
from runtime.local.settings import Settings, read_settings
from runtime.local.smoke import progress_text, send_example
from runtime.local.status import plain_lines, row_of, table_of
from runtime.local.strays import clear_remains
from runtime.local.telling import Teller
from runtime.local.up import check_port, curl_line


def listening(tmp_path: Path, server: socket.socket) -> Settings:
    """Settings whose port a server has."""
    return read_settings({"MOORAGE_PORT": str(server.getsockname()[1])}, tmp_path)


def test_a_port_of_another_program_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """Nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = listening(tmp_path, server)

        with pytest.raises(LocalError, match=r"in use by another program.*MOORAGE_PORT="):
            check_port(settings, Notes(settings.places.run))


def test_our_own_gateway_may_have_the_port(tmp_path: Path) -> None:
    """But not another one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = listening(tmp_path, server)
        notes = Notes(settings.places.run)
        ours = identify(os.getpid())

        notes.write_service("gateway", ServiceNote(process=ours, port=settings.port))
        check_port(settings, notes)

        notes.write_service("gateway", ServiceNote(process=ours, port=settings.port + 1))
        with pytest.raises(LocalError, match=r"runs on port .* already"):
            check_port(settings, notes)


def test_one_supervisor_a_folder(tmp_path: Path) -> None:
    """The second one says so."""
    with sole_holder(tmp_path / "lock"), pytest.raises(AlreadyRunningError), sole_holder(tmp_path / "lock"):
        pass

    with sole_holder(tmp_path / "lock"):
        pass


def test_the_curl_line_survives_a_shell(tmp_path: Path) -> None:
    """Also where the state folder's name holds a blank."""
    settings = read_settings({"MOORAGE_STATE": "my state"}, tmp_path)
    settings.places.token.parent.mkdir()
    settings.places.token.write_text("secret\n")
    body = settings.state / "examples" / "ocr.json"

    line = curl_line(settings, Example(make_record("ocr"), "/infer", {}), body)

    words = subprocess.run(
        ["sh", "-c", f"""printf '%s\\n' {line.removeprefix("curl ")}"""],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert words == [
        "-s",
        *("-H", "Authorization: Bearer secret"),
        *("-H", "Content-Type: application/json"),
        *("-d", "@my state/examples/ocr.json"),
        "http://127.0.0.1:8484/e/ocr/infer",
    ]


def state(cause: str = "", **replicas: int) -> Mapping[str, object]:
    """An endpoint as the API shows it."""
    none = dict.fromkeys(("starting", "ready", "busy", "retired", "failing"), 0)
    return {
        "name": "ocr",
        "url": "u",
        "replicas": {"desired": 1, "min": 0, "max": 2, **none, **replicas},
        "queue": {"waiting": 1, "running": 0},
        "waiting": {"cause": cause},
    }


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (state("installing packages"), "installing packages"),
        (state(starting=1), "starting"),
        (state(busy=1), "running"),
        (state("no replica is running", desired=0), "starting"),
    ],
)
def test_progress_in_words(shown: dict[str, object], text: str) -> None:
    """What somebody who waits wants to read."""
    assert progress_text(shown) == text


def test_status_is_aligned_plain_text_in_a_pipe() -> None:
    """One line an endpoint; of a cause with log lines the first and the last are shown."""
    lines = plain_lines([row_of(dict(state("it ended\nTraceback\n  File\nKeyError: 1", failing=1)))])

    assert lines[0].startswith("endpoint  replicas")
    assert lines[1].startswith("ocr       1 of 1 (0-2)")
    assert lines[1].endswith("  it ended: KeyError: 1")


def test_a_terminal_of_eighty_columns_wraps_only_the_cause() -> None:
    """Names and figures stay whole; the URLs are left to the line below the table."""
    long = {**state("no free CPU slot: 2 of 2 in use by embeddings (1), ocr (1)"), "name": "embeddings"}
    console = Console(width=80, record=True, file=io.StringIO())

    console.print(table_of([row_of(dict(long))]))

    lines = console.export_text().splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert lines[1].startswith("embeddings  0 of 1 (0-2)  0      0     1        0        no free CPU")


def test_another_free_port_is_offered(tmp_path: Path) -> None:
    """One that can be pasted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = listening(tmp_path, server)

        with pytest.raises(LocalError) as raised:
            check_port(settings, Notes(settings.places.run))

    offered = re.search(r"MOORAGE_PORT=(\d+)", str(raised.value))
    assert offered is not None
    assert int(offered[1]) != settings.port


def test_the_running_platforms_port_is_asked_unless_another_is_given(tmp_path: Path) -> None:
    """After `MOORAGE_PORT=9000 make up` a plain `make status` finds it."""
    notes = Notes(read_settings({}, tmp_path).places.run)
    notes.write_service("gateway", ServiceNote(process=identify(os.getpid()), port=9000))

    assert at_running_port(read_settings({}, tmp_path)).port == 9000
    assert at_running_port(read_settings({"MOORAGE_PORT": "9001"}, tmp_path)).port == 9001


async def test_what_lost_its_notes_is_ended_before_a_new_start(settings: Settings) -> None:
    """Somebody removed the state folder; the supervisor goes first, and starts nothing again."""
    script = (sys.executable, "-c", "import time; time.sleep(60)")
    roles = ("gateway", "supervisor", "ab.model")
    lost = [
        start(Command(script, {}, settings.root, settings.root / "log", mark_of(settings.state, role)))
        for role in roles
    ]
    notes = Notes(settings.places.run)
    notes.write_service("gateway", ServiceNote(process=lost[0].identity, port=1))

    await clear_remains(settings.state, notes)

    assert not any(process.alive for process in lost)
    assert notes.service("gateway") == ServiceNote()
    for process in lost:
        await process.wait()


async def test_what_is_noted_outlives_a_lost_supervisor(settings: Settings) -> None:
    """The next supervisor adopts it."""
    script = (sys.executable, "-c", "import time; time.sleep(60)")
    gateway = start(
        Command(script, {}, settings.root, settings.root / "log", mark_of(settings.state, "gateway"))
    )
    notes = Notes(settings.places.run)
    notes.write_service("gateway", ServiceNote(process=gateway.identity, port=1))

    await clear_remains(settings.state, notes)

    assert gateway.alive
    await gateway.stop(0)


class OneState:
    """A platform on which an endpoint stays as it is."""

    def __init__(self, shown: Mapping[str, object]) -> None:
        self.shown = shown

    async def wait_for(self, name: str, seconds: float) -> None:
        """The record is there."""

    async def endpoint(self, name: str) -> Mapping[str, object]:  # noqa: ARG002 - as PlatformApi
        """As it is."""
        return self.shown

    async def infer(self, path: str, body: bytes, seconds: float) -> Answered:  # noqa: ARG002 - as PlatformApi
        """Waits."""
        await asyncio.sleep(seconds)
        return Answered(504, "", seconds)


async def test_up_gives_up_at_once_where_waiting_mends_nothing() -> None:
    """Packages that cannot be installed are told with their cause."""
    shown = state(f"{CANNOT_START}packages cannot be installed: no such package", desired=1)
    api = cast("PlatformApi", OneState(shown))

    with pytest.raises(LocalError, match=r"^ocr cannot start: packages cannot be installed: no such package"):
        await send_example(
            api, Example(make_record("ocr"), "/infer", {}), Teller(Console(file=io.StringIO()))
        )


def test_a_reader_that_left_does_not_end_the_work() -> None:
    """`make up | head` still brings the platform up."""
    script = (
        "from runtime.local.telling import Screen, Teller\nimport sys\nteller = Teller(Screen())\n"
        "for _ in range(20000): teller.say('line')\nsys.stderr.write('done')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        done.stdout.readline()
        done.stdout.close()

        assert done.stderr.read() == b"done"
