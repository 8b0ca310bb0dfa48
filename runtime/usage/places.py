"""Where usage is kept, as a setting says it: `sqlite:///file` or `postgresql://user@host:port/database`."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

POSTGRES_PORT = 5432
_MEND = "Give sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE"
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class BadSqlPlaceError(ValueError):
    """The text names no database; the message says how to mend it and repeats no password."""


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """A file; one machine's programs may share it."""

    file: Path

    def __str__(self) -> str:
        return f"sqlite:///{self.file}"


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A database of a server."""

    user: str
    host: str
    port: int
    database: str
    sslmode: str | None
    """As libpq has it; None for its own default."""
    password: Path | None
    """File with the password, read at each connection; None where none is asked for."""

    def __str__(self) -> str:
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"


SqlPlace = SqlitePlace | PostgresPlace


def parse_sql_place(text: str, password: Path | None) -> SqlPlace:
    """The database that a setting names.

    Raises:
        BadSqlPlaceError: it names none, or has a password in it.
    """
    try:
        parts = urlsplit(text)
    except ValueError:  # its words hold the address, and so whatever stands in it
        raise BadSqlPlaceError(f"it is no address. {_MEND}") from None
    if parts.scheme == "sqlite":
        # As SQLAlchemy writes it: three slashes before a relative path, four before an absolute one.
        if parts.netloc or len(parts.path) <= 1 or parts.query:
            raise BadSqlPlaceError("sqlite: names no file. Give sqlite:////absolute/file")
        return SqlitePlace(Path(unquote(parts.path[1:])))
    if parts.scheme != "postgresql":
        raise BadSqlPlaceError(f"{parts.scheme or 'it'} is no database. {_MEND}")
    if parts.password is not None:
        raise BadSqlPlaceError(
            "a password stands in the address. Put it in a file: MOORAGE_SQL_PASSWORD_FILE"
        )
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    sslmode = options.pop("sslmode", None)
    if options:
        raise BadSqlPlaceError(
            f"{', '.join(sorted(options))}: no option of postgresql://. Give sslmode or none"
        )
    if sslmode is not None and sslmode not in _SSL_MODES:
        raise BadSqlPlaceError(f"sslmode={sslmode} is none. Give one of {', '.join(_SSL_MODES)}")
    try:
        port = POSTGRES_PORT if parts.port is None else parts.port
    except ValueError as exc:
        raise BadSqlPlaceError("the port of postgresql:// is none. Give one such as 5432") from exc
    database = unquote(parts.path.strip("/"))
    if not parts.username or not parts.hostname or not database or "/" in database:
        raise BadSqlPlaceError(f"postgresql:// lacks user, host or database. {_MEND}")
    return PostgresPlace(unquote(parts.username), parts.hostname, port, database, sslmode, password)
