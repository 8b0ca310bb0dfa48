"""The callers: each sends one request as its kind does, and writes into the ledger what it saw."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    SocketTimeoutError,
)

from bench.chaos.ledger import Entry, Fate
from bench.chaos.orders import Kind, Order

ROUTE = "/infer"
OK = 200
CREATED = 201
PENDING = 202
AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which a client with a key, or one that asks for an id, tries again."""
NOT_ACCEPTED = frozenset({"queue-unavailable", "queue-full", "stopping"})
"""Codes that say that nothing was accepted: anybody may try again."""
PAUSE_SECONDS = 0.25
POLL_SECONDS = (0.05, 1.0)
"""First and longest pause between two polls."""
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 45.0
"""Longest that a client waits for the next byte."""
REPLAYED = "Idempotency-Replayed"


class NotConnectedError(Exception):
    """Nothing was sent."""


class BrokenError(Exception):
    """The connection broke; `has_begun` tells whether after the first byte of an answer."""

    def __init__(self, how: str, *, has_begun: bool) -> None:
        super().__init__(how)
        self.has_begun = has_begun


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The platform's error code; empty where it is not one of its errors."""
        try:
            return str(json.loads(self.body)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return ""

    @property
    def told(self) -> str:
        """For the ledger: what came in place of an answer."""
        return f"{self.status} {self.code or self.body[:80].decode(errors='replace')}"


@dataclass(slots=True)
class Callers:
    """Every client of a run, on one session; each call has a connection of its own.

    A connection that is used again may be dead before the request begins, and a failure then would be blamed
    on no kill of the request's lifetime.
    """

    session: ClientSession
    url: str
    clock: Callable[[], float]
    deadline_seconds: float
    """After so long without its answer a request counts as lost."""
    entries: list[Entry] = field(default_factory=list)
    silences: list[str] = field(default_factory=list)
    """Calls that were left without a byte for so long that their client gave up waiting and broke off."""

    async def call(self, order: Order) -> None:
        """Send one request and follow it to its end."""
        entry = Entry(order.number, order.kind, self.clock())
        self.entries.append(entry)
        way = {Kind.ASYNC: self._async, Kind.KEYED: self._keyed}.get(order.kind, self._unkeyed)
        try:
            async with asyncio.timeout(self.deadline_seconds):
                await way(order, entry)
        except TimeoutError:
            entry.fate = Fate.FAILED
            entry.why = f"no answer within {self.deadline_seconds:g} s; last: {entry.why or 'nothing'}"
        entry.ended_at = self.clock()

    async def ask_again(self, order: Order, entry: Entry) -> None:
        """Ask for an answer that was given before: it must be the same one."""
        try:
            async with asyncio.timeout(self.deadline_seconds):
                if order.kind is Kind.ASYNC:
                    await self._fetch(order, entry)
                else:
                    await self._keyed(order, entry)
        except TimeoutError:
            entry.fate, entry.why = Fate.FAILED, f"answered, but not again; last: {entry.why}"

    async def honours_keys(self, order: Order) -> bool:
        """Whether a second call with the same key is given the first one's answer."""
        replies = [await self._post(order, None, {"Idempotency-Key": "probe-of-keys"}) for _ in range(2)]
        return REPLAYED in replies[1].headers

    async def _async(self, order: Order, entry: Entry) -> None:
        reply = await self._insist(order, entry, {"X-OctoAI-Async": "1"}, CREATED)
        if reply is None:
            return
        entry.request_ids.append(json.loads(reply.body)["response_id"])
        pause, longest = POLL_SECONDS
        while (reply := await self._get(f"/v1/requests/{entry.request_ids[0]}", entry)).status == PENDING:
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
        if reply.status == OK:
            await self._fetch(order, entry)
        else:
            entry.fate, entry.why = Fate.FAILED, f"poll: {reply.told}"

    async def _fetch(self, order: Order, entry: Entry) -> None:
        self._weigh(order, entry, await self._get(f"/v1/responses/{entry.request_ids[0]}", entry))

    async def _keyed(self, order: Order, entry: Entry) -> None:
        reply = await self._insist(order, entry, {"Idempotency-Key": f"key-{order.number}"}, OK)
        if reply is not None:
            self._note_id(entry, reply.headers)
            self._weigh(order, entry, reply)

    async def _unkeyed(self, order: Order, entry: Entry) -> None:
        while True:
            try:
                reply = await self._post(order, entry)
            except NotConnectedError:
                entry.refusals += 1
            except BrokenError as exc:
                entry.fate, entry.why = Fate.BROKEN if exc.has_begun else Fate.FAILED, str(exc)
                return None
            else:
                if reply.code not in NOT_ACCEPTED:
                    return self._weigh(order, entry, reply)
                entry.refusals += 1
            await asyncio.sleep(PAUSE_SECONDS)
            # What was refused has not begun: kills before this do not excuse a failure.
            entry.begun_at = self.clock()

    async def _insist(
        self, order: Order, entry: Entry, headers: Mapping[str, str], good: int
    ) -> Reply | None:
        """Try until there is an answer; None, with the entry closed, when there can be none."""
        while True:
            try:
                reply = await self._post(order, entry, headers)
            except (NotConnectedError, BrokenError) as exc:
                entry.retries += 1
                entry.why = str(exc)
            else:
                if reply.status == good:
                    return reply
                entry.why = reply.told
                if reply.status not in AGAIN:
                    entry.fate = Fate.FAILED
                    return None
                entry.retries += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _get(self, path: str, entry: Entry) -> Reply:
        """What the platform says, once it says something."""
        while True:
            try:
                reply = await self._exchange("GET", path, None, {}, None)
            except (NotConnectedError, BrokenError) as exc:
                entry.why = str(exc)
            else:
                if reply.code not in NOT_ACCEPTED:
                    return reply
                entry.why = reply.told
            await asyncio.sleep(PAUSE_SECONDS)

    async def _post(
        self, order: Order, entry: Entry | None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        path = f"/e/{order.endpoint}{ROUTE}"
        return await self._exchange("POST", path, order.body, headers or {}, entry)

    async def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], entry: Entry | None
    ) -> Reply:
        """One request and its whole answer.

        Raises:
            NotConnectedError: nobody listens.
            BrokenError: the connection broke.
        """
        response: ClientResponse | None = None
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        try:
            async with self.session.request(
                method, self.url + path, data=body, headers=headers, timeout=timeout
            ) as response:
                if entry is not None and entry.kind is Kind.STREAM:
                    self._note_id(entry, response.headers)
                return Reply(response.status, response.headers, await response.read())
        except (ClientConnectorError, ConnectionTimeoutError) as exc:
            raise NotConnectedError(str(exc)) from exc
        except SocketTimeoutError as exc:
            self.silences.append(f"{self.clock():.3f} {method} {path} {'begun' if response else 'no answer'}")
            raise BrokenError("silent", has_begun=response is not None) from exc
        except (ClientError, OSError) as exc:
            raise BrokenError(f"{type(exc).__name__}: {exc}", has_begun=response is not None) from exc

    def _weigh(self, order: Order, entry: Entry, reply: Reply) -> None:
        """Write down whether an answer is this request's own."""
        if reply.status != OK:
            entry.fate, entry.why = Fate.FAILED, reply.told
            return
        self._note_id(entry, reply.headers)
        weigh = weigh_stream if order.chunks else weigh_answer
        entry.fate, entry.why = weigh(order, reply.body, entry)

    def _note_id(self, entry: Entry, headers: Mapping[str, str]) -> None:
        request_id = headers.get("X-User-Request-ID", "")
        if request_id and request_id not in entry.request_ids:
            entry.request_ids.append(request_id)


def weigh_answer(order: Order, body: bytes, entry: Entry) -> tuple[Fate, str]:
    """The fate that an answer means; its run goes into the entry."""
    try:
        said: dict[str, Any] = json.loads(body)
    except ValueError:
        return Fate.WRONG, f"not JSON: {body[:80]!r}"
    if said.get("tag") != order.tag or len(said.get("filler", "")) != order.padding:
        return Fate.WRONG, f"the answer of {said.get('tag')}"
    entry.runs.append(said["run"])
    return Fate.ANSWERED, ""


def weigh_stream(order: Order, body: bytes, entry: Entry) -> tuple[Fate, str]:
    """The fate that a stream means: every event once, in order, of one run."""
    try:
        events = [json.loads(line[6:]) for line in body.decode().split("\n\n") if line]
    except ValueError:
        return Fate.WRONG, f"not events: {body[-80:]!r}"
    numbers = [event["number"] for event in events]
    entry.runs.extend({event["run"] for event in events})
    entry.is_repeated = entry.is_repeated or numbers != sorted(set(numbers))
    if {event["tag"] for event in events} != {order.tag} or numbers != list(range(order.chunks)):
        return Fate.WRONG, f"{len(events)} events of {order.chunks}"
    return Fate.ANSWERED, ""
