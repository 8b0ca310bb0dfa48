"""One contract for SQLite and PostgreSQL: each slot counts once, hours add up, nothing is half written."""

import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from support.postgres_server import PostgresServer, make_database

from runtime.usage import ledger as ledger_module
from runtime.usage.ledger import SLOTS_KEPT, Ledger
from runtime.usage.places import PostgresPlace, SqlitePlace, SqlPlace
from runtime.usage.port import (
    DAY_SECONDS,
    HOUR_SECONDS,
    KEPT_SECONDS,
    SLOT_SECONDS,
    Period,
    Sample,
    Step,
    TooManyTotalsError,
    Total,
    UsageAwayError,
)
from runtime.usage.tables import METADATA, SLOTS

DAY = 20_000 * DAY_SECONDS
"""Begin of a day, and of an hour."""
SLOT = DAY // SLOT_SECONDS
HOUR_SLOTS = HOUR_SECONDS // SLOT_SECONDS
ALL = Period(0, DAY + 40 * DAY_SECONDS)


def sample(endpoint: str = "embed", **counted: int) -> Sample:
    """Two replicas, of which one is busy, unless told otherwise."""
    return Sample(endpoint, "a10g.1", **{"replicas": 2, "starting": 0, "busy": 1, **counted})


def test_count_is_told_in_seconds(ledger: Ledger) -> None:
    """Each replica stands for the whole slot."""
    ledger.add(SLOT, [sample(), sample("whisper", replicas=3, starting=2, busy=0)])

    account = ledger.account(ALL, "hour", None)

    assert account.metered_seconds == 15
    assert list(account.totals) == [
        Total("embed", "a10g.1", DAY, 30, 0, 15),
        Total("whisper", "a10g.1", DAY, 45, 30, 0),
    ]


def test_second_count_of_a_slot_changes_nothing(ledger: Ledger) -> None:
    """Whoever is first counts."""
    said = [ledger.add(SLOT, [sample()]), ledger.add(SLOT, [sample(replicas=50)])]

    assert said == [True, False]
    assert [total.replica_seconds for total in ledger.account(ALL, "total", None).totals] == [30]


def test_programs_that_count_at_once_count_once(place: SqlPlace) -> None:
    """As several platform APIs do: each slot is one's, and the tables are made once."""
    with ThreadPoolExecutor(4) as threads:
        ledgers = list(threads.map(Ledger.open, [place] * 4))
        said = list(threads.map(lambda turn: ledgers[turn % 4].add(SLOT + turn // 4, [sample()]), range(80)))
    account = ledgers[0].account(ALL, "total", None)
    for each in ledgers:
        each.close()

    assert [sum(said[slot * 4 : slot * 4 + 4]) for slot in range(20)] == [1] * 20
    assert (account.metered_seconds, account.totals[0].replica_seconds) == (20 * 15, 20 * 30)


def test_hour_without_replicas_is_metered(ledger: Ledger) -> None:
    """Nothing used is not the same as nothing known."""
    ledger.add(SLOT, [])

    assert ledger.account(ALL, "hour", None) == ledger.account(ALL, "total", None)
    assert ledger.account(ALL, "hour", None).metered_seconds == 15


@pytest.mark.parametrize(
    ("step", "begins"),
    [
        ("hour", [DAY, DAY + HOUR_SECONDS, DAY + DAY_SECONDS]),
        ("day", [DAY, DAY + DAY_SECONDS]),
        ("total", [0]),
    ],
)
def test_rows_add_up_a_step(ledger: Ledger, step: Step, begins: list[int]) -> None:
    """Whatever the step, the sum is the same."""
    for slot in (SLOT, SLOT + 1, SLOT + HOUR_SLOTS, SLOT + 24 * HOUR_SLOTS):
        ledger.add(slot, [sample()])

    totals = ledger.account(ALL, step, None).totals

    assert [total.begins for total in totals] == begins
    assert sum(total.replica_seconds for total in totals) == 4 * 30


def test_end_of_a_period_is_not_in_it(ledger: Ledger) -> None:
    """So that two periods that meet count nothing twice."""
    for hour in range(3):
        ledger.add(SLOT + hour * HOUR_SLOTS, [sample()])

    account = ledger.account(Period(DAY + HOUR_SECONDS, DAY + 2 * HOUR_SECONDS), "hour", None)

    assert ([total.begins for total in account.totals], account.metered_seconds) == ([DAY + HOUR_SECONDS], 15)


@pytest.mark.parametrize(
    ("asked", "told"), [(None, ["embed", "whisper"]), ({"whisper"}, ["whisper"]), ({"gone"}, []), (set(), [])]
)
def test_only_the_asked_endpoints_are_told(ledger: Ledger, asked: set[str] | None, told: list[str]) -> None:
    """No endpoint is not every endpoint."""
    ledger.add(SLOT, [sample(), sample("whisper")])

    assert [total.endpoint for total in ledger.account(ALL, "total", asked).totals] == told


def test_changed_hardware_is_a_row_of_its_own(ledger: Ledger) -> None:
    """It costs something else."""
    ledger.add(SLOT, [sample()])
    ledger.add(SLOT + 1, [Sample("embed", "h100.1", 1, 0, 0)])

    totals = ledger.account(ALL, "day", None).totals

    assert [(total.hardware, total.replica_seconds) for total in totals] == [("a10g.1", 30), ("h100.1", 15)]


def test_account_of_too_many_rows_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one of just so many is not."""
    monkeypatch.setattr(ledger_module, "MOST_TOTALS", 2)
    ledger.add(SLOT, [sample(), sample("whisper")])
    enough = ledger.account(ALL, "hour", None)
    ledger.add(SLOT + HOUR_SLOTS, [sample()])

    with pytest.raises(TooManyTotalsError):
        ledger.account(ALL, "hour", None)
    assert len(enough.totals) == 2


def test_what_is_old_is_forgotten(ledger: Ledger) -> None:
    """Slots after an hour or two, hours after so many days; a slot of just now is still known."""
    now = (SLOT // SLOTS_KEPT + 1) * SLOTS_KEPT
    old = now - KEPT_SECONDS // SLOT_SECONDS - 2 * HOUR_SLOTS
    for slot in (old, now - SLOTS_KEPT - 1, now - 1):
        ledger.add(slot, [sample()])

    ledger.add(now, [sample()])

    with ledger._engine.connect() as connection:
        kept = connection.scalars(sa.select(SLOTS.c.slot).order_by(SLOTS.c.slot)).all()
    account = ledger.account(ALL, "total", None)
    assert list(kept) == [now - 1, now]
    assert (account.metered_seconds, account.totals[0].replica_seconds) == (3 * 15, 3 * 30)


def test_fault_in_the_middle_of_a_count_leaves_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot is free again, so its count may be tried once more."""
    write: Callable[..., None] = Ledger._add_to

    def fail_at_whisper(
        self: Ledger, connection: sa.Connection, table: sa.Table, key: dict[str, object], *rest: object
    ) -> None:
        if key.get("endpoint") == "whisper":
            raise OSError("the disk is full")
        write(self, connection, table, key, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "_add_to", fail_at_whisper)
        with pytest.raises(UsageAwayError, match="the disk is full"):
            ledger.add(SLOT, [sample(), sample("whisper")])
    before = ledger.account(ALL, "total", None)

    assert (before.metered_seconds, list(before.totals)) == (0, [])
    assert ledger.add(SLOT, [sample(), sample("whisper")])


def test_migrations_make_the_tables_that_the_code_speaks_of(ledger: Ledger) -> None:
    """Alembic compares both."""
    with ledger._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_opening_again_keeps_what_is_there(place: SqlPlace, ledger: Ledger) -> None:
    """A restart, or a second program."""
    ledger.add(SLOT, [sample()])
    again = Ledger.open(place)

    account = again.account(ALL, "total", None)
    again.close()

    assert account.metered_seconds == 15


def test_tables_of_a_later_version_are_left_alone(place: SqlPlace, ledger: Ledger) -> None:
    """A program that was rolled back says so instead of writing what it does not know."""
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(UsageAwayError, match="9999"):
        Ledger.open(place)


def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """With what SQLite says of it, and as it was."""
    file = tmp_path / "platform.sqlite"
    file.write_text("no database at all, but long enough to be taken for one" * 20)
    before = file.read_bytes()

    with pytest.raises(UsageAwayError, match=r"platform\.sqlite: file is not a database"):
        Ledger.open(SqlitePlace(file))
    assert file.read_bytes() == before


def test_locked_file_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's transaction holds a count up for a bounded time."""
    monkeypatch.setattr(ledger_module, "STATEMENT_SECONDS", 0.1)
    place = SqlitePlace(tmp_path / "platform.sqlite")
    ledger = Ledger.open(place)
    other = sqlite3.connect(place.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(UsageAwayError, match="locked"):
        ledger.add(SLOT, [sample()])
    other.execute("ROLLBACK")
    other.close()
    assert ledger.add(SLOT, [sample()])
    ledger.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_changed_password_is_read_anew(postgres: PostgresServer, tmp_path: Path) -> None:
    """RDS changes it by itself: no restart, and the fault in between names no password."""
    place = make_database(postgres, tmp_path, "rotated")
    assert isinstance(place, PostgresPlace)
    assert place.password is not None
    ledger = Ledger.open(place)
    postgres.change_password("second-password")
    ledger._engine.dispose()

    with pytest.raises(UsageAwayError) as refused:
        ledger.add(SLOT, [sample()])
    place.password.write_text("second-password")

    assert "password authentication failed" in str(refused.value)
    assert "first-password" not in str(refused.value)
    assert ledger.add(SLOT, [sample()])
    ledger.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_server_that_went_and_came_is_spoken_to_again(postgres: PostgresServer, tmp_path: Path) -> None:
    """A failover: connections of before are dropped without a fault of their own."""
    ledger = Ledger.open(make_database(postgres, tmp_path, "failover"))
    ledger.add(SLOT, [sample()])
    postgres.kill()

    with pytest.raises(UsageAwayError):
        ledger.add(SLOT + 1, [sample()])
    postgres.start()

    assert ledger.add(SLOT + 1, [sample()])
    assert ledger.account(ALL, "total", None).metered_seconds == 30
    ledger.close()


def test_large_account_needs_no_folder(tmp_path: Path) -> None:
    """A pod may write to its disk alone; SQLite sorts such an account in a temporary file unless told otherwise."""
    ledger = Ledger.open(SqlitePlace(tmp_path / "platform.sqlite"))
    with ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar() == 2  # MEMORY
    ledger.close()


def test_account_holds_up_no_count(tmp_path: Path) -> None:
    """A transaction that reads goes on beside one that writes."""
    ledger = Ledger.open(SqlitePlace(tmp_path / "platform.sqlite"))
    ledger.add(SLOT, [sample()])
    reading = ledger._engine.connect().execution_options(**ledger_module._READING)
    before = reading.execute(sa.select(sa.func.count()).select_from(SLOTS)).scalar()

    assert ledger.add(SLOT + 1, [sample()])
    assert (before, reading.execute(sa.select(sa.func.count()).select_from(SLOTS)).scalar()) == (1, 1)
    reading.close()
    ledger.close()


def test_password_that_is_no_text_is_a_fault_of_the_store(tmp_path: Path) -> None:
    """It ends no program, and stands in no message."""
    password = tmp_path / "password"
    password.write_bytes(b"\xff\xfehunter2")

    with pytest.raises(UsageAwayError) as refused:
        Ledger.open(PostgresPlace("me", "127.0.0.1", 9, "own", None, password))

    assert "hunter2" not in str(refused.value)


def test_per_cent_in_the_folder_of_migrations_is_a_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever checks the project out may name its folder so."""
    folder = tmp_path / "50%off"
    shutil.copytree(ledger_module.MIGRATIONS, folder)
    monkeypatch.setattr(ledger_module, "MIGRATIONS", folder)

    ledger = Ledger.open(SqlitePlace(tmp_path / "platform.sqlite"))

    assert ledger.add(SLOT, [])
    ledger.close()
