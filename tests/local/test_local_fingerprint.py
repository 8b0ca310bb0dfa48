"""Which code a process runs is known, so that newer code takes its place."""

import asyncio
import os
import sys
from pathlib import Path

import structlog
from support.polling import until

from runtime.local.fingerprint import build_of, code_fingerprint
from runtime.local.notes import Notes, ServiceNote
from runtime.local.pids import identify
from runtime.local.ports import next_free
from runtime.local.processes import Command, mark_of, start
from runtime.local.services import GATEWAY, Service
from runtime.local.settings import Settings

LISTEN = "import http.server, sys; http.server.test(port=int(sys.argv[1]), bind='127.0.0.1')"


def code_folder(tmp_path: Path) -> Path:
    """A folder with a little code."""
    (tmp_path / "runtime" / "__pycache__").mkdir(parents=True)
    (tmp_path / "runtime" / "one.py").write_text("1")
    return tmp_path


def test_an_edit_a_new_file_and_other_packages_change_it(tmp_path: Path) -> None:
    """Whatever a process may have loaded."""
    code = code_folder(tmp_path)
    seen = {code_fingerprint(code)}

    (code / "runtime" / "one.py").write_text("2")
    seen.add(code_fingerprint(code))
    (code / "runtime" / "two.lua").write_text("")
    seen.add(code_fingerprint(code))
    (code / "requirements").mkdir()
    (code / "requirements" / "runtime.txt").write_text("a==1")
    seen.add(code_fingerprint(code))

    assert len(seen) == 4


def test_what_running_leaves_behind_does_not(tmp_path: Path) -> None:
    """Nor an editor's hidden files."""
    code = code_folder(tmp_path)
    before = code_fingerprint(code)

    (code / "runtime" / "__pycache__" / "one.pyc").write_text("x")
    (code / "runtime" / ".one.py.swp").write_text("x")

    assert code_fingerprint(code) == before


def test_a_build_begins_with_its_code_and_hides_what_it_was_told() -> None:
    """A queue's address holds its password."""
    assert build_of("c0de", "valkey://:secret@h").startswith("c0de.")
    assert build_of("c0de", "valkey://:secret@h") != build_of("c0de", "valkey://:other@h")
    assert "secret" not in build_of("c0de", "valkey://:secret@h")


async def test_a_service_of_another_build_makes_room_on_the_same_port(settings: Settings) -> None:
    """The next one starts as soon as nobody listens any more."""
    notes, port = Notes(settings.places.run), next_free(21_000 + os.getpid() % 9_000)
    argv = (sys.executable, "-c", LISTEN, str(port))
    command = Command(argv, {}, settings.root, settings.root / "log", mark_of(settings.state, GATEWAY))
    old = start(command)
    notes.write_service(GATEWAY, ServiceNote(process=old.identity, port=port, build="old"))
    service = Service(GATEWAY, port, notes, structlog.stdlib.get_logger(), "new")

    keeper = asyncio.ensure_future(service.keep(lambda: command))
    try:
        await until(lambda: notes.service(GATEWAY).build == "new" and not old.alive)
        assert service.process is not None
        assert service.process.alive
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
        for process in (old, service.process):
            if process is not None:
                await process.stop(0)


async def test_a_service_of_the_same_build_is_adopted(settings: Settings) -> None:
    """A second `up` disturbs nobody."""
    notes = Notes(settings.places.run)
    ours = identify(os.getpid())
    notes.write_service(GATEWAY, ServiceNote(process=ours, port=8484, build="same"))

    service = Service(GATEWAY, 8484, notes, structlog.stdlib.get_logger(), "same")

    assert service.process is not None
    assert service.process.identity == ours
