"""What the gateway is told by its environment; the only place that reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.gateway.room import DEFAULT_MOST, Most
from runtime.gateway.visible import Ingress
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
    """Where the gateway listens and where its state is."""

    state: Path
    """`MOORAGE_STATE`: folder of records, tokens and objects; `.moorage` unless given."""
    namespace: str | None
    """`MOORAGE_NAMESPACE`: where records are watched in a cluster; absent: they are files below `state`."""
    tokens: Path
    """`MOORAGE_TOKENS`: file of tokens' hashes; below `state` unless given."""
    queue_url: str
    """`MOORAGE_QUEUE_URL`: the Valkey server, such as `valkey://127.0.0.1:6379`."""
    host: str
    """`MOORAGE_HOST`: address of the clients' ports; 127.0.0.1 unless given."""
    port: int
    """`MOORAGE_PORT`: clients' port; 8484 unless given, 0 for any free one."""
    all_port: int | None
    """`MOORAGE_ALL_PORT`: a second port, for endpoints of every ingress; `port` then has the public ones only."""
    domain: str | None
    """`MOORAGE_DOMAIN`: endpoints and platform have hosts of it; absent: paths, and names of localhost."""
    inner_port: int
    """`MOORAGE_INNER_PORT`: workers' port; any free one unless given."""
    inner_host: str | None
    """`MOORAGE_INNER_HOST`: where workers reach `inner_port`, which listens on `host` then; absent: on loopback."""
    api_url: str | None
    """`MOORAGE_API_URL`: the platform API to which `/v1` is passed on; absent: it is served here."""
    sql: SqlPlace | None
    """`MOORAGE_SQL`, `MOORAGE_SQL_PASSWORD_FILE`: where usage is kept; absent: a file below `state`, with
    `namespace` nowhere. With `api_url` nowhere: it is the API's."""
    public_url: str
    """`MOORAGE_PUBLIC_URL`: address for clients that send no usable Host; of the domain or `port` unless given."""
    grace_seconds: float
    """`MOORAGE_GRACE_SECONDS`: how long requests may still finish after SIGTERM; 30 unless given."""
    is_port_shared: bool
    """`MOORAGE_REUSE_PORT`: `1` lets a successor listen on `port` before this gateway has left; off unless given."""
    proxies: int
    """`MOORAGE_PROXIES`: proxies in front that each add their client to X-Forwarded-For; 0 unless given."""
    objects: Place
    """`MOORAGE_OBJECTS`: a folder, `valkey`, or `s3://bucket/prefix?endpoint=…&region=…`; below `state` unless given."""
    most: Most
    """`MOORAGE_MOST_CLIENTS`, `MOORAGE_MOST_BODY_MIB`, `MOORAGE_MOST_STORE_MIB`: bounds of the process in all."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings; an empty variable counts as absent.

        Raises:
            SettingsError: one is missing or wrong.
        """
        given = {name: value for name, value in environment.items() if value}
        queue_url = read_queue_url(given)
        places = Places(Path(given.get("MOORAGE_STATE", ".moorage")))
        port, domain = read_port(given, "MOORAGE_PORT", 8484), read_domain(given, "MOORAGE_DOMAIN")
        sql = read_sql(given, places.sql)
        return cls(
            state=places.state,
            namespace=given.get("MOORAGE_NAMESPACE"),
            tokens=Path(given["MOORAGE_TOKENS"]) if "MOORAGE_TOKENS" in given else places.tokens,
            queue_url=queue_url,
            host=given.get("MOORAGE_HOST", "127.0.0.1"),
            port=port,
            all_port=read_port(given, "MOORAGE_ALL_PORT", 0) if "MOORAGE_ALL_PORT" in given else None,
            domain=domain,
            inner_port=read_port(given, "MOORAGE_INNER_PORT", 0),
            inner_host=given.get("MOORAGE_INNER_HOST"),
            api_url=read_url(given, "MOORAGE_API_URL"),
            sql=None if "MOORAGE_API_URL" in given else sql,
            public_url=read_url(given, "MOORAGE_PUBLIC_URL")
            or (f"https://api.{domain}" if domain else f"http://127.0.0.1:{port}"),
            grace_seconds=read_number(given, "MOORAGE_GRACE_SECONDS", 30),
            is_port_shared=bool(read_number(given, "MOORAGE_REUSE_PORT", 0)),
            proxies=read_number(given, "MOORAGE_PROXIES", 0),
            objects=read_place(given, "MOORAGE_OBJECTS", places.objects),
            most=Most(
                clients=read_number(given, "MOORAGE_MOST_CLIENTS", DEFAULT_MOST.clients),
                body_mib=read_number(given, "MOORAGE_MOST_BODY_MIB", DEFAULT_MOST.body_mib),
                store_mib=read_number(given, "MOORAGE_MOST_STORE_MIB", DEFAULT_MOST.store_mib),
            ),
        )

    @property
    def port_ingress(self) -> Ingress:
        """What clients of `port` may see. Only on one machine is one port public and all."""
        return "all" if self.all_port is None and self.domain is None else "public"
