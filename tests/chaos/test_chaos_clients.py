"""What a client makes of an answer, and what a journal says."""

import json
from pathlib import Path

import pytest

from bench.chaos.clients import Reply, weigh_answer, weigh_stream
from bench.chaos.journal import Journal
from bench.chaos.ledger import Entry, Fate
from bench.chaos.orders import Kind, Order

PLAIN = Order(1, Kind.SYNC, "brig", 5)
STREAM = Order(2, Kind.STREAM, "brig", 5, chunks=3)


def events(*numbers: int, run: str = "a") -> bytes:
    """The events of a stream."""
    said = ({"tag": STREAM.tag, "run": run, "number": number} for number in numbers)
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in said)


def test_own_answer_counts_as_answered_and_notes_its_run() -> None:
    """The run tells a duplicate."""
    entry = Entry(1, Kind.SYNC, 0)

    fate, _ = weigh_answer(PLAIN, json.dumps({"tag": PLAIN.tag, "run": "a", "filler": ""}).encode(), entry)

    assert (fate, entry.runs) == (Fate.ANSWERED, ["a"])


@pytest.mark.parametrize("body", [b"", b"{", b'{"tag": "sync-9", "run": "a", "filler": ""}'])
def test_answer_that_is_not_its_own_is_wrong(body: bytes) -> None:
    """Somebody else's, or no answer at all."""
    fate, _ = weigh_answer(PLAIN, body, Entry(1, Kind.SYNC, 0))

    assert fate is Fate.WRONG


def test_whole_stream_counts_as_answered() -> None:
    """Every event once, in order."""
    entry = Entry(2, Kind.STREAM, 0)

    fate, _ = weigh_stream(STREAM, events(0, 1, 2), entry)

    assert (fate, entry.runs, entry.is_repeated) == (Fate.ANSWERED, ["a"], False)


def test_stream_that_ends_early_is_wrong() -> None:
    """It seemed whole."""
    fate, _ = weigh_stream(STREAM, events(0, 1), Entry(2, Kind.STREAM, 0))

    assert fate is Fate.WRONG


def test_stream_that_begins_again_is_wrong_and_repeated() -> None:
    """Run twice on one connection."""
    entry = Entry(2, Kind.STREAM, 0)

    fate, _ = weigh_stream(STREAM, events(0, 1) + events(0, 1, 2, run="b"), entry)

    assert (fate, entry.is_repeated, set(entry.runs)) == (Fate.WRONG, True, {"a", "b"})


def test_code_of_a_platform_error_is_read_and_of_anything_else_is_empty() -> None:
    """A model may answer 503 in its own words."""
    told = Reply(503, {}, b'{"error": {"code": "queue-unavailable", "message": "", "request_id": ""}}')

    assert (told.code, Reply(503, {}, b"busy").code) == ("queue-unavailable", "")


def test_journal_is_read_on_line_by_line(tmp_path: Path) -> None:
    """A line of which only a part is there waits for its rest."""
    journal = Journal(tmp_path / "journal")
    first, second = (
        json.dumps({"at": at, "what": what, "id": "r", "tag": "t", "run": "a", "port": 9}) + "\n"
        for at, what in ((1, "begin"), (2, "end"))
    )
    journal.path.write_text(first + second[:5])

    journal.read_on()
    busy_before = journal.busy_ports()
    journal.path.write_text(first + second)
    journal.read_on()

    assert (busy_before, journal.busy_ports(), journal.runs["a"].ended_at) == ({9}, set(), 2)
