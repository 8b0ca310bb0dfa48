"""Clients that wait for a sync answer: where each stands, and who may write to its connection.

Two tasks meet in a `Waiter`. The client's own task only listens, for its client's going and for a deadline.
The task of the worker's POST writes the answer straight to the client's connection: no byte lies in between,
so a slow client slows its worker, and a stream is passed on as it comes. Either wakes the other by ringing
its `Bell`. States: WAITING → ANSWERING → DONE, or from either GONE (client) or BROKEN (answer).
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum
from types import TracebackType

from starlette.types import Receive, Send

from runtime.gateway.errors import GatewayError
from runtime.gateway.incoming import RawHeaders
from runtime.wire.answers import Reply

MOST_ENDED = 4096
"""Ended requests remembered, to tell a late worker why its answer is not wanted."""


class Phase(Enum):
    """How far a client's wait has come."""

    WAITING = "waiting"
    ANSWERING = "answering"
    """The head of an answer has left for the client: no other attempt may answer any more."""
    DONE = "done"
    GONE = "gone"
    """The client went away, or was refused."""
    BROKEN = "broken"
    """The answer broke off after its first byte."""


class Bell:
    """A deadline that another task can move, or bring about at once."""

    def __init__(self, until: float | None = None) -> None:
        self._until = until
        self._timer: asyncio.Timeout | None = None

    def ring(self) -> None:
        """Let the listener stop at once."""
        self.move(0.0)

    def move(self, until: float) -> None:
        """Let the listener stop at this moment of the loop's clock."""
        self._until = until
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(until)

    async def __aenter__(self) -> None:
        self._timer = await asyncio.timeout_at(self._until).__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            await timer.__aexit__(kind, exc, trace)


class Delivery:
    """One worker's POST of an answer."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.bell = Bell()


class StaleAttemptError(Exception):
    """A later attempt has begun, or an earlier one has sent bytes to the client."""


class Waiter:
    """One client that waits for its answer; its answer may take `patience` seconds from its first byte."""

    def __init__(
        self,
        request_id: str,
        endpoint: str,
        *,
        secret: str,
        send: Send,
        patience: float,
        headers: RawHeaders | None = None,
    ) -> None:
        self.id = request_id
        self.endpoint = endpoint
        self.send = send
        self.headers: RawHeaders = [] if headers is None else headers
        """What its answer says beside the model's own headers."""
        self.estimate_seconds: float | None = None
        """How long it was expected to wait, when it was accepted."""
        self.waited_seconds: float | None = None
        """How long it did, when its answer began."""
        self.phase = Phase.WAITING
        self.opened_at = 0.0
        self.is_queued = False
        """Whether the queue has it, so that its absence there means something."""
        self.error: GatewayError | None = None
        self.is_stored = False
        """Whether the answer is to be had from the queue; no worker will bring it."""
        self._secret = secret
        self._patience = patience
        self._bell = Bell()
        self._delivery: Delivery | None = None
        self._last_attempt = 0

    def begin_wait(self, now: float, seconds: float) -> None:
        """Its body has been read and the queue is about to have it; it may wait for so long."""
        self.opened_at = now
        self._bell.move(now + seconds)

    def is_secret(self, secret: str) -> bool:
        """Whether it is the one-time secret, in a time that tells nothing of it."""
        return hmac.compare_digest(self._secret.encode(), secret.encode())

    async def listen(self, receive: Receive) -> bool:
        """Whether the connection is through (answered whole, or left by its client).

        False at the deadline, or when the bell was rung.
        """
        try:
            async with self._bell:
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    def wait_until(self, moment: float) -> None:
        """Move the listener's deadline to a moment of the loop's clock."""
        self._bell.move(moment)

    def refuse(self, error: GatewayError) -> None:
        """Let a client that still waits have an error in place of an answer."""
        if self.phase is Phase.WAITING:
            self.error = error
            self.leave()
            self._bell.ring()

    def turn_to_stored(self) -> None:
        """Let a client that still waits have the answer that the queue has kept."""
        if self.phase is Phase.WAITING:
            self.is_stored = True
            self.leave()
            self._bell.ring()

    def begin(self, attempt: int) -> Delivery:
        """A worker comes with an answer.

        Raises:
            StaleAttemptError: it may not answer any more.
        """
        busy = self._delivery is not None and attempt <= self._delivery.attempt
        if self.phase is not Phase.WAITING or busy or attempt < self._last_attempt:
            raise StaleAttemptError
        if self._delivery is not None:
            self._delivery.bell.ring()
        self._last_attempt = attempt
        self._delivery = Delivery(attempt)
        return self._delivery

    def claim(self, delivery: Delivery, now: float) -> None:
        """The head of this delivery's answer is about to leave: from here on it is the only one.

        Raises:
            StaleAttemptError: a later one has begun.
        """
        if self.phase is not Phase.WAITING or self._delivery is not delivery:
            raise StaleAttemptError
        self.phase = Phase.ANSWERING
        self._bell.move(now + self._patience)

    def retract(self, delivery: Delivery) -> None:
        """The worker went away before the first byte: wait for the next attempt."""
        if self._delivery is delivery:
            self._delivery = None

    def complete(self) -> None:
        """The last byte has left."""
        self.phase = Phase.DONE

    def break_off(self) -> None:
        """The answer cannot be completed: let the client's connection break visibly."""
        if self.phase is Phase.ANSWERING:
            self.phase = Phase.BROKEN
            self._bell.ring()

    def leave(self) -> None:
        """Nobody waits any more: let the worker know."""
        if not self.is_over:
            self.phase = Phase.GONE
            if self._delivery is not None:
                self._delivery.bell.ring()

    @property
    def is_over(self) -> bool:
        """Whether no answer can reach the client any more."""
        return self.phase is not Phase.WAITING and self.phase is not Phase.ANSWERING

    @property
    def unwanted(self) -> Reply:
        """What a worker hears whose answer may not go out."""
        return Reply.GONE if self.phase in {Phase.GONE, Phase.BROKEN} else Reply.STALE


class Waiters:
    """Every client that waits at this gateway, and the latest that did."""

    def __init__(self) -> None:
        self._open: dict[str, Waiter] = {}
        self._ended: OrderedDict[str, Waiter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(list(self._open.values()))

    def open(self, waiter: Waiter) -> None:
        """Let an answer find this client."""
        self._open[waiter.id] = waiter

    def find(self, request_id: str) -> Waiter | None:
        """A client that waits, or one of the latest that did."""
        return self._open.get(request_id) or self._ended.get(request_id)

    def close(self, waiter: Waiter) -> bool:
        """The client's wait is over; whether it had begun."""
        waiter.leave()
        # What is remembered must not keep the connection or, by a traceback, the body.
        waiter.send, waiter.error = _to_nobody, None
        if self._open.pop(waiter.id, None) is None:
            return False
        self._ended[waiter.id] = waiter
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)
        return True

    def queued(self) -> dict[str, list[str]]:
        """Ids of the requests that the queue has, by endpoint."""
        ids: dict[str, list[str]] = {}
        for waiter in self._open.values():
            if waiter.is_queued:
                ids.setdefault(waiter.endpoint, []).append(waiter.id)
        return ids

    def refuse_all(self, error: GatewayError) -> None:
        """Let every client that waits have an error."""
        for waiter in self:
            waiter.refuse(error)


async def _to_nobody(_message: object) -> None:
    """Writes to a client that is not there."""
