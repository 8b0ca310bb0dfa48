"""List and watch: all objects of a kind, then what changes about them, for as long as one listens."""

import json
import random
from asyncio import sleep
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

from aiohttp import ClientError, ClientResponse
from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import ApiClient, ClusterError, Object, Query

PAGE = 500
"""Objects that one answer of a list holds at most."""
LIST_SECONDS = 30.0
FAULTS = (ClusterError, ClientError, OSError, TimeoutError, ValueError)
"""What ends a watch: the API refuses, goes away, or sends what is no JSON."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new since the last ones."""

    is_whole: bool
    """Whether these are all objects: what is not among `present` is gone."""
    present: tuple[Object, ...]
    gone: tuple[str, ...] = ()
    """Names of deleted objects."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a watch lasts, and how long to wait after a fault."""

    watch_seconds: int = 90
    """The server ends a watch after so long, up to a third more; the next goes on where it stopped."""
    grace_seconds: float = 10.0
    """How much later the client gives up a watch that the server has not ended: its connection is dead."""
    first_delay: float = 0.2
    most_delay: float = 20.0
    settled_seconds: float = 5.0
    """A watch that lived so long starts the delays anew."""
    jitter: Callable[[], float] = random.random

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many faults in a row; half of it is chance, so that not all come at once."""
        longest = min(self.most_delay, self.first_delay * float(1 << min(failures, 16)))
        return longest * (1 + self.jitter()) / 2


async def follow_objects(
    client: ApiClient, path: str, log: FilteringBoundLogger, *, label: str, pace: Pace | None = None
) -> AsyncGenerator[Changes, None]:
    """All objects, then each batch of changes; listed anew after every fault. Never ends.

    Args:
        client: of their API server.
        path: of their kind, as `runtime.cluster.paths` gives it.
        log: hears of faults, each kind once in a row.
        label: only objects that carry it.
        pace: how long to wait for what.
    """
    listing = _Listing(client, path, label)
    pace = pace or Pace()
    failures = 0
    while True:
        begun = monotonic()
        try:
            async with aclosing(_list_and_watch(listing, pace)) as changes:
                async for change in changes:
                    yield change
        except FAULTS as exc:
            failures = 0 if monotonic() - begun >= pace.settled_seconds else failures + 1
            if failures <= 1:
                log.warning("watch is listed anew", path=path, fault=str(exc))
        await sleep(pace.delay(failures))


@dataclass(frozen=True, slots=True)
class _Listing:
    """Which objects are followed, and where."""

    client: ApiClient
    path: str
    label: str


async def _list_and_watch(listing: _Listing, pace: Pace) -> AsyncGenerator[Changes, None]:
    """One list, and watches from there on until a fault.

    Raises:
        ClusterError: the API refused, or the version that the watch went on from is too old.
    """
    objects, version = await _list_all(listing)
    yield Changes(is_whole=True, present=tuple(objects))
    while True:
        begun, heard = monotonic(), False
        async with aclosing(_watch(listing, version, pace)) as batches:
            async for batch in batches:
                heard = True
                version = _version(batch[-1]["object"], version)
                changes = _changes(batch)
                if changes.present or changes.gone:
                    yield changes
        if not heard and monotonic() - begun < 1.0:
            raise ClusterError(0, "the watch ended as soon as it began")


async def _list_all(listing: _Listing) -> tuple[list[Object], str]:
    """Every page, and the version that a watch goes on from."""
    objects: list[Object] = []
    query: Query = {"labelSelector": listing.label, "limit": PAGE}
    while True:
        page = await listing.client.read(listing.path, query, seconds=LIST_SECONDS)
        objects += page.get("items") or ()
        more = page["metadata"].get("continue")
        if not more:
            return objects, str(page["metadata"].get("resourceVersion", ""))
        query = {**query, "continue": more}


async def _watch(listing: _Listing, version: str, pace: Pace) -> AsyncGenerator[list[Object], None]:
    """Batches of events, as they come in one read, until the server ends the watch."""
    seconds = round(pace.watch_seconds * (1 + pace.jitter() / 3))
    query: Query = {
        "labelSelector": listing.label,
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": seconds,
    }
    response = await listing.client.open(listing.path, query, seconds=seconds + pace.grace_seconds)
    try:
        async with aclosing(_lines(response)) as batches:
            async for lines in batches:
                yield [_event(line) for line in lines]
    finally:
        response.close()


async def _lines(response: ClientResponse) -> AsyncGenerator[list[bytes], None]:
    """Whole lines, as many as one read brings."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if lines := [line for line in lines if line.strip()]:
            yield lines
    if rest.strip():
        raise ClusterError(0, "the watch broke off within an event")


def _event(line: bytes) -> Object:
    event = json.loads(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ClusterError(0, "an event without an object")
    if event.get("type") == "ERROR":
        told = event["object"]
        raise ClusterError(int(told.get("code") or 0), str(told.get("message") or told.get("reason")))
    return event


def _version(found: Object, before: str) -> str:
    return str(found.get("metadata", {}).get("resourceVersion") or before)


def _changes(batch: list[Object]) -> Changes:
    """The last word on each object of a batch."""
    last = {event["object"]["metadata"]["name"]: event for event in batch if event.get("type") != "BOOKMARK"}
    return Changes(
        is_whole=False,
        present=tuple(event["object"] for event in last.values() if event["type"] != "DELETED"),
        gone=tuple(name for name, event in last.items() if event["type"] == "DELETED"),
    )
