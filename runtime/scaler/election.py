"""Which of the scalers leads: whoever holds the Lease, and only while it surely does.

A leader that could not renew for `renew_seconds` stops writing at once; only `lease_seconds` after its last
renewal may another one take over. A call that it began just before has ended by then, for every call has a deadline
of less than the difference. Durations are measured by each process's own steady clock; no wall clock is compared.

`kubernetes_asyncio.leaderelection` was read and not used: it measures by the wall clock, a call that hangs outlasts
its renew deadline, a network fault ends it, candidates retry in step, it writes local time as UTC, and it does
not release.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import CALL_SECONDS, ApiClient, ClusterError, Object
from runtime.cluster.paths import leases
from runtime.scaler.metrics import Metrics


class NotLeadingError(Exception):
    """Another scaler leads, or may: nothing may be written."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease lasts."""

    lease_seconds: int = 15
    """How long after a renewal nobody else may lead."""
    renew_seconds: float = 10.0
    """How long after a renewal the holder still acts."""
    retry_seconds: float = 2.0
    """Between two tries to renew; between two to acquire half as long to half as much again, by chance."""
    end_seconds: float = 2.0
    """Longest end of what only the leader does."""


@dataclass(slots=True)
class Observed:
    """A lease as this process saw it last, and since when it has not changed."""

    version: str = ""
    since: float = 0.0


class Election:
    """One candidate."""

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float],
        metrics: Metrics,
        log: FilteringBoundLogger,
        terms: Terms | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._name = name
        self._leases = leases(namespace)
        self._lease = f"{self._leases}/{name}"
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._terms = terms or Terms()
        self._chance = chance
        self._observed = Observed()
        self._until = 0.0

    @property
    def is_leading(self) -> bool:
        """Whether this one surely leads at this moment."""
        return self._clock() < self._until

    def require(self) -> None:
        """Pass while this one leads.

        Raises:
            NotLeadingError: it does not.
        """
        if not self.is_leading:
            raise NotLeadingError("another scaler leads, or may by now")

    async def run(self, lead: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        """Call `lead` whenever this one leads and cancel it when it does not; release on `stop`."""
        while not stop.is_set():
            if await self._try():
                self._show(leads=True)
                try:
                    await self._term(lead, stop)
                finally:
                    self._until = 0.0
                    self._show(leads=False)
            else:
                await _either(stop, self._terms.retry_seconds * (0.5 + self._chance()))
        await self._release()

    async def _term(self, lead: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        """Lead until the lease is lost, `stop` is set, or `lead` ends."""
        leading = asyncio.ensure_future(lead())
        try:
            while not stop.is_set() and not leading.done():
                await _either(stop, min(self._terms.retry_seconds, self._left()), leading)
                if self._left() <= 0:
                    self._log.error("lease is lost")
                    return
                if not stop.is_set() and not leading.done() and not await self._try():
                    self._log.warning("lease is not renewed", seconds_left=round(self._left(), 1))
        finally:
            try:
                await _ended(leading, self._terms.end_seconds)
            except* NotLeadingError:
                self._log.info("stopped writing in time")

    def _left(self) -> float:
        return self._until - self._clock()

    async def _try(self) -> bool:
        """Take or renew the lease; whether it is ours now."""
        begun = self._clock()
        # A renewal that comes after its deadline is worth nothing.
        seconds = max(0.05, min(CALL_SECONDS, self._until - begun)) if self.is_leading else CALL_SECONDS
        try:
            async with asyncio.timeout(seconds):
                is_ours = await self._claim(seconds)
        except (ClusterError, TimeoutError) as exc:
            self._log.warning("lease cannot be written", fault=str(exc) or "no answer in time")
            return False
        if is_ours:
            self._until = begun + self._terms.renew_seconds
        return is_ours

    async def _claim(self, seconds: float) -> bool:
        try:
            with self._metrics.counting_faults("lease"):
                lease = await self._client.read(self._lease, seconds=seconds)
        except ClusterError as exc:
            if not exc.is_gone:
                raise
            return await self._create(seconds)
        now = self._clock()
        if self._observed.version != lease["metadata"]["resourceVersion"]:
            self._observed = Observed(lease["metadata"]["resourceVersion"], now)
        spec = claimed(lease.get("spec") or {}, self._identity, now - self._observed.since, self._terms)
        return spec is not None and await self._replace({**lease, "spec": spec}, seconds)

    async def _create(self, seconds: float) -> bool:
        spec = claimed({}, self._identity, 0.0, self._terms)
        body = {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": spec}
        return await self._write(self._client.create(self._leases, body, seconds=seconds))

    async def _replace(self, lease: Object, seconds: float) -> bool:
        """Write it back with the version that was read: of two candidates one is refused."""
        return await self._write(self._client.replace(self._lease, lease, seconds=seconds))

    async def _write(self, call: Awaitable[Object]) -> bool:
        try:
            written = await call
        except ClusterError as exc:
            if exc.is_conflict:
                return False
            raise
        self._observed = Observed(written["metadata"]["resourceVersion"], self._clock())
        return True

    async def _release(self) -> None:
        """Let the next one lead at once."""
        try:
            lease = await self._client.read(self._lease)
            if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._replace({**lease, "spec": spec}, CALL_SECONDS)
        except ClusterError as exc:
            self._log.warning("lease is not released", fault=str(exc))

    def _show(self, *, leads: bool) -> None:
        self._metrics.leader.set(1 if leads else 0)
        self._log.info("leading" if leads else "not leading any more", identity=self._identity)


def claimed(spec: Object, identity: str, unchanged_seconds: float, terms: Terms) -> Object | None:
    """The lease's spec with this one as its holder; None while another one may still act by it.

    Args:
        spec: what stands in the lease.
        identity: who asks.
        unchanged_seconds: how long the one who asks has seen it stand unchanged.
        terms: what is written into it.
    """
    holder = spec.get("holderIdentity") or ""
    duration = spec.get("leaseDurationSeconds") or terms.lease_seconds
    if holder not in {"", identity} and unchanged_seconds < duration:
        return None
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    is_new = holder != identity
    return {
        **spec,
        "holderIdentity": identity,
        "leaseDurationSeconds": terms.lease_seconds,
        "acquireTime": now if is_new else spec.get("acquireTime", now),
        "renewTime": now,
        "leaseTransitions": (spec.get("leaseTransitions") or 0) + (1 if is_new else 0),
    }


async def _either(stop: asyncio.Event, seconds: float, other: "asyncio.Future[None] | None" = None) -> None:
    """Wait so long, or until the event is set or the other has ended."""
    stopped = asyncio.ensure_future(stop.wait())
    waiting: set[asyncio.Future[Any]] = {stopped} if other is None else {stopped, other}
    try:
        await asyncio.wait(waiting, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()


async def _ended(leading: "asyncio.Future[None]", seconds: float) -> None:
    """End it if it has not; its own fault comes out."""
    leading.cancel()
    done, _ = await asyncio.wait({leading}, timeout=seconds)
    if leading in done and not leading.cancelled():
        leading.result()
