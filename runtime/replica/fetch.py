"""Reads a URL that a caller named, without becoming the caller's way into the private network.

The name is resolved once, every address must be public, and the connection goes to exactly that
address; no redirect is followed, no proxy is asked, time and size are bounded.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from urllib.parse import SplitResult, urlsplit

from runtime.replica.errors import InputError
from runtime.replica.settings import media_may_be_private

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 60.0
MAX_BYTES = 256 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that a gateway turns into the IPv4 address in their last 32 bits."""


class FetchError(InputError):
    """The URL may not be read, or could not be."""


def fetch(url: str, max_bytes: int = MAX_BYTES, seconds: float = TOTAL_SECONDS) -> bytes:
    """The content of an http or https URL.

    Raises:
        FetchError: Not such a URL, a private address, no 200, too large, or too slow.
    """
    parts = _checked(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    deadline = time.monotonic() + seconds
    try:
        connection = _connect(parts.scheme, host, port, _public_address(host, port))
        try:
            return _read(connection, parts, max_bytes, deadline)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as exc:
        raise FetchError(f"{host} could not be read: {exc}") from exc


def is_public(address: str) -> bool:
    """Whether `address` is on the public internet, also where IPv6 hides an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        hidden = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in NAT64:
            hidden = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if hidden:
            return is_public(str(hidden))
    return ip.is_global and not ip.is_multicast


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as exc:
        raise FetchError("not a URL") from exc
    if not usable or parts.username is not None:
        raise FetchError("only http and https URLs without a user name are read")
    return parts


def _public_address(host: str, port: int) -> str:
    """The first address of `host`, of which none may be private: a mixed answer is an attack."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not media_may_be_private() and not all(is_public(address) for address in addresses):
        raise FetchError(f"{host} is not on the public internet")
    return addresses[0]


def _connect(scheme: str, host: str, port: int, address: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
    plain = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    if scheme == "http":
        connection.sock = plain
        return connection
    try:
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise
    return connection


def _read(
    connection: http.client.HTTPConnection, parts: SplitResult, max_bytes: int, deadline: float
) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"Host": parts.netloc, "Accept": "*/*"})
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise FetchError(f"{parts.hostname} answered {response.status}; redirects are not followed")
    content = bytearray()
    while chunk := response.read1(CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise FetchError(f"{parts.hostname} sent more than {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise FetchError(f"{parts.hostname} took too long")
    return bytes(content)
