"""A copy of all objects of one kind in one namespace, by the endpoint that they belong to."""

from collections.abc import Collection, Mapping
from contextlib import aclosing

from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import ApiClient, Object
from runtime.cluster.watching import Pace, follow_objects
from runtime.wire.cluster import LABEL_ENDPOINT


class Mirror:
    """Objects that carry an endpoint's label, as fresh as the watch is, or fresher where we wrote them."""

    def __init__(
        self, client: ApiClient, path: str, log: FilteringBoundLogger, pace: Pace | None = None
    ) -> None:
        self._client = client
        self._path = path
        self._log = log
        self._pace = pace
        self._endpoints: dict[str, dict[str, Object]] = {}
        self._owner: dict[str, str] = {}
        """An object's name to its endpoint."""
        self.is_known = False
        """Whether all of them were listed once."""

    @property
    def endpoints(self) -> Collection[str]:
        """Endpoints that have any."""
        return self._endpoints.keys()

    def of(self, endpoint: str) -> Mapping[str, Object]:
        """An endpoint's objects by name."""
        return self._endpoints.get(endpoint, {})

    async def run(self) -> None:
        """Keep the copy up to date; never returns."""
        follow = follow_objects(self._client, self._path, self._log, label=LABEL_ENDPOINT, pace=self._pace)
        async with aclosing(follow) as batches:
            async for changes in batches:
                for found in changes.present:
                    self.put(found)
                gone = set(changes.gone)
                if changes.is_whole:
                    gone |= set(self._owner) - {found["metadata"]["name"] for found in changes.present}
                for name in gone:
                    self._drop(name)
                self.is_known = True

    def put(self, found: Object) -> None:
        """Take an object over unless a newer version of it is there."""
        metadata = found["metadata"]
        name, endpoint = metadata["name"], (metadata.get("labels") or {}).get(LABEL_ENDPOINT, "")
        before = self._endpoints.get(self._owner.get(name, ""), {}).get(name)
        is_same = before is not None and before["metadata"].get("uid") == metadata.get("uid")
        if before is not None and is_same and version_of(found) < version_of(before):
            return
        self._drop(name)
        metadata.pop("managedFields", None)  # half of the object's memory, and nothing for us
        self._owner[name] = endpoint
        self._endpoints.setdefault(endpoint, {})[name] = found

    def _drop(self, name: str) -> None:
        endpoint = self._owner.pop(name, None)
        if endpoint is None:
            return
        self._endpoints[endpoint].pop(name, None)
        if not self._endpoints[endpoint]:
            del self._endpoints[endpoint]


def version_of(found: Object) -> int:
    """An object's resourceVersion as a number: a later one is larger. 0 where it is none.

    Source: KEP-5504, "Comparable Resource Version", which only wrote down what etcd always gave.
    """
    text = str(found["metadata"].get("resourceVersion") or "")
    return int(text) if text.isdigit() else 0
