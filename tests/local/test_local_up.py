"""Before the platform is started, and what is said after."""

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.records import make_record

from runtime.local.errors import LocalError
from runtime.local.examples import Example
from runtime.local.lock import AlreadyRunningError, sole_holder
from runtime.local.notes import Notes, ServiceNote
from runtime.local.pids import identify
from runtime.local.settings import Settings, read_settings
from runtime.local.smoke import progress_text
from runtime.local.status import plain_lines, row_of
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
    """One line an endpoint; a long cause is cut to its first line."""
    lines = plain_lines([row_of(dict(state("it ended\nlast line", failing=1)))])

    assert lines[0].startswith("endpoint  replicas")
    assert lines[1].startswith("ocr       1 of 1 (0-2)")
    assert lines[1].endswith("it ended")
