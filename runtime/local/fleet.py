"""The replicas of one endpoint: prepared, started, replaced and stopped as the scaler asks."""

import asyncio
import secrets
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.local.backoff import Backoff
from runtime.local.causes import Circumstances
from runtime.local.errors import LocalError, SecretError
from runtime.local.logs import drop_old
from runtime.local.moves import Moves, Standing, plan_moves
from runtime.local.notes import Launch, ReplicaNote, made_from
from runtime.local.replica import Kit, Phase, Replica
from runtime.queue.port import EndpointView
from runtime.wire import EndpointRecord, Scaling

FRESH_SECONDS = 5.0
"""A preparation is trusted for so long; a new one of what is there already takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Crew:
    """What fleets need of their supervisor."""

    kit: Kit
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    """Starts a task in the supervisor's task group."""
    take_port: Callable[[], int]
    free_ports: Callable[[Collection[int]], None]
    wake: Callable[[], None]
    """Asks the scaler to look again now."""


class Fleet:
    """All replicas of one endpoint, old revisions and stopping ones too."""

    def __init__(self, record: EndpointRecord, crew: Crew) -> None:
        self.record = record
        self.leaving = False
        """The endpoint is gone from endpoints.yaml; the fleet goes once its queue and itself are empty."""
        self.preparing = False
        self._crew = crew
        self._replicas: dict[str, Replica] = {}
        self._launch: Launch | None = None
        self._prepared_at = 0.0
        self._fault = ""
        self._retry_at = 0.0
        self._backoff = Backoff(first=2.0, most=120.0)

    @property
    def size(self) -> int:
        """Slots in use: replicas that are being stopped still have theirs."""
        return len(self._replicas)

    @property
    def may_prepare(self) -> bool:
        """Whether nothing is being installed, and nothing failed just now."""
        return not self.preparing and self._crew.kit.clock() >= self._retry_at

    @property
    def alive(self) -> int:
        """Replicas that are not being stopped."""
        return sum(one.phase is not Phase.STOPPING for one in self._replicas.values())

    @property
    def standing(self) -> list[Standing]:
        """What the moves are planned from."""
        return [
            Standing(one.id, one.revision, stopping=one.phase is Phase.STOPPING)
            for one in self._replicas.values()
        ]

    def adopt(self, note: ReplicaNote) -> None:
        """Go on with a replica of a supervisor before us."""
        self._keep(Replica(note, self._crew.kit))

    def apply(self, record: EndpointRecord) -> None:
        """Take over a changed record. Replicas of another revision are replaced by the next moves."""
        self.leaving = False
        if record.revision != self.record.revision:
            self._launch = None
            self.forget_fault()
        self.record = record
        for replica in self._replicas.values():
            if replica.revision == self._revision:
                replica.apply(record)

    def forget_fault(self) -> None:
        """Prepare again at once: what stood in the way may be mended."""
        self._fault, self._retry_at = "", 0.0
        self._backoff.reset()

    def plan(self, wanted: int, view: EndpointView, free: int) -> Moves:
        """The moves towards so many replicas; preparation begins where one must start."""
        moves = plan_moves(wanted, self._revision, self.standing, view, free)
        if moves.start and not self._is_fresh():
            self.prepare()
            return Moves(retire=moves.retire, drain=moves.drain, unretire=moves.unretire)
        return moves

    async def move(self, moves: Moves) -> None:
        """Carry the moves out. Replicas end in their own time; the scaler is woken when one has.

        Raises:
            QueueUnavailableError: the queue is away; what was not done is planned again.
        """
        for _ in range(moves.start):
            self._start()
        queue, name = self._crew.kit.queue, self.record.name
        if moves.unretire:
            await queue.unretire(name, moves.unretire)
        known = {one for one in moves.retire if one in self._replicas}
        idle = set(await queue.retire(name, moves.retire)) if moves.retire else set()
        unseen = known - await self._seen(known) if known - idle else set()
        for replica in (known & idle) | unseen | set(moves.drain):
            self._replicas[replica].stop()
        for failing in self._replicas.values():
            await failing.report_failing()

    def prepare(self) -> None:
        """Begin to install what replicas need, unless that is going on or failed just now."""
        if self.may_prepare:
            self.preparing = True
            self._crew.spawn(self._prepare(self.record))

    def circumstances(self, wanted: int, view: EndpointView) -> Circumstances:
        """What is known about what holds replicas up."""
        alive = [one for one in self._replicas.values() if one.phase is not Phase.STOPPING]
        ready = {one.id for one in view.replicas if one.state in ("ready", "busy")}
        return Circumstances(
            wanted=wanted,
            replicas=len(alive),
            ready=sum(one.id in ready for one in alive),
            secret=self._secret_fault(),
            fault=self._fault,
            doing=self._crew.kit.sources.doing(self.record) if self.preparing else "",
            crashes=[one.detail for one in alive if one.phase is Phase.FAILING],
        )

    def leave(self) -> None:
        """The endpoint is gone: what it has accepted is still served, by as few as that takes."""
        self.leaving = True
        last = Scaling(min=0, max=max(1, self.record.scaling.max), timeout=0)
        self.record = self.record.model_copy(update={"scaling": last})

    def _is_fresh(self) -> bool:
        return self._launch is not None and self._crew.kit.clock() - self._prepared_at < FRESH_SECONDS

    async def _prepare(self, record: EndpointRecord) -> None:
        kit = self._crew.kit
        try:
            launch = await kit.sources.prepare(record, self._logs / "install.log")
        except (LocalError, OSError) as exc:
            self._fault = str(exc)
            self._retry_at = kit.clock() + self._backoff.next_delay()
            kit.log.warning("replica cannot be prepared", endpoint=record.name, fault=self._fault)
        else:
            self._fault, self._prepared_at = "", kit.clock()
            self._launch = launch if record.revision == self.record.revision else None
            self._backoff.reset()
        finally:
            self.preparing = False
            self._crew.wake()

    def _start(self) -> None:
        if self._launch is None:
            raise RuntimeError("a replica is started before it was prepared")
        drop_old(self._logs, set(self._replicas))
        self._keep(
            Replica(
                ReplicaNote(
                    id=secrets.token_hex(4),
                    record=self.record,
                    launch=self._launch,
                    port=self._crew.take_port(),
                    probe_port=self._crew.take_port(),
                    build=self._crew.kit.build,
                ),
                self._crew.kit,
            )
        )

    def _keep(self, replica: Replica) -> None:
        self._replicas[replica.id] = replica
        self._crew.spawn(self._run(replica))

    async def _run(self, replica: Replica) -> None:
        """The edge of a replica's task: its fault ends this replica, never the supervisor."""
        log = self._crew.kit.log.bind(endpoint=self.record.name, replica=replica.id)
        log.info("replica kept", revision=replica.revision)
        try:
            await replica.run()
        except Exception:
            log.exception("replica given up")
            await replica.kill()
        log.info("replica gone")
        del self._replicas[replica.id]
        self._crew.free_ports({replica.note.port, replica.note.probe_port})
        self._crew.wake()

    async def _seen(self, replicas: Collection[str]) -> set[str]:
        """Those of the replicas that the queue knows."""
        view = await self._crew.kit.queue.look(self.record.name)
        return {one.id for one in view.replicas if one.id in replicas}

    def _secret_fault(self) -> str:
        try:
            self._crew.kit.sources.secrets.fill(self.record.secrets)
        except SecretError as exc:
            return str(exc)
        return ""

    @property
    def _revision(self) -> str:
        return made_from(self.record, self._crew.kit.build)

    @property
    def _logs(self) -> Path:
        return self._crew.kit.settings.places.logs / self.record.name


def slots_in_use(fleets: Mapping[str, Fleet]) -> dict[str, int]:
    """Replicas of each endpoint that has any."""
    return {name: fleet.size for name, fleet in fleets.items() if fleet.size}
