"""A client's request as the data path needs it: read from the ASGI scope in one pass over its headers."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.types import Scope

from runtime.wire import Headers
from runtime.wire.headers import ASYNC, HOP_BY_HOP, IDEMPOTENCY_KEY, PRIORITY

RawHeaders = list[tuple[bytes, bytes]]
INGRESS = "moorage-ingress"
"""Gateway to platform API: which port a request came by, `public` or `all`. What a client sends of it is dropped."""

_HOP_BY_HOP = frozenset(name.encode() for name in HOP_BY_HOP)
_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_PRIORITY, _KEY = PRIORITY.encode(), IDEMPOTENCY_KEY.encode()
_NOTED = (
    frozenset({b"host", b"authorization", b"connection", b"upgrade", ASYNC.encode(), _PRIORITY, _KEY})
    | _FORWARDED
    | _FRAMING
)
# The gateway itself answers `Expect`, and frames the body anew from what it read.
# Which port a request came by is the gateway's own word.
_NOT_PASSED = _HOP_BY_HOP | _FORWARDED | _FRAMING | {b"expect", INGRESS.encode()}
_PLAIN_CONNECTION = frozenset({b"", b"close", b"keep-alive"})
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")


@dataclass(slots=True)
class Incoming:
    """One request's head."""

    method: str
    path: bytes
    """Percent-encoded as it came."""
    query: bytes
    client: str
    """Address of the other end of the connection; empty when unknown."""
    scheme: str
    """`http` or `https`, as the client spoke to whatever ends TLS in front."""
    host: str
    """The Host header when it is one, else empty."""
    authorization: str
    is_async: bool
    is_websocket: bool
    is_framed: bool
    """Whether it announced a body, be it an empty one."""
    content_length: int | None
    priority: str
    """What X-Priority says; empty where it is absent."""
    key: str
    """What Idempotency-Key says; empty where it is absent."""
    passed_on: RawHeaders
    """Headers for the model: end-to-end ones, in order, and the forwarding ones."""

    def headers_for_model(self, body_bytes: int, *, with_authorization: bool) -> Headers:
        """The headers that the model will see, with a length that is true of the body that was read."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self.passed_on
            if with_authorization or name != b"authorization"
        ]
        if self.is_framed:
            headers.append(("content-length", str(body_bytes)))
        return tuple(headers)


def read_incoming(scope: Scope) -> Incoming:
    """The head of the request that an ASGI scope describes."""
    noted: dict[bytes, bytes] = {}
    passed_on: RawHeaders = []
    for pair in scope["headers"]:
        name = pair[0]
        if name in _NOTED:
            # A repeated header is joined, so that two of them never count as one good one.
            noted[name] = noted[name] + b", " + pair[1] if name in noted else pair[1]
        if name not in _NOT_PASSED:
            passed_on.append(pair)
    passed_on = _without_named(passed_on, noted.get(b"connection", b""))
    client = scope["client"][0] if scope.get("client") else ""
    scheme = _scheme(noted.get(b"x-forwarded-proto"), scope.get("scheme", "http"))
    passed_on += _forwarding(noted, client, scheme)
    host = noted.get(b"host", b"").decode("latin-1")
    length = noted.get(b"content-length", b"")
    return Incoming(
        method=scope["method"],
        path=scope["raw_path"],
        query=scope["query_string"],
        client=client,
        scheme=scheme,
        host=host if _HOST.fullmatch(host) else "",
        authorization=noted.get(b"authorization", b"").decode("latin-1"),
        is_async=noted.get(b"x-octoai-async") == b"1",
        is_websocket=noted.get(b"upgrade", b"").lower() == b"websocket",
        is_framed=b"content-length" in noted or b"transfer-encoding" in noted,
        content_length=int(length) if length.isdigit() else None,
        priority=noted.get(_PRIORITY, b"").decode("latin-1"),
        key=noted.get(_KEY, b"").decode("latin-1"),
        passed_on=passed_on,
    )


def client_behind(incoming: Incoming, proxies: int) -> str:
    """Address of the client behind so many proxies that each add the one they see to X-Forwarded-For.

    What stands before theirs is the client's own word. Without as many entries, or where one is no address, it
    is the other end of the connection.
    """
    if not proxies:
        return incoming.client
    forwarded = next(value for name, value in incoming.passed_on if name == b"x-forwarded-for")
    chain = [entry.strip() for entry in forwarded.decode("latin-1").split(",")]
    try:
        return str(ip_address(chain[-1 - proxies]))
    except (IndexError, ValueError):
        return incoming.client


def is_localhost(host: str) -> bool:
    """Whether it is the name `localhost`, with a port or without."""
    return host.partition(":")[0].lower() == "localhost"


def _without_named(headers: RawHeaders, connection: bytes) -> RawHeaders:
    """Headers less those that Connection names: they are of this connection only (RFC 9110 section 7.6.1)."""
    if connection.lower() in _PLAIN_CONNECTION:
        return headers
    named = {token.strip().lower() for token in connection.split(b",")} - {b"host"}
    return [pair for pair in headers if pair[0] not in named]


def _scheme(forwarded: bytes | None, own: str) -> str:
    return forwarded.decode() if forwarded in {b"http", b"https"} else own


def _forwarding(noted: dict[bytes, bytes], client: str, scheme: str) -> RawHeaders:
    before = noted.get(b"x-forwarded-for")
    chain = before + b", " + client.encode() if before else client.encode()
    return [
        (b"x-forwarded-for", chain),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", noted.get(b"x-forwarded-host", noted.get(b"host", b""))),
    ]
