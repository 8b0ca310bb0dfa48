"""The store as a program has it: opened when it is needed, in threads, within a deadline."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runtime.usage import Period, Sample, UsageAwayError, store
from runtime.usage.ledger import Ledger
from runtime.usage.places import PostgresPlace, SqlitePlace
from runtime.usage.store import SqlUsage, open_usage

ALL = Period(0, 10**10)


async def test_store_counts_and_tells(tmp_path: Path) -> None:
    """By its own threads."""
    async with open_usage(SqlitePlace(tmp_path / "platform.sqlite")) as usage:
        assert usage is not None
        first = await usage.add(1, [Sample("embed", "cpu", 1, 0, 0)])
        second = await usage.add(1, [])
        account = await usage.account(ALL, "total", {"embed"})

    assert (first, second) == (True, False)
    assert [total.replica_seconds for total in account.totals] == [15]


async def test_no_place_is_no_store() -> None:
    """Nothing is opened."""
    async with open_usage(None) as usage:
        assert usage is None


async def test_store_that_could_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    """A database that comes up later than its program."""
    blocked = tmp_path / "folder"
    blocked.write_text("a file where the folder should be")
    async with open_usage(SqlitePlace(blocked / "platform.sqlite")) as usage:
        assert usage is not None
        with pytest.raises(UsageAwayError):
            await usage.add(1, [])
        blocked.unlink()

        assert await usage.add(1, [])


async def test_call_without_an_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked hears of it; the thread ends by the database's own bounds."""
    goes_on = threading.Event()
    monkeypatch.setattr(store, "CALL_SECONDS", 0.05)
    monkeypatch.setattr(Ledger, "account", lambda *_: goes_on.wait(10))
    usage = SqlUsage(SqlitePlace(tmp_path / "platform.sqlite"))

    with pytest.raises(UsageAwayError, match=r"platform\.sqlite: no answer within"):
        await usage.account(ALL, "total", None)
    goes_on.set()
    async with asyncio.timeout(10):
        await usage.close()


async def test_server_that_is_not_there_is_named() -> None:
    """Where it was looked for, and by whom."""
    place = PostgresPlace("me", "127.0.0.1", 9, "own", None, None)
    async with open_usage(place) as usage:
        assert usage is not None

        with pytest.raises(UsageAwayError, match=r"postgresql://me@127\.0\.0\.1:9/own: .*refused"):
            await usage.add(1, [])


def test_start_of_a_program_pays_nothing_for_sql() -> None:
    """A third of a second of imports waits until the first count."""
    code = "import sys, runtime.gateway.program, runtime.api.program; print('sqlalchemy' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=15, check=True
    )

    assert done.stdout.strip() == "False"


async def test_only_so_many_accounts_are_added_up_at_one_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next is refused at once, and counts go on beside them."""
    goes_on = threading.Event()
    monkeypatch.setattr(store, "MOST_ASKED", 2)
    monkeypatch.setattr(Ledger, "account", lambda *_: goes_on.wait(10))
    async with open_usage(SqlitePlace(tmp_path / "platform.sqlite")) as usage:
        assert usage is not None
        asked = [asyncio.create_task(usage.account(ALL, "total", None)) for _ in range(2)]
        await asyncio.sleep(0)

        with pytest.raises(UsageAwayError, match="2 accounts are being added up"):
            await usage.account(ALL, "total", None)
        counted = await usage.add(1, [])
        goes_on.set()
        await asyncio.gather(*asked)

    assert counted


async def test_end_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has been told to leave does."""
    goes_on = threading.Event()
    monkeypatch.setattr(store, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(Ledger, "add", lambda *_: goes_on.wait(10))
    usage = SqlUsage(SqlitePlace(tmp_path / "platform.sqlite"))
    counting = asyncio.create_task(usage.add(1, []))
    await asyncio.sleep(0.05)

    async with asyncio.timeout(2):
        await usage.close()
    was_under_way = not counting.done()
    goes_on.set()
    await counting

    assert was_under_way
