"""Where usage is kept, as a setting says it."""

from pathlib import Path

import pytest

from runtime.parsing import SettingsError, read_sql
from runtime.usage.places import BadSqlPlaceError, PostgresPlace, SqlitePlace, SqlPlace, parse_sql_place

SECRET = Path("/sql-login/password")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("sqlite:////sql/platform.sqlite", SqlitePlace(Path("/sql/platform.sqlite"))),
        ("sqlite:///state/a%20b.sqlite", SqlitePlace(Path("state/a b.sqlite"))),
        (
            "postgresql://moorage@db.example:6432/moorage?sslmode=require",
            PostgresPlace("moorage", "db.example", 6432, "moorage", "require", SECRET),
        ),
        ("postgresql://me@db/own", PostgresPlace("me", "db", 5432, "own", None, SECRET)),
    ],
)
def test_place_is_read(text: str, place: SqlPlace) -> None:
    """Both kinds; SQLite asks for no password."""
    assert parse_sql_place(text, SECRET) == place


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "mysql://me@db/own",
            "mysql is no database. Give sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE",
        ),
        ("/a/file", "it is no database"),
        ("sqlite:///", "names no file"),
        ("sqlite://host/file", "names no file"),
        ("postgresql://me:hunter2@db/own", "a password stands in the address"),
        ("postgresql://db/own", "lacks user, host or database"),
        ("postgresql://me@db", "lacks user, host or database"),
        ("postgresql://me@db:port/own", "the port of postgresql:// is none"),
        ("postgresql://[::1/own", "it is no address"),
        ("postgresql://me:hunter2\u2100@db/own", "it is no address"),
        ("postgresql://me@db/own?sslmode=yes", "sslmode=yes is none. Give one of disable, allow"),
        ("postgresql://me@db/own?sslcert=a", "sslcert: no option"),
    ],
)
def test_what_is_no_place_is_refused_with_its_mend(text: str, fault: str) -> None:
    """And no password is repeated."""
    with pytest.raises(BadSqlPlaceError) as refused:
        parse_sql_place(text, None)

    assert fault in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_fault_of_the_setting_names_it() -> None:
    """As all settings' do."""
    with pytest.raises(SettingsError, match="MOORAGE_SQL: mysql is no database"):
        read_sql({"MOORAGE_SQL": "mysql://x"}, None)


@pytest.mark.parametrize(
    ("given", "default", "place"),
    [
        ({}, None, None),
        ({}, Path("a.sqlite"), SqlitePlace(Path("a.sqlite"))),
        ({"MOORAGE_SQL": "sqlite:///b.sqlite"}, Path("a.sqlite"), SqlitePlace(Path("b.sqlite"))),
    ],
)
def test_absent_setting_means_the_file_of_the_machine(
    given: dict[str, str], default: Path | None, place: SqlPlace | None
) -> None:
    """Or nowhere, where there is none."""
    assert read_sql(given, default) == place
