"""Which endpoint a request is for, and under which addresses platform and endpoints are reached."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from runtime.gateway.errors import UnknownHostError
from runtime.gateway.incoming import Incoming, is_localhost
from runtime.gateway.registry import Endpoints

_PREFIX = b"/e/"
_PLATFORM_LABEL = "api"


class Destination(NamedTuple):
    """An endpoint's name, and the path and query for its model, percent-encoded as they came."""

    endpoint: str
    path: str
    query: str

    @property
    def target(self) -> str:
        """Path and query together."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Addresses(Protocol):
    """Where everything is. Host and path decide; what a proxy says of either (`X-Forwarded-Host`) never does."""

    hint: str
    """Where endpoints and the API are, for whoever asked for something else."""

    def destination_of(self, incoming: Incoming) -> Destination | None:
        """Where a request goes; None when it is the platform's own.

        Raises:
            UnknownHostError: nothing answers at its host.
        """
        ...

    def platform_url(self, incoming: Incoming) -> str:
        """The platform's address as this client can reach it."""
        ...

    def endpoint_urls(self, name: str, incoming: Incoming) -> Sequence[str]:
        """An endpoint's addresses, the one to show first."""
        ...


class LocalAddresses:
    """One machine: `/e/<endpoint>/…` on any host, and `<endpoint>.localhost`."""

    hint = "Endpoints are at /e/<endpoint>/…, the API at /v1/…"

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def destination_of(self, incoming: Incoming) -> Destination | None:
        """See `Addresses.destination_of`; every host is known."""
        name, dot, rest = incoming.host.partition(".")
        query = incoming.query.decode("latin-1")
        if dot and is_localhost(rest):
            return Destination(name.lower(), incoming.path.decode("latin-1"), query)
        if incoming.path.startswith(_PREFIX):
            endpoint, _, path = incoming.path[len(_PREFIX) :].decode("latin-1").partition("/")
            return Destination(endpoint, "/" + path, query)
        return None

    def platform_url(self, incoming: Incoming) -> str:
        """See `Addresses.platform_url`: the host that the client used, where it is one."""
        if not incoming.host:
            return self._public_url
        _, endpoint_dot, rest = incoming.host.partition(".")
        host = rest if endpoint_dot and is_localhost(rest) else incoming.host
        return f"{incoming.scheme}://{host}"

    def endpoint_urls(self, name: str, incoming: Incoming) -> Sequence[str]:
        """See `Addresses.endpoint_urls`; its own host only where the platform is `localhost`."""
        base = self.platform_url(incoming)
        scheme, _, host = base.partition("://")
        _, colon, port = host.partition(":")
        is_local = host.partition(":")[0] in {"localhost", "127.0.0.1"}
        own = [f"{scheme}://{name}.localhost{colon}{port}"] if is_local else []
        return [f"{base}/e/{name}", *own]


class DomainAddresses:
    """A domain: `<endpoint>-<account>.<domain>` passes every path through, `api.<domain>` is the platform."""

    def __init__(self, domain: str, public_url: str, account: Callable[[], str | None]) -> None:
        self._domain = domain
        self._public_url = public_url
        self._account = account
        self.hint = f"Endpoints are at https://<endpoint>-<account>.{domain}/…, the API at {public_url}/v1/…"

    def destination_of(self, incoming: Incoming) -> Destination | None:
        """See `Addresses.destination_of`."""
        host = _host_name(incoming.host)
        if host == f"{_PLATFORM_LABEL}.{self._domain}":
            return None
        suffix = self._suffix()
        if suffix is None or not host.endswith(suffix) or len(host) == len(suffix):
            raise UnknownHostError(f"Nothing answers at the host {host[:120]!r}. {self.hint}")
        path, query = incoming.path.decode("latin-1"), incoming.query.decode("latin-1")
        return Destination(host.removesuffix(suffix), path, query)

    def platform_url(self, _incoming: Incoming) -> str:
        """See `Addresses.platform_url`: always the public one, for an endpoint's host has no `/v1`."""
        return self._public_url

    def endpoint_urls(self, name: str, _incoming: Incoming) -> Sequence[str]:
        """See `Addresses.endpoint_urls`; scheme and port are those of the public address."""
        scheme, _, platform = self._public_url.partition("://")
        _, colon, port = platform.partition(":")
        suffix = self._suffix()
        return [] if suffix is None else [f"{scheme}://{name}{suffix}{colon}{port}"]

    def _suffix(self) -> str | None:
        """What follows an endpoint's name in its host; None while the account is not known."""
        account = self._account()
        return None if account is None else f"-{account}.{self._domain}"


def _host_name(host: str) -> str:
    """A Host header's name: lower case, without port and without the dot of a fully qualified one."""
    return host.partition(":")[0].lower().removesuffix(".")


def make_addresses(domain: str | None, public_url: str, endpoints: Endpoints) -> Addresses:
    """The addresses of a domain where one is given, else those of one machine."""
    if domain is None:
        return LocalAddresses(public_url)

    def account() -> str | None:
        record = endpoints.records.account
        return None if record is None else record.account

    return DomainAddresses(domain, public_url, account)
