"""The databases that one contract holds for, each empty."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres_server import PostgresServer, find_programs, make_database

from runtime.usage.ledger import Ledger
from runtime.usage.places import SqlitePlace, SqlPlace

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL, for the whole run."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL here: install Debian's package postgresql")
    with PostgresServer(programs) as server:
        yield server


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=[pytest.mark.slow, pytest.mark.timeout(120)])]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    """A database without tables."""
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "state" / "platform.sqlite")
    server: PostgresServer = request.getfixturevalue("postgres")
    return make_database(server, tmp_path, f"usage{next(_numbers)}")


@pytest.fixture
def ledger(place: SqlPlace) -> Iterator[Ledger]:
    """An open store in it."""
    opened = Ledger.open(place)
    yield opened
    opened.close()
