"""Carries the schedule out: signals by pid, and the supervisor started again, for nobody else would."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.chaos.journal import Journal
from bench.chaos.ledger import Blow
from bench.chaos.schedule import Strike, Struck
from bench.chaos.site import Site, Target
from runtime.local.pids import ProcessId, send

REVIVE_SECONDS = 1.0
"""How long the platform is without its supervisor."""


@dataclass(slots=True)
class Striker:
    """Strikes one site, and writes down what it hit."""

    site: Site
    journal: Journal
    clock: Callable[[], float]
    blows: list[Blow] = field(default_factory=list)
    missed: list[Struck] = field(default_factory=list)
    """Strikes that found nothing of their kind running."""
    _paused: set[ProcessId] = field(default_factory=set)

    async def follow(self, strikes: Sequence[Strike]) -> None:
        """Strike as scheduled from now on; when cancelled, mend what only we can mend."""
        begun_at = self.clock()
        try:
            async with asyncio.TaskGroup() as aftermaths:
                for strike in strikes:
                    await asyncio.sleep(max(0.0, begun_at + strike.at - self.clock()))
                    if self._strike(strike):
                        aftermaths.create_task(self._aftermath(strike))
        finally:
            self._resume()
            self.site.revive()

    def _strike(self, strike: Strike) -> bool:
        target = self._choose(strike)
        number = signal.SIGSTOP if strike.struck is Struck.PAUSE else signal.SIGKILL
        # Before the signal, for what it ends may be seen to end before we are back here.
        at = self.clock()
        if target is None or not send(target.process, number):
            self.missed.append(strike.struck)
            return False
        if strike.struck is Struck.PAUSE:
            self._paused.add(target.process)
        self.blows.append(Blow(at, strike.struck, target.port, strike.seconds))
        return True

    def _choose(self, strike: Strike) -> Target | None:
        """The one of its kind that the strike means; those with an even index want a replica at work."""
        targets = self.site.targets(strike.struck)
        if strike.index % 2 == 0:
            self.journal.read_on()
            busy = self.journal.busy_ports()
            targets = [target for target in targets if target.port in busy] or targets
        return targets[strike.index // 2 % len(targets)] if targets else None

    async def _aftermath(self, strike: Strike) -> None:
        if strike.struck is Struck.SUPERVISOR:
            await asyncio.sleep(REVIVE_SECONDS)
            self.site.revive()
        elif strike.struck is Struck.PAUSE:
            # Pauses do not overlap: the schedule has more time between them than the longest lasts.
            await asyncio.sleep(strike.seconds)
            self._resume()

    def _resume(self) -> None:
        for process in self._paused:
            send(process, signal.SIGCONT)
        self._paused.clear()
