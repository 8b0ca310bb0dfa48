"""Which endpoint a request is for, by its path or its Host, and what of its path the model sees."""

from typing import NamedTuple

from runtime.gateway.incoming import Incoming, is_localhost

_PREFIX = b"/e/"


class Destination(NamedTuple):
    """An endpoint's name, and the path and query for its model, percent-encoded as they came."""

    endpoint: str
    path: str
    query: str

    @property
    def target(self) -> str:
        """Path and query together."""
        return f"{self.path}?{self.query}" if self.query else self.path


def destination_of(incoming: Incoming) -> Destination | None:
    """Where a request goes; None when it is the platform's own.

    `<endpoint>.localhost` passes every path through; elsewhere `/e/<endpoint>/…` does.
    """
    name, dot, rest = incoming.host.partition(".")
    query = incoming.query.decode("latin-1")
    if dot and is_localhost(rest):
        return Destination(name.lower(), incoming.path.decode("latin-1"), query)
    if incoming.path.startswith(_PREFIX):
        endpoint, _, path = incoming.path[len(_PREFIX) :].decode("latin-1").partition("/")
        return Destination(endpoint, "/" + path, query)
    return None
