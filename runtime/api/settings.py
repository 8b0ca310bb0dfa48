"""What the platform API is told by its environment; the only place that reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.objects.places import Place
from runtime.parsing import (
    read_domain,
    read_number,
    read_place,
    read_port,
    read_queue_url,
    read_sql,
    read_url,
)
from runtime.usage.places import SqlPlace
from runtime.wire.places import Places


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the API listens and what it looks at; each means what it means to the gateway."""

    state: Path
    """`MOORAGE_STATE`: folder of records, tokens and objects; `.moorage` unless given."""
    namespace: str | None
    """`MOORAGE_NAMESPACE`: where records are watched in a cluster; absent: they are files below `state`."""
    tokens: Path
    """`MOORAGE_TOKENS`: file of tokens' hashes; below `state` unless given."""
    queue_url: str
    """`MOORAGE_QUEUE_URL`: the Valkey server."""
    objects: Place
    """`MOORAGE_OBJECTS`: where large bodies and answers are; below `state` unless given."""
    sql: SqlPlace | None
    """`MOORAGE_SQL`, `MOORAGE_SQL_PASSWORD_FILE`: where usage is kept; absent: a file below `state`, with
    `namespace` nowhere."""
    host: str
    """`MOORAGE_HOST`: address of the port; 127.0.0.1 unless given. Only gateways may reach it."""
    port: int
    """`MOORAGE_PORT`: 8484 unless given, 0 for any free one."""
    domain: str | None
    """`MOORAGE_DOMAIN`: of the endpoints' hosts that answers name; absent: paths."""
    public_url: str
    """`MOORAGE_PUBLIC_URL`: the platform's address as answers name it; of the domain or `port` unless given."""
    grace_seconds: float
    """`MOORAGE_GRACE_SECONDS`: how long requests may still finish after SIGTERM; 30 unless given."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings; an empty variable counts as absent.

        Raises:
            SettingsError: one is missing or wrong.
        """
        given = {name: value for name, value in environment.items() if value}
        places = Places(Path(given.get("MOORAGE_STATE", ".moorage")))
        port, domain = read_port(given, "MOORAGE_PORT", 8484), read_domain(given, "MOORAGE_DOMAIN")
        return cls(
            state=places.state,
            namespace=given.get("MOORAGE_NAMESPACE"),
            tokens=Path(given["MOORAGE_TOKENS"]) if "MOORAGE_TOKENS" in given else places.tokens,
            queue_url=read_queue_url(given),
            objects=read_place(given, "MOORAGE_OBJECTS", places.objects),
            sql=read_sql(given, places.sql),
            host=given.get("MOORAGE_HOST", "127.0.0.1"),
            port=port,
            domain=domain,
            public_url=read_url(given, "MOORAGE_PUBLIC_URL")
            or (f"https://api.{domain}" if domain else f"http://127.0.0.1:{port}"),
            grace_seconds=read_number(given, "MOORAGE_GRACE_SECONDS", 30),
        )
