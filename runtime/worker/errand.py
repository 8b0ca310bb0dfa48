"""One request in a worker's hands, from the take to its end."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from runtime.objects import NoObjectError, Objects, ObjectsAwayError, ObjectsFullError
from runtime.queue.port import Answer, LeaseLostError, Queue, QueueUnavailableError, Taken
from runtime.wire import AnswerHead, RequestState
from runtime.worker.condition import Condition
from runtime.worker.deliveries import Deliveries
from runtime.worker.delivery import SMALL_BYTES, Recipient, store_answer
from runtime.worker.http1 import Connection, Connections
from runtime.worker.model import Model, ModelAwayError, ModelDiedError, answer_head, read_chunks
from runtime.worker.pipe import Pipe
from runtime.worker.settings import WorkerSettings

RETRY_SECONDS = 0.2
SETTLE_SECONDS = 60.0
"""How long the end of a request is reported again while the queue is away, in seconds."""
HAND_OVER_SECONDS = 15.0
"""How long the replica waits until a small answer has left; then it goes on, and the answer leaves beside."""
FORGET_SECONDS = 2.0
"""Longest that the removal of a body may keep the replica from its next request."""
MOST_STORE_PAUSE_SECONDS = 5.0
"""Longest pause before a request whose body or answer the store refused is given back: it is the next one again."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class BodyGoneError(Exception):
    """The request's body is no longer in the object store."""


class Then(Enum):
    """What a worker does after a request, beside serving what it took with its end."""

    GO_ON = "go on"
    """The queue has the replica as it is."""
    REPORT = "report"
    """The replica's state must be said anew."""
    JOIN = "join"
    """An answer of the queue was lost: it may have handed out a request that nobody heard of."""


@dataclass
class Errand:
    """Replay one request, hand its answer on, and tell the queue how it ended."""

    settings: WorkerSettings
    queue: Queue
    model: Model
    objects: Objects
    connections: Connections
    deliveries: Deliveries
    condition: Condition
    taken: Taken
    _is_answering: bool = field(default=False, init=False)
    """Bytes of the answer may have left: it must not be run again."""
    next: Taken | None = field(default=None, init=False)
    """The replica's next request, taken in the step that ended this one."""
    _was_away: bool = field(default=False, init=False)
    """The queue did not answer at first when the end was reported."""
    _small: Answer | None = field(default=None, init=False)
    """A small answer that is not kept, to be sent when the model has finished."""
    _pipe: Pipe | None = field(default=None, init=False)
    """Through which a large answer or a stream leaves."""
    _is_fenced: bool = field(default=False, init=False)
    """Another attempt holds the request: the model is heard to its end, but nothing is sent any more."""

    async def run(self) -> Then:
        """Serve the request and take the next; every outcome is reported to the queue, none is raised."""
        try:
            then = await self._serve()
        except LeaseLostError as exc:
            _log.warning("request %s: attempt %d came too late: %s", self.taken.id, self.taken.attempt, exc)
            then = Then.REPORT
        finally:
            if self._pipe is not None:
                self._pipe.break_off()
        return Then.JOIN if self._was_away else then

    async def renew(self) -> None:
        """Hold the lease for longer; one that is lost fences what is still to be sent."""
        if self._is_fenced:
            return
        try:
            await self.queue.renew(
                self.settings.endpoint, self.taken.id, self.taken.attempt, self.settings.lease_seconds
            )
        except LeaseLostError:
            self._is_fenced = True
        except QueueUnavailableError as exc:
            _log.warning("request %s: its lease could not be renewed: %s", self.taken.id, exc)

    async def _serve(self) -> Then:
        try:
            async with asyncio.timeout(self.settings.request_seconds):
                answer = await self._answer()
        except TimeoutError:
            await self._end_overdue()
        except ModelDiedError as exc:
            await self._end_dead(str(exc), is_to_blame=not isinstance(exc, ModelAwayError))
        except ObjectsFullError:
            await self._settle_failed(503, "store-full", "the object store had no room for the answer")
        except ObjectsAwayError as exc:
            await self._end_without_store(str(exc))
        except BodyGoneError:
            await self._settle_failed(410, "failed", "the request's body is no longer stored")
        except Exception:  # noqa: BLE001 - the edge of a task
            # A fault of ours must not be taken for the model's, nor end the worker and run again for ever.
            _log.exception("request %s: the worker failed", self.taken.id)
            await self._settle_failed(500, "internal", "the worker failed; its log says how")
        else:
            if self._small is not None:
                await self._hand_over(self._small)
            self.next = await self._settle(lambda: self._finish(answer))
            await self._conclude(answer)
            await self._forget_body()
            return Then.GO_ON
        return Then.REPORT

    async def _finish(self, answer: Answer | None) -> Taken | None:
        """Report the end; the next comes back unless the worker leaves, the queue was away or clients are slow.

        A kept answer is handed on after this: while that waits for room, nobody would renew the next's lease.
        """
        goes_on = self.condition.may_take and not self._was_away and self.deliveries.has_room
        return await self.queue.finish(
            self.settings.endpoint,
            self.taken.id,
            self.taken.attempt,
            answer,
            next_lease_seconds=self.settings.lease_seconds if goes_on else None,
        )

    async def _answer(self) -> Answer | None:
        """Run the model to its end; what is to be stored comes back."""
        body, size = await self._body()
        async with self.model.replay(self.taken.id, self.taken.head, body, size) as response:
            head = answer_head(response)
            if self.taken.caller is None:
                return await self._store(head, read_chunks(response))
            if response.content_length is not None and response.content_length <= SMALL_BYTES:
                return await self._answer_at_once(head, response)
            return await self._answer_in_pieces(head, response)

    async def _body(self) -> tuple[bytes | AsyncIterator[bytes], int]:
        ref = self.taken.body_ref
        if ref is None:
            return self.taken.body, len(self.taken.body)
        try:
            return self.objects.read(ref), await self.objects.size(ref)
        except NoObjectError as exc:
            raise BodyGoneError(ref) from exc

    async def _answer_at_once(self, head: AnswerHead, response: Connection) -> Answer | None:
        """A small answer leaves when the model has finished: until then it may still be run again."""
        body = b"".join([chunk async for chunk in read_chunks(response)])
        if self.taken.keeps_answer:
            return Answer(head, body)
        self._small = Answer(head, body)
        return None

    async def _answer_in_pieces(self, head: AnswerHead, response: Connection) -> Answer | None:
        """A large answer or a stream leaves as it comes; the model does not wait for a slow client."""
        whole_bytes = response.content_length if self.taken.keeps_answer else None
        pipe = self._pipe = Pipe(whole_bytes=whole_bytes)
        self._is_answering = not self._is_fenced
        await self.deliveries.start(self._empty(pipe, head))
        try:
            answer = await self._keep(head, _into(pipe, read_chunks(response)))
        except BaseException:
            pipe.break_off()
            raise
        if not self.taken.keeps_answer:
            pipe.close()
        return answer

    async def _conclude(self, answer: Answer | None) -> None:
        """Let an answer that is kept become whole for its client, now that it is stored.

        Before that, another run could have given another one to whoever asks again with the key.
        """
        if self._pipe is not None:
            self._pipe.close()
        elif answer is not None and self.taken.caller is not None:
            await self.deliveries.start(self._send(answer.head, answer.body))

    async def _empty(self, pipe: Pipe, head: AnswerHead) -> None:
        try:
            await self._send(head, pipe.read())
        finally:
            pipe.abandon()

    async def _keep(self, head: AnswerHead, chunks: AsyncIterator[bytes]) -> Answer | None:
        """Hear the model to the end, even when nobody listens; the answer, if it is to be kept."""
        if self.taken.keeps_answer:
            return await self._store(head, chunks)
        async for _ in chunks:
            pass
        return None

    async def _store(self, head: AnswerHead, chunks: AsyncIterator[bytes]) -> Answer:
        return await store_answer(self.objects, self.taken.id, self.taken.attempt, head, chunks)

    async def _send(self, head: AnswerHead, body: bytes | AsyncIterator[bytes]) -> None:
        if self.taken.caller is not None and not self._is_fenced:
            await Recipient(self.connections, self.taken).send(head, body)

    async def _hand_over(self, answer: Answer) -> None:
        """Send a small answer. A gateway whose machine is gone takes minutes to be known as gone: not the replica's."""
        delivery = self.deliveries.start_small(self._send(answer.head, answer.body))
        await asyncio.wait({delivery}, timeout=HAND_OVER_SECONDS)

    async def _end_overdue(self) -> None:
        why = f"it ran longer than its request_seconds ({self.settings.request_seconds:g} s); the model is restarted"
        self.condition.want_restart(
            f"request {self.taken.id} ran longer than {self.settings.request_seconds:g} s"
        )
        await self._settle_failed(504, "ran-too-long", why)

    async def _end_dead(self, how: str, *, is_to_blame: bool) -> None:
        self.condition.note_health(is_up=False, detail=how)
        if self._is_answering and not self.taken.keeps_answer:
            await self._settle_failed(502, "failed", f"the model died in the middle of its answer: {how}")
            return
        fault = how if is_to_blame else None
        state = await self._settle(
            lambda: self.queue.give_back(
                self.settings.endpoint, self.taken.id, self.taken.attempt, fault=fault
            )
        )
        if state is RequestState.DEAD:
            await self._send_error(
                502, "dead-letter", f"the model died under this request again and again: {how}"
            )

    async def _end_without_store(self, how: str) -> None:
        """The store of bodies and answers was away for long: run again, unless bytes of the answer have left."""
        _log.warning("request %s: the object store is away: %s", self.taken.id, how)
        if self._is_answering:
            await self._settle_failed(503, "store-unavailable", "the object store could not be reached")
            return
        # Else a store that refuses at once would use up the takes of all that waits within a second.
        await self.condition.pause(min(MOST_STORE_PAUSE_SECONDS, 2.0**self.taken.attempt))
        await self._settle(
            lambda: self.queue.give_back(
                self.settings.endpoint, self.taken.id, self.taken.attempt, fault=None
            )
        )

    async def _settle_failed(self, status: int, code: str, why: str) -> None:
        if not self._is_answering:
            await self._send_error(status, code, why)
        await self._settle(
            lambda: self.queue.fail(self.settings.endpoint, self.taken.id, self.taken.attempt, why)
        )
        await self._forget_body()

    async def _send_error(self, status: int, code: str, why: str) -> None:
        error = {"error": {"code": code, "message": why, "request_id": self.taken.id}}
        head = AnswerHead(status, (("content-type", "application/json"),))
        await self._hand_over(Answer(head, json.dumps(error).encode()))

    async def _settle(self, move: Callable[[], Awaitable[T]]) -> T:
        """Report the end until the queue hears it; a second report of one it heard is fenced off.

        Raises:
            LeaseLostError: it is another attempt's now, or will be: the queue was away for too long.
        """
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while True:
                    try:
                        return await move()
                    except QueueUnavailableError:
                        self._was_away = True
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise LeaseLostError(f"the queue was away for {SETTLE_SECONDS:g} s") from None

    async def _forget_body(self) -> None:
        if self.taken.body_ref is not None:
            # It goes by its age else. The next request may be in hand already, and nobody renews its lease yet.
            with contextlib.suppress(ObjectsAwayError, TimeoutError):
                async with asyncio.timeout(FORGET_SECONDS):
                    await self.objects.remove(self.taken.body_ref)


async def _into(pipe: Pipe, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, each put into the pipe first."""
    async for chunk in chunks:
        await pipe.write(chunk)
        yield chunk
