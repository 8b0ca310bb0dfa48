"""The scaling loop: demand in, replicas out, at once on a pushed signal and every second in any case."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass, replace

from structlog.stdlib import BoundLogger

from runtime.local.causes import cause_of
from runtime.local.fleet import Fleet, slots_in_use
from runtime.policy import Decision, Want, decide, share_slots
from runtime.queue.port import EndpointView, Queue, QueueError, ReplicaState

SWEEP_SECONDS = 1.0
ROUND_SECONDS = 30.0
"""Longest that one round may take before the queue counts as away."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """One endpoint as the last look found it."""

    view: EndpointView
    decision: Decision


class Scaler:
    """Brings every fleet to what the policy wants, within the machine's slots."""

    def __init__(
        self, queue: Queue, fleets: MutableMapping[str, Fleet], slots: int, log: BoundLogger
    ) -> None:
        self._queue = queue
        self._fleets = fleets
        self._slots = slots
        self._log = log
        self._outlooks: dict[str, Outlook] = {}
        self._told: dict[str, tuple[int, int, str, float]] = {}
        self._called: set[str] = set()
        self._wake = asyncio.Event()
        self._away = False

    def wake(self) -> None:
        """Look again now."""
        self._wake.set()

    async def follow_demands(self) -> None:
        """Turn pushed signals into rounds; never returns."""
        while True:
            async for endpoint in self._queue.demands():
                self._called.add(endpoint)
                self._wake.set()
            await asyncio.sleep(SWEEP_SECONDS)

    async def run(self) -> None:
        """Sweep every second, and go round whenever something calls; never returns."""
        clock = asyncio.get_running_loop().time
        next_sweep = clock()
        while True:
            is_sweep = clock() >= next_sweep
            if is_sweep:
                next_sweep = clock() + SWEEP_SECONDS
            await self._guarded_round(is_sweep=is_sweep)
            try:
                async with asyncio.timeout(max(0.0, next_sweep - clock())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _guarded_round(self, *, is_sweep: bool) -> None:
        self._wake.clear()
        called, self._called = self._called, set()
        names = set(self._fleets) if is_sweep else called | self._unsettled()
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                await self.go_round({name for name in names if name in self._fleets}, is_sweep=is_sweep)
        except (QueueError, TimeoutError) as exc:
            if not self._away:
                self._log.warning("queue is away", fault=str(exc))
            self._away = True
        else:
            self._away = False

    def _unsettled(self) -> set[str]:
        """Endpoints that something may have happened to since the last sweep."""
        return {
            name
            for name, fleet in self._fleets.items()
            if fleet.size
            or fleet.leaving
            or (name in self._outlooks and self._outlooks[name].decision.desired)
        }

    async def go_round(self, names: set[str], *, is_sweep: bool) -> None:
        """Look at the named endpoints, share the slots among all, and move their fleets.

        Raises:
            QueueUnavailableError: the queue is away.
        """
        for name in sorted(names):
            if is_sweep:
                await self._queue.sweep(name)
            view = await self._queue.look(name)
            record = self._fleets[name].record
            decision = decide(record.scaling, record.limits.start_seconds, view)
            self._outlooks[name] = Outlook(view, decision)
        shares = self._share()
        for name in self._by_urgency(names & set(self._outlooks)):
            await self._move(name, shares.get(name, 0))
        self._forget_empty()

    def _share(self) -> dict[str, int]:
        outlooks = {name: self._outlooks[name] for name in self._fleets if name in self._outlooks}
        wants = {name: _want(outlook, self._fleets[name].alive) for name, outlook in outlooks.items()}
        if sum(want.desired for want in wants.values()) > self._slots:
            wants = {name: _modest(want) for name, want in wants.items()}
        return share_slots(wants, self._slots)

    def _by_urgency(self, names: set[str]) -> list[str]:
        """Those first whose requests have waited longest."""
        never = float("inf")
        since = {name: self._outlooks[name].view.oldest_enqueued_at for name in names}
        return sorted(names, key=lambda name: (never if since[name] is None else since[name], name))

    async def _move(self, name: str, share: int) -> None:
        fleet, outlook = self._fleets[name], self._outlooks[name]
        free = self._slots - sum(slots_in_use(self._fleets).values())
        moves = fleet.plan(share, outlook.view, free)
        await fleet.move(moves)
        await self._tell(name, fleet, outlook, share)

    async def _tell(self, name: str, fleet: Fleet, outlook: Outlook, share: int) -> None:
        """Write desired number and cause into the queue, where they changed or old needs must go."""
        desired = outlook.decision.desired
        scaling = fleet.record.scaling
        used = slots_in_use(self._fleets)
        held = min(desired, max(share, scaling.min))  # past this nobody waits, and nothing is started
        wanted = desired if outlook.view.demand else held
        cause = cause_of(fleet.circumstances(wanted, outlook.view), used, self._slots)
        told = (desired, scaling.max, cause, float(scaling.timeout))
        view = outlook.view
        is_stale = any(view.now - at > scaling.timeout for at in view.needed.values())
        if is_stale or told != self._told.get(name) or (view.desired, view.cause) != (desired, cause):
            await self._queue.set_desired(name, *told)
            self._told[name] = told

    def _forget_empty(self) -> None:
        """Drop fleets of endpoints that are gone, once nothing of them runs or waits."""
        for name in [name for name, fleet in self._fleets.items() if fleet.leaving and not fleet.size]:
            outlook = self._outlooks.get(name)
            if outlook is not None and not outlook.view.demand:
                del self._fleets[name]
                self._outlooks.pop(name)
                self._told.pop(name, None)


def _want(outlook: Outlook, standing: int) -> Want:
    view, decision = outlook.view, outlook.decision
    busy = sum(replica.state is ReplicaState.BUSY for replica in view.replicas)
    return Want(decision.desired, decision.demanded, busy, standing, view.oldest_enqueued_at)


def _modest(want: Want) -> Want:
    """Where slots are short nothing is started that would merely be held idle."""
    return replace(want, desired=max(want.demanded, min(want.desired, want.standing)))
