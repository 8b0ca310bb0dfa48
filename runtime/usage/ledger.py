"""The usage store in SQL: SQLite on a disk, or PostgreSQL. Every call blocks; `runtime.usage.store` runs them.

Hours are added up as counts come in, so that an account of a year reads thousands of rows and not millions.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from runtime.usage.places import PostgresPlace, SqlitePlace, SqlPlace
from runtime.usage.port import (
    DAY_SECONDS,
    HOUR_SECONDS,
    KEPT_SECONDS,
    MOST_TOTALS,
    SLOT_SECONDS,
    Account,
    Period,
    Sample,
    Step,
    TooManyTotalsError,
    Total,
    UsageAwayError,
)
from runtime.usage.tables import HOURS, METERED_HOURS, SLOTS

STATEMENT_SECONDS = 5
"""Longest statement, longest wait for a lock, and longest connecting."""
SILENT_SECONDS = 10
"""How long a server that has vanished without a word, as in a failover, is waited for."""
CONNECTIONS = 2
SLOTS_KEPT = HOUR_SECONDS // SLOT_SECONDS
"""Slots in which a late second count is still known for one: those of an hour."""
MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x6D6F6F72
"""Of PostgreSQL, for the whole database: one program at a time goes the steps."""

_READING = {"moorage_reads": True}
"""Option of a connection that writes nothing."""
_SUMS = ("replica_seconds", "starting_seconds", "busy_seconds")
_STEP_SECONDS: dict[Step, int] = {"hour": HOUR_SECONDS, "day": DAY_SECONDS}


class Ledger:
    """The tables of usage behind one pool of connections."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, place: SqlPlace) -> "Ledger":
        """The store at a place, its tables made or brought up to date.

        Raises:
            UsageAwayError: it cannot be reached, or not be written to.
        """
        with _told(place):
            engine = _sqlite(place) if isinstance(place, SqlitePlace) else _postgres(place)
            try:
                with engine.begin() as connection:
                    _migrate(connection)
            except BaseException:
                engine.dispose()
                raise
        return cls(engine)

    def add(self, slot: int, samples: Sequence[Sample]) -> bool:
        """Add the count of a slot; False where it has one. See `Usage.add`."""
        hour = slot * SLOT_SECONDS // HOUR_SECONDS * HOUR_SECONDS
        with _told(), self._engine.connect() as connection:
            try:
                connection.execute(SLOTS.insert().values(slot=slot))
            except IntegrityError:
                return False
            self._add_to(connection, METERED_HOURS, {"hour": hour}, {"seconds": SLOT_SECONDS})
            for sample in samples:
                key = {"hour": hour, "endpoint": sample.endpoint, "hardware": sample.hardware}
                counted = (sample.replicas, sample.starting, sample.busy)
                seconds = {name: number * SLOT_SECONDS for name, number in zip(_SUMS, counted, strict=True)}
                self._add_to(connection, HOURS, key, seconds)
            if slot % SLOTS_KEPT == 0:
                _forget(connection, slot)
            connection.commit()
        return True

    def account(self, period: Period, step: Step, endpoints: Collection[str] | None) -> Account:
        """What was used. See `Usage.account`."""
        with _told(), self._engine.connect() as plain:
            connection = plain.execution_options(**_READING)
            metered = connection.scalar(
                sa.select(sa.func.sum(METERED_HOURS.c.seconds)).where(_within(METERED_HOURS, period))
            )
            rows = connection.execute(_totals(period, step, endpoints)).all()
        if len(rows) > MOST_TOTALS:
            raise TooManyTotalsError
        # PostgreSQL adds whole numbers up to decimal ones.
        totals = [Total(row.endpoint, row.hardware, int(row.begins), *map(int, row[3:])) for row in rows]
        return Account(int(metered or 0), totals)

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def _add_to(
        self, connection: sa.Connection, table: sa.Table, key: dict[str, Any], seconds: dict[str, int]
    ) -> None:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        first = insert(table).values(**key, **seconds)
        more = {name: table.c[name] + first.excluded[name] for name in seconds}
        connection.execute(first.on_conflict_do_update(index_elements=list(key), set_=more))


def _totals(period: Period, step: Step, endpoints: Collection[str] | None) -> sa.Select[Any]:
    chosen = _within(HOURS, period)
    if endpoints is not None:
        chosen = sa.and_(chosen, HOURS.c.endpoint.in_(sorted(endpoints)))
    sums = (sa.func.sum(HOURS.c[name]).label(name) for name in _SUMS)
    begins = _begins(period, step)
    return (
        sa.select(HOURS.c.endpoint, HOURS.c.hardware, begins.label("begins"), *sums)
        .where(chosen)
        .group_by(begins, HOURS.c.endpoint, HOURS.c.hardware)
        .order_by(begins, HOURS.c.endpoint, HOURS.c.hardware)
        .limit(MOST_TOTALS + 1)
    )


def _begins(period: Period, step: Step) -> sa.ColumnElement[int]:
    """What rows are added up by. Its numbers are no parameters: grouped by those, PostgreSQL sees two expressions."""
    if step == "total":
        # An expression of a column, for a bare number in GROUP BY would be the place of one.
        return sa.literal_column(str(period.since)) + HOURS.c.hour - HOURS.c.hour
    return HOURS.c.hour - HOURS.c.hour % sa.literal_column(str(_STEP_SECONDS[step]))


def _within(table: sa.Table, period: Period) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.hour >= period.since, table.c.hour < period.until)


def _forget(connection: sa.Connection, slot: int) -> None:
    connection.execute(SLOTS.delete().where(SLOTS.c.slot < slot - SLOTS_KEPT))
    for table in (HOURS, METERED_HOURS):
        connection.execute(table.delete().where(table.c.hour < slot * SLOT_SECONDS - KEPT_SECONDS))


def _sqlite(place: SqlitePlace) -> sa.Engine:
    place.file.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(place.file)),
        connect_args={"timeout": STATEMENT_SECONDS, "isolation_level": None},
    )
    sa.event.listen(engine, "connect", _set_up)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    # Whoever reads an account holds up no count.
    connection.execute("PRAGMA journal_mode = WAL")
    # A large account is sorted in a temporary file otherwise, and a pod has no folder for one.
    connection.execute("PRAGMA temp_store = MEMORY")


def _begin(connection: sa.Connection) -> None:
    # Python's module begins a transaction before writes only: a table that is made, or a number that is read
    # and then written, would stand outside of it.
    is_reading = connection.get_execution_options().keys() >= _READING.keys()
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def _postgres(place: PostgresPlace) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create(
            "postgresql+psycopg",
            username=place.user,
            host=place.host,
            port=place.port,
            database=place.database,
            query={"sslmode": place.sslmode} if place.sslmode is not None else {},
        ),
        connect_args={
            "application_name": "moorage",
            "connect_timeout": STATEMENT_SECONDS,
            "tcp_user_timeout": SILENT_SECONDS * 1000,
            "keepalives_idle": SILENT_SECONDS // 2,
            "keepalives_interval": 1,
            "keepalives_count": SILENT_SECONDS // 2,
            "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={STATEMENT_SECONDS}s",
        },
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=STATEMENT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    if place.password is not None:
        sa.event.listen(engine, "do_connect", _with_password(place.password))
    return engine


def _with_password(file: Path) -> Callable[..., None]:
    """The password is changed while the program runs, so each connection reads it anew."""

    def add(_dialect: sa.Dialect, _record: object, _args: object, given: dict[str, Any]) -> None:
        given["password"] = file.read_text(encoding="utf-8").strip()

    return add


def _migrate(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _told(place: SqlPlace | None = None) -> Iterator[None]:
    """Faults of the store in one class. Their text names no password: none stands in an address."""
    try:
        yield
    # A CommandError: a later version made its tables. A ValueError: a password or a file's name that is no text.
    except (SQLAlchemyError, CommandError, OSError, ValueError) as exc:
        where = "" if place is None else f"{place}: "
        raise UsageAwayError(f"{where}{getattr(exc, 'orig', None) or exc}") from exc
