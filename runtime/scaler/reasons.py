"""Looks into why replicas are held up, beside the scaling, so that no wake ever waits for it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import ClusterError, Object
from runtime.queue.port import ReplicaState
from runtime.scaler.causes import Evidence, find_cause, hidden_values, is_crashing
from runtime.scaler.cluster import Cluster
from runtime.scaler.fleet import Fleet, Pod, container_status
from runtime.scaler.kinds import Cause
from runtime.scaler.roster import Roster
from runtime.scaler.seeing import serving
from runtime.scaler.tending import Outlook
from runtime.wire.cluster import MODEL_CONTAINER

LOOK_SECONDS = 4.0
"""How often a cause is looked into while replicas are missing; told within 15 s of the fact."""
MOST_PODS = 3
"""Pods of one endpoint whose events are read: the others wait for the same."""
AT_ONCE = 8
_READY = frozenset({ReplicaState.READY, ReplicaState.BUSY})


@dataclass(frozen=True, slots=True)
class _Lines:
    """The end of a log, and which life of the model it is of."""

    restarts: int
    text: str


class Reporter:
    """Keeps the causes of all endpoints that have not enough ready replicas."""

    def __init__(
        self,
        cluster: Cluster,
        roster: Roster,
        outlook_of: Callable[[str], Outlook | None],
        wake: Callable[[str], None],
        *,
        log: FilteringBoundLogger,
        clock: Callable[[], float],
    ) -> None:
        """Start with no cause.

        Args:
            cluster: holds pods, events and last lines.
            roster: the endpoints.
            outlook_of: what the last look at an endpoint found.
            wake: asks for another look, which publishes a cause that has changed.
            log: hears of calls that fail.
            clock: seconds since the epoch, as the cluster's clocks have them.
        """
        self._cluster = cluster
        self._roster = roster
        self._outlook_of = outlook_of
        self._wake = wake
        self._log = log
        self._clock = clock
        self._causes: dict[str, Cause] = {}
        self._lines: dict[str, _Lines] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def cause_of(self, endpoint: str) -> Cause | None:
        """What was last found to hold an endpoint up."""
        return self._causes.get(endpoint)

    async def run(self) -> None:
        """Look again and again; never returns."""
        while True:
            await self.look_into_all()
            await asyncio.sleep(LOOK_SECONDS)

    async def look_into_all(self) -> None:
        """One look at every endpoint that has not enough ready replicas."""
        held_up = {name: outlook for name in self._roster.names() if (outlook := self._held_up(name))}
        for name in set(self._causes) - set(held_up):
            del self._causes[name]
        pods = {
            pod.name for outlook in held_up.values() for pod in (outlook.fleet.pods if outlook.fleet else ())
        }
        self._lines = {pod: lines for pod, lines in self._lines.items() if pod in pods}
        async with asyncio.TaskGroup() as group:
            for name, outlook in held_up.items():
                group.create_task(self._look_into(name, outlook))

    def _held_up(self, name: str) -> Outlook | None:
        outlook = self._outlook_of(name)
        if outlook is None or outlook.fleet is None or outlook.decision.desired <= serving(outlook.view):
            return None
        return outlook

    async def _look_into(self, name: str, outlook: Outlook) -> None:
        charge = self._roster.find(name)
        fleets = self._cluster.fleets(name, charge.revision if charge else "")
        if charge is None or not fleets:
            return
        async with self._room:
            evidence = await self._gather(fleets[0], outlook, charge.env)
        try:
            cause = find_cause(evidence)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            # An object of a form that was never seen: it costs a cause, not the scaling of all endpoints.
            self._log.error("cause cannot be read", endpoint=name, exc_info=exc)
            return
        before = self._causes.pop(name, None)
        if cause is not None:
            self._causes[name] = cause
        if cause != before:
            self._wake(name)

    async def _gather(self, fleet: Fleet, outlook: Outlook, env: Mapping[str, str]) -> Evidence:
        replicas = {replica.id: replica for replica in outlook.view.replicas}
        stuck = [
            pod for pod in fleet.alive if pod.name not in replicas or replicas[pod.name].state not in _READY
        ]
        chosen = sorted(stuck, key=lambda pod: pod.created_at)[:MOST_PODS]
        return Evidence(
            fleet=fleet,
            now=self._clock(),
            replicas=replicas,
            events={pod.name: await self._events(fleet, pod) for pod in chosen},
            lines={pod.name: await self._last_lines(fleet, pod) for pod in chosen if is_crashing(pod)},
            hidden=hidden_values(env, chosen),
        )

    async def _events(self, fleet: Fleet, pod: Pod) -> Sequence[Object]:
        try:
            return await self._cluster.events(fleet.namespace, pod.name)
        except ClusterError as exc:
            self._log.warning("events cannot be read", endpoint=fleet.endpoint, pod=pod.name, fault=str(exc))
            return ()

    async def _last_lines(self, fleet: Fleet, pod: Pod) -> str:
        """Read once for each life of the model."""
        restarts = container_status(pod.raw, MODEL_CONTAINER).get("restartCount", 0)
        known = self._lines.get(pod.name)
        if known is not None and known.restarts == restarts:
            return known.text
        try:
            text = await self._cluster.last_lines(fleet.namespace, pod.name)
        except ClusterError:
            return ""  # the former container is not there any more, or not yet
        self._lines[pod.name] = _Lines(restarts, text)
        return text
