"""Notes of which process is which."""

import stat
from pathlib import Path

from support.records import make_record

from runtime.local.notes import Launch, Notes, ReplicaNote, ServiceNote
from runtime.local.pids import ProcessId
from runtime.local.strays import strays

HERE = ProcessId(pid=7, started="boot/1")


def test_notes_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Mode 0600; dropped ones do not."""
    notes = Notes(tmp_path)
    launch = Launch(argv=("serve", "{port}"), cwd="/")
    note = ReplicaNote(id="ab12", record=make_record(), launch=launch, port=1, probe_port=2, model=HERE)

    notes.write_replica(note)
    notes.write_service("gateway", ServiceNote(process=HERE, port=8484))

    assert list(notes.replicas()) == [note]
    assert notes.service("gateway") == ServiceNote(process=HERE, port=8484)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    notes.drop_replica("embed", "ab12")
    assert list(notes.replicas()) == []


def test_an_unreadable_note_is_no_note(tmp_path: Path) -> None:
    """A crash may leave anything; what it named is found by its mark."""
    (tmp_path / "gateway.json").write_text("{")
    (tmp_path / "replica.embed.ab12.json").write_text('{"id": 3}')

    assert Notes(tmp_path).service("gateway") == ServiceNote()
    assert list(Notes(tmp_path).replicas()) == []


def test_a_stray_plays_a_role_that_no_note_knows() -> None:
    """Children of noted processes share their role and are none."""
    child, stray = ProcessId(pid=8, started="boot/2"), ProcessId(pid=9, started="boot/3")
    found = {HERE: "ab12.model", child: "ab12.model", stray: "cd34.worker"}

    assert strays(found, {"ab12.model", "gateway"}) == [stray]
