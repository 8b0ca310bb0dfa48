"""Values of environment variables, read with an error that names the variable and how to mend it."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from runtime.objects.places import BadPlaceError, FolderPlace, Place, parse_place
from runtime.usage.places import BadSqlPlaceError, SqlitePlace, SqlPlace, parse_sql_place

_NUMBER = re.compile(r"[0-9]{1,9}")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_MOST_PORT = 65_535


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and how to mend it."""


def read_queue_url(given: Mapping[str, str]) -> str:
    """The queue's address, which must be given."""
    if "MOORAGE_QUEUE_URL" not in given:
        raise SettingsError("MOORAGE_QUEUE_URL is not set. Give the queue's address: valkey://HOST:PORT")
    return given["MOORAGE_QUEUE_URL"]


def read_number(given: Mapping[str, str], name: str, default: int) -> int:
    """A whole number, not below zero."""
    text = given.get(name, str(default))
    if _NUMBER.fullmatch(text) is None:
        raise SettingsError(f"{name}: {text!r} is no whole number. Give one such as {default}")
    return int(text)


def read_port(given: Mapping[str, str], name: str, default: int) -> int:
    """A port; 0 is one."""
    port = read_number(given, name, default)
    if port > _MOST_PORT:
        raise SettingsError(f"{name}: {port} is no port. Give one from 0 to {_MOST_PORT}")
    return port


def read_domain(given: Mapping[str, str], name: str) -> str | None:
    """A domain, in lower case and without dots around it; None where it is absent."""
    text = given.get(name)
    if text is None:
        return None
    domain = text.lower().strip(".")
    if _DOMAIN.fullmatch(domain) is None:
        raise SettingsError(f"{name}: {text!r} is no domain. Give one such as moorage.example.com")
    return domain


def read_place(given: Mapping[str, str], name: str, default: Path) -> Place:
    """Where objects are kept."""
    if name not in given:
        return FolderPlace(default)
    try:
        return parse_place(given[name])
    except BadPlaceError as exc:
        raise SettingsError(f"{name}: {exc}") from exc


def read_sql(given: Mapping[str, str], default: Path | None) -> SqlPlace | None:
    """Where the platform keeps what is its own; a file unless given, and nowhere without one or in a pod."""
    if "MOORAGE_SQL" not in given:
        return None if default is None or "MOORAGE_NAMESPACE" in given else SqlitePlace(default)
    password = given.get("MOORAGE_SQL_PASSWORD_FILE")
    try:
        return parse_sql_place(given["MOORAGE_SQL"], None if password is None else Path(password))
    except BadSqlPlaceError as exc:
        raise SettingsError(f"MOORAGE_SQL: {exc}") from exc


def read_url(given: Mapping[str, str], name: str) -> str | None:
    """An HTTP address without a slash at its end; None where it is absent."""
    text = given.get(name)
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"{name}: {text!r} is no address. Give one such as http://api.moorage.svc:8484")
    return text.rstrip("/")
