"""What the gateway is told by its environment; the only place that reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.gateway.room import DEFAULT_MOST, Most

_NUMBER = re.compile(r"[0-9]{1,9}")
_MOST_PORT = 65_535


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and how to mend it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the gateway listens and where its state is."""

    state: Path
    """`MOORAGE_STATE`: folder of records, tokens and objects; `.moorage` unless given."""
    queue_url: str
    """`MOORAGE_QUEUE_URL`: the Valkey server, such as `valkey://127.0.0.1:6379`."""
    host: str
    """`MOORAGE_HOST`: address of both ports; 127.0.0.1 unless given."""
    port: int
    """`MOORAGE_PORT`: clients' port; 8484 unless given, 0 for any free one."""
    inner_port: int
    """`MOORAGE_INNER_PORT`: workers' port, on the loopback interface; any free one unless given."""
    public_url: str
    """`MOORAGE_PUBLIC_URL`: address for clients that send no usable Host; of `port` unless given."""
    grace_seconds: float
    """`MOORAGE_GRACE_SECONDS`: how long requests may still finish after SIGTERM; 30 unless given."""
    is_port_shared: bool
    """`MOORAGE_REUSE_PORT`: `1` lets a successor listen on `port` before this gateway has left; off unless given."""
    most: Most
    """`MOORAGE_MOST_CLIENTS`, `MOORAGE_MOST_BODY_MIB`, `MOORAGE_MOST_STORE_MIB`: bounds of the process in all."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings; an empty variable counts as absent.

        Raises:
            SettingsError: one is missing or wrong.
        """
        given = {name: value for name, value in environment.items() if value}
        if "MOORAGE_QUEUE_URL" not in given:
            raise SettingsError("MOORAGE_QUEUE_URL is not set. Give the queue's address: valkey://HOST:PORT")
        port = _port(given, "MOORAGE_PORT", 8484)
        return cls(
            state=Path(given.get("MOORAGE_STATE", ".moorage")),
            queue_url=given["MOORAGE_QUEUE_URL"],
            host=given.get("MOORAGE_HOST", "127.0.0.1"),
            port=port,
            inner_port=_port(given, "MOORAGE_INNER_PORT", 0),
            public_url=given.get("MOORAGE_PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/"),
            grace_seconds=_number(given, "MOORAGE_GRACE_SECONDS", 30),
            is_port_shared=bool(_number(given, "MOORAGE_REUSE_PORT", 0)),
            most=Most(
                clients=_number(given, "MOORAGE_MOST_CLIENTS", DEFAULT_MOST.clients),
                body_mib=_number(given, "MOORAGE_MOST_BODY_MIB", DEFAULT_MOST.body_mib),
                store_mib=_number(given, "MOORAGE_MOST_STORE_MIB", DEFAULT_MOST.store_mib),
            ),
        )


def _port(given: Mapping[str, str], name: str, default: int) -> int:
    port = _number(given, name, default)
    if port > _MOST_PORT:
        raise SettingsError(f"{name}: {port} is no port. Give one from 0 to {_MOST_PORT}")
    return port


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if _NUMBER.fullmatch(text) is None:
        raise SettingsError(f"{name}: {text!r} is no whole number. Give one such as {default}")
    return int(text)
