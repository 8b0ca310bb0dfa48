"""Bounded load of async, sync and keyed requests, and a ledger of what became of each.

Each request carries a text of its own, which the model echoes: an answer that belongs to another is `wrong`.
An async request is followed, and one with a key repeated, through every failure until its deadline; a plain
sync one is sent once.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx
from e2e.client import Platform

ROUTE = "/infer"
PAUSE_SECONDS = 0.25
AGAIN = frozenset({429, 502, 503, 504})
REFUSALS = frozenset(
    {
        "queue-full",
        "rate-limited",
        "gateway-full",
        "store-full",
        "store-unavailable",
        "queue-unavailable",
        "not-ready",
        "switched-off",
        "stopping",
    }
)
"""Errors of a request that was never accepted."""


class Kind(StrEnum):
    """How a request is sent."""

    ASYNC = "async"
    SYNC = "sync"
    KEYED = "keyed"


class Fate(StrEnum):
    """What became of a request."""

    OPEN = "open"
    ANSWERED = "answered"
    REFUSED = "refused"
    """Never accepted: an error that says so, or nobody listened."""
    FAILED = "failed"
    """Accepted, as far as one can know, and not answered."""
    WRONG = "wrong"
    """The answer of another request."""


@dataclass(slots=True)
class Entry:
    """One request, times of `time.monotonic`."""

    number: int
    kind: Kind
    tag: str
    begun_at: float
    accepted_at: float | None = None
    """Async requests: when the 201 came."""
    ended_at: float | None = None
    request_id: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    fate: Fate = Fate.OPEN
    why: str = ""
    retries: int = 0
    """How often it, or a poll for it, had to be sent again."""
    answer: dict[str, Any] = field(default_factory=dict)
    """The model's: pod, run, started, ended, overlaps, echo."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From its beginning to its end."""
        return (self.ended_at or time.monotonic()) - self.begun_at


@dataclass(slots=True)
class Ledger:
    """All requests of a load."""

    entries: list[Entry] = field(default_factory=list)

    def count(self, fate: Fate, *kinds: Kind) -> int:
        """How many of these kinds (all, unless given) met a fate."""
        return sum(each.fate is fate and (not kinds or each.kind in kinds) for each in self.entries)

    def lost(self, *kinds: Kind) -> list[Entry]:
        """Those of these kinds (all, unless given) that were neither answered nor refused."""
        good = {Fate.ANSWERED, Fate.REFUSED}
        return [each for each in self.entries if each.fate not in good and (not kinds or each.kind in kinds)]

    def told(self) -> str:
        """In one line: counts by kind and fate."""
        counts = Counter((each.kind, each.fate) for each in self.entries)
        return ", ".join(f"{kind} {fate}: {count}" for (kind, fate), count in sorted(counts.items()))

    def pods(self) -> dict[str, int]:
        """Which pod answered how many."""
        return dict(Counter(str(each.answer.get("pod")) for each in self.entries if each.answer))

    def overlaps(self) -> int:
        """Requests that a model saw come while it worked on another."""
        return max((int(each.answer.get("overlaps", 0)) for each in self.entries if each.answer), default=0)

    def require_none_lost(self, *kinds: Kind) -> None:
        """Hold all of these kinds (all, unless given) to an answer.

        Raises:
            AssertionError: one was lost or wrong; the first few are told.
        """
        lost = self.lost(*kinds)
        told = [
            f"{each.kind} {each.number} ({each.request_id}): {each.fate}, {each.why}" for each in lost[:5]
        ]
        assert not lost, f"{len(lost)} of {len(self.entries)} lost: {told}"

    def require_undisturbed(self) -> None:
        """Hold all to an answer at the first try: where nothing is killed nobody is refused either.

        Raises:
            AssertionError: one was refused, lost or sent again; the first few are told.
        """
        disturbed = [each for each in self.entries if each.fate is not Fate.ANSWERED or each.retries]
        told = [
            f"{each.kind} {each.number}: {each.fate}, {each.retries} retries, {each.why}"
            for each in disturbed
        ]
        assert not disturbed, f"{len(disturbed)} of {len(self.entries)} disturbed: {told[:5]}"


@dataclass(slots=True)
class Load:
    """Sends requests to one endpoint and writes down what becomes of them."""

    platform: Platform
    endpoint: str
    deadline_seconds: float = 120.0
    """After so long without an answer a request counts as failed."""
    ledger: Ledger = field(default_factory=Ledger)
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def open(self) -> None:
        """Make the clients now, so that the first request is not the slower for it."""
        for whose in ("endpoint", "api"):
            await self._client(whose)

    async def send(self, kind: Kind | str = Kind.SYNC, **body: Any) -> Entry:
        """Send one request (`seconds=1.5`, `hang=True`, … are its body) and follow it to its end; never raises."""
        tag = uuid4().hex
        entry = Entry(len(self.ledger.entries), Kind(kind), tag, time.monotonic(), body={**body, "echo": tag})
        self.ledger.entries.append(entry)
        way = {Kind.ASYNC: self._async, Kind.KEYED: self._keyed, Kind.SYNC: self._sync}[entry.kind]
        try:
            async with asyncio.timeout(self.deadline_seconds):
                await way(entry)
        except TimeoutError:
            entry.fate, entry.why = Fate.FAILED, f"no answer in time; last: {entry.why or 'nothing'}"
        entry.ended_at = time.monotonic()
        return entry

    async def burst(self, count: int, kinds: Sequence[Kind | str] = (Kind.SYNC,), **body: Any) -> list[Entry]:
        """So many at once, their kinds in turn; returns when all have ended."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.send(kinds[number % len(kinds)], **body)) for number in range(count)
            ]
        return [task.result() for task in tasks]

    async def flow(
        self, count: int, seconds: float, /, kinds: Sequence[Kind | str] = (Kind.SYNC,), **body: Any
    ) -> list[Entry]:
        """So many, begun evenly over so many seconds, their kinds in turn; returns when all have ended."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(count):
                await asyncio.sleep(begun + number * seconds / count - time.monotonic())
                tasks.append(group.create_task(self.send(kinds[number % len(kinds)], **body)))
        return [task.result() for task in tasks]

    async def stream(
        self,
        every: float,
        is_over: asyncio.Event,
        most: int,
        /,
        kinds: Sequence[Kind | str] = (Kind.SYNC,),
        **body: Any,
    ) -> None:
        """One each so many seconds, their kinds in turn, until it is over; returns when all have ended.

        Raises:
            AssertionError: it is not over after so many.
        """
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            number = 0
            while not is_over.is_set():
                assert number < most, f"not over after {most} requests"
                group.create_task(self.send(kinds[number % len(kinds)], **body))
                number += 1
                left = begun + number * every - time.monotonic()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(is_over.wait(), max(0.0, left))

    async def ask_again(self, entry: Entry) -> Mapping[str, Any]:
        """What is said to somebody who asks once more for a kept answer: by its id, or with its key."""
        if entry.kind is Kind.ASYNC:
            client = await self._client("api")
            reply = await client.get(f"/v1/responses/{entry.request_id}")
        else:
            reply = await self._post(Entry(0, entry.kind, entry.tag, 0.0, body=entry.body))
        found: Mapping[str, Any] = reply.json()
        return found

    async def _sync(self, entry: Entry) -> None:
        """Sent once: again only where it was surely not accepted."""
        while True:
            try:
                reply = await self._post(entry)
            except httpx.ConnectError as exc:
                entry.retries, entry.why = entry.retries + 1, _told(exc)
            except httpx.HTTPError as exc:
                entry.fate, entry.why = Fate.FAILED, _told(exc)
                return None
            else:
                if _code(reply) not in {"queue-unavailable", "stopping"}:
                    return self._close(entry, reply)
                entry.retries, entry.why = entry.retries + 1, _reply(reply)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _keyed(self, entry: Entry) -> None:
        """The same key again and again until there is an answer."""
        reply = await self._insist(entry, HTTPStatus.OK)
        if reply is not None:
            self._close(entry, reply)

    async def _async(self, entry: Entry) -> None:
        """An id, then polls, then the answer."""
        reply = await self._insist(entry, HTTPStatus.CREATED)
        if reply is None:
            return
        entry.accepted_at, entry.request_id = time.monotonic(), reply.json()["response_id"]
        reply = await self._ended(entry)
        if reply.status_code == HTTPStatus.OK:
            reply = await self._get(entry, f"/v1/responses/{entry.request_id}")
        self._close(entry, reply)

    async def _ended(self, entry: Entry) -> httpx.Response:
        """What a poll says once the request is at its end."""
        while True:
            reply = await self._get(entry, f"/v1/requests/{entry.request_id}")
            if reply.status_code != HTTPStatus.ACCEPTED:
                return reply
            await asyncio.sleep(PAUSE_SECONDS)

    async def _insist(self, entry: Entry, good: int) -> httpx.Response | None:
        """Send until the status is the good one; None, with the entry closed, where it never can be.

        Without a key a connection that broke after it was made ends it: it may have been accepted.
        """
        while True:
            try:
                reply = await self._post(entry)
            except httpx.HTTPError as exc:
                entry.why = _told(exc)
                if entry.kind is not Kind.KEYED and not isinstance(exc, httpx.ConnectError):
                    entry.fate = Fate.REFUSED  # nobody was told that it was accepted
                    return None
            else:
                if reply.status_code == good:
                    return reply
                entry.why = _reply(reply)
                if reply.status_code not in AGAIN:
                    entry.fate = Fate.FAILED
                    return None
            entry.retries += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _get(self, entry: Entry, path: str) -> httpx.Response:
        client = await self._client("api")
        while True:
            try:
                reply = await client.get(path)
            except httpx.HTTPError as exc:
                entry.why = _told(exc)
            else:
                if reply.status_code not in AGAIN or _code(reply) not in {
                    "queue-unavailable",
                    "api-unavailable",
                    "stopping",
                    "store-unavailable",
                }:
                    return reply
                entry.why = _reply(reply)
            entry.retries += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _post(self, entry: Entry) -> httpx.Response:
        client = await self._client("endpoint")
        headers = {Kind.ASYNC: {"X-OctoAI-Async": "1"}, Kind.KEYED: {"Idempotency-Key": entry.tag}}
        reply = await client.post(ROUTE, json=dict(entry.body), headers=headers.get(entry.kind))
        entry.headers = reply.headers
        entry.request_id = reply.headers.get("X-User-Request-ID", entry.request_id)
        return reply

    async def _client(self, whose: str) -> httpx.AsyncClient:
        """One client each for the endpoint's host and the platform's; every call has a connection of its own."""
        if whose not in self._clients:
            made = self.platform.platform_api() if whose == "api" else self.platform.client(self.endpoint)
            self._clients[whose] = await made
        return self._clients[whose]

    def _close(self, entry: Entry, reply: httpx.Response) -> None:
        """Write down what an answer means."""
        if _code(reply) in REFUSALS:
            entry.fate, entry.why = Fate.REFUSED, _reply(reply)
        elif reply.status_code != HTTPStatus.OK:
            entry.fate, entry.why = Fate.FAILED, _reply(reply)
        else:
            entry.answer = reply.json()
            is_own = entry.answer.get("echo") == entry.tag
            entry.fate = Fate.ANSWERED if is_own else Fate.WRONG


def _code(reply: httpx.Response) -> str:
    """The platform's error code; empty where it is not one of its errors."""
    try:
        return str(reply.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _reply(reply: httpx.Response) -> str:
    return f"{reply.status_code} {_code(reply) or reply.text[:120]}"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
