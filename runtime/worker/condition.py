"""What a worker knows of its model and answers for it when a probe asks. No input, no output.

kubelet (locally the supervisor) asks `startup` only of a model it has just started, then `live` for ever.
So a question for `startup` is the one sign that a restart, once asked for, has happened.
"""

import asyncio
from dataclasses import dataclass, field

FAILURES_BEFORE_RESTART = 3
"""Health checks in a row that an idle model may fail."""


@dataclass
class Condition:
    """State of one replica; the worker's loop writes it, probes read it."""

    is_up: bool = False
    """The model's health path answered 200 when it was last asked."""
    is_busy: bool = False
    is_taking: bool = False
    """The queue was asked for the next request; its answer may bring one, whatever happens meanwhile."""
    restart_reason: str | None = None
    """Why the model must be restarted before it may serve again; None when it need not."""
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the worker was told to end (SIGTERM)."""
    is_draining: bool = False
    """The model is about to be stopped (preStop); over when it is started again."""
    failures: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_leaving(self) -> bool:
        """Whether the worker was told to end."""
        return self.leaving.is_set()

    @property
    def may_take(self) -> bool:
        """Whether the next request may be taken."""
        return self.is_up and self.restart_reason is None and not self.is_draining and not self.is_leaving

    @property
    def is_ready(self) -> bool:
        """Whether the replica serves: it may take the next request, or runs one."""
        return self.may_take or self.is_busy

    def want_restart(self, reason: str) -> None:
        """From now the model counts as failed, until it was restarted."""
        self.restart_reason = reason
        self.is_up = False
        self._touch()

    def note_health(self, *, is_up: bool, detail: str = "") -> None:
        """Write down a health check; enough failures of a model that was up ask for a restart."""
        if is_up:
            self.failures = 0
        elif self.is_up or self.failures:
            self.failures += 1
            if self.failures >= FAILURES_BEFORE_RESTART:
                self.failures = 0
                self.want_restart(f"its health path failed {FAILURES_BEFORE_RESTART} times: {detail}")
        self.is_up = is_up
        self._touch()

    def note_started(self) -> None:
        """The model was (re)started: whatever it was asked before is gone with it."""
        if self.restart_reason is not None or self.is_draining:
            self.restart_reason = None
            self.is_draining = False
            self.is_up = False
            self.failures = 0
            self._touch()

    def leave(self) -> None:
        """Take no more and end when idle."""
        self.leaving.set()
        self._touch()

    def drain(self) -> None:
        """Take no more until the model is started again."""
        self.is_draining = True
        self._touch()

    def note_busy(self, *, is_busy: bool) -> None:
        """A request begins or has ended."""
        self.is_busy = is_busy
        self._touch()

    def note_taking(self, *, is_taking: bool) -> None:
        """The queue is asked for a request, or has answered."""
        self.is_taking = is_taking
        if not is_taking:
            self._touch()

    async def wait_idle(self) -> None:
        """Return when no request is running, nor on its way from the queue."""
        while self.is_busy or self.is_taking:
            await self.wait_change()

    async def pause(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as no request may be taken any more."""
        try:
            async with asyncio.timeout(seconds):
                while self.may_take:
                    await self.wait_change()
        except TimeoutError:
            return

    async def wait_change(self) -> None:
        """Return at the next change."""
        await self._changed.wait()

    def _touch(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
