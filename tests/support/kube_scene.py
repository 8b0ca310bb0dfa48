"""A scaler's parts around a queue and a cluster in memory."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from support.kube_fleet import MemoryCluster, Steps
from support.kube_objects import BORN
from support.records import make_record

from runtime.queue.memory import MemoryQueue
from runtime.queue.port import Bounds, NewRequest, ReplicaState
from runtime.scaler.kinds import Cause
from runtime.scaler.metrics import Metrics
from runtime.scaler.roster import Roster
from runtime.scaler.tending import Tending
from runtime.wire import EndpointRecord, RequestHead, Scaling, new_request_id

BOUNDS = Bounds(1000, 1 << 30)


class SteppingQueue(MemoryQueue):
    """A queue in memory whose writes by the scaler are steps."""

    steps: Steps
    race: Callable[[], Awaitable[object]] | None = None
    """What happens just before the first retirement."""

    async def retire(self, endpoint: str, replicas: Sequence[str]) -> list[str]:
        """See `Queue.retire`."""
        race, self.race = self.race, None
        if race is not None:
            await race()
        retired = await super().retire(endpoint, replicas)
        self.steps.take("retire", *retired)
        return retired

    async def unretire(self, endpoint: str, replicas: Sequence[str]) -> None:
        """See `Queue.unretire`."""
        await super().unretire(endpoint, replicas)
        self.steps.take("unretire", *replicas)

    async def set_desired(
        self, endpoint: str, desired: int, ceiling: int, cause: str, hold_seconds: float
    ) -> None:
        """See `Queue.set_desired`."""
        await super().set_desired(endpoint, desired, ceiling, cause, hold_seconds)
        self.steps.take("desired", desired)

    async def leave(self, endpoint: str, replica: str) -> None:
        """See `Queue.leave`."""
        await super().leave(endpoint, replica)
        self.steps.take("leave", replica)


@dataclass
class Told:
    """Causes as a test gives them."""

    causes: dict[str, Cause] = field(default_factory=dict)

    def cause_of(self, endpoint: str) -> Cause | None:
        """See `Reasons`."""
        return self.causes.get(endpoint)


class Scene:
    """A queue, a cluster and a roster whose time a test moves."""

    def __init__(self) -> None:
        self.now = BORN
        self.steps = Steps()
        self.queue = SteppingQueue(lambda: self.now)
        self.queue.steps = self.steps
        self.cluster = MemoryCluster(self.steps, lambda: self.now)
        self.roster = Roster()
        self.told = Told()
        self.metrics = Metrics()
        self.records: dict[str, EndpointRecord] = {}

    def scaler(self, *, writes_scale: bool = True) -> Tending:
        """A new leader."""
        return Tending(
            self.queue,
            self.cluster,
            self.roster,
            reasons=self.told,
            metrics=self.metrics,
            log=structlog.get_logger(),
            clock=lambda: self.now,
            require_lead=lambda: None,
            writes_scale=writes_scale,
        )

    async def lower(self, scaler: Tending, endpoint: str = "embed") -> None:
        """Two looks a second apart: costs stand for a while before a number sinks."""
        await scaler.tend(endpoint, is_sweep=False)
        self.now += 1
        await scaler.tend(endpoint, is_sweep=False)

    def record(self, name: str = "embed", *, least: int = 0, most: int = 4, timeout: int = 60) -> None:
        """Add an endpoint's record, or change it."""
        scaling = Scaling(min=least, max=most, timeout=timeout)
        self.records[name] = make_record(name, scaling=scaling)
        self.roster.take(self.records)

    async def request(self, endpoint: str = "embed") -> str:
        """Let an async request in; its id."""
        new = NewRequest(new_request_id(endpoint), RequestHead("POST", "/", ()), b"", queue_seconds=600)
        return (await self.queue.enqueue(new, BOUNDS)).request_id

    async def join(self, pod: str, state: ReplicaState = ReplicaState.READY, endpoint: str = "embed") -> None:
        """Let a pod's worker join and say how its model is."""
        await self.queue.join(endpoint, pod, "1")
        await self.queue.beat(endpoint, pod, state)

    async def beat(self, endpoint: str = "embed", *, but: tuple[str, ...] = ()) -> None:
        """Let every replica's worker say that it lives."""
        for replica in (await self.queue.look(endpoint)).replicas:
            if replica.id not in but:
                await self.queue.beat(endpoint, replica.id, replica.state)

    async def fleet(self, *pods: str, **more: Any) -> None:
        """A Deployment of that many pods, all ready and joined."""
        self.cluster.deploy(replicas=len(pods), total=len(pods), **more)
        for pod in pods:
            self.cluster.add_pod(pod)
            await self.join(pod)

    async def states(self, endpoint: str = "embed") -> dict[str, ReplicaState]:
        """Each replica's state in the queue."""
        return {replica.id: replica.state for replica in (await self.queue.look(endpoint)).replicas}
