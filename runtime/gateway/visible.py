"""What the clients of one port may know of: the one filter between an endpoint's `ingress` and whoever asks.

Everything that serves clients (the data path, `/v1`, later the router of models by name) is given a `Visible`
and never the registry itself. So what a port must not show is not there for it: it is answered in the same words
as what does not exist.
"""

import difflib
from dataclasses import replace
from typing import Literal

from runtime.gateway.errors import UnknownEndpointError
from runtime.gateway.registry import Endpoints, Records, Served

Ingress = Literal["public", "all"]
"""`public`: endpoints that face the internet; `all`: the private ones too."""


class Visible:
    """The records as one port's clients may see them."""

    def __init__(self, endpoints: Endpoints, ingress: Ingress) -> None:
        self._endpoints = endpoints
        self._ingress = ingress
        self._source: Records | None = None
        self._seen = Records()

    @property
    def ingress(self) -> Ingress:
        """Which port's view this is."""
        return self._ingress

    @property
    def records(self) -> Records:
        """What there is to see now; worked out once a change, for every request reads it."""
        source = self._endpoints.records
        if source is not self._source:
            self._source, self._seen = source, seen_through(source, self._ingress)
        return self._seen

    def find(self, name: str) -> Served:
        """The endpoint of that name.

        Raises:
            UnknownEndpointError: there is none to be seen; its message names a near miss among those that are.
        """
        served = self.records.endpoints.get(name)
        if served is None:
            raise UnknownEndpointError(self._unknown(name))
        return served

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.records.endpoints, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"There is no endpoint {name[:80]!r}.{hint}"


def seen_through(records: Records, ingress: Ingress) -> Records:
    """The records less the endpoints that do not belong on such a port."""
    if ingress == "all":
        return records
    endpoints = {
        name: served for name, served in records.endpoints.items() if served.record.ingress == "public"
    }
    return replace(records, endpoints=endpoints)
