"""The order in which replicas go: retired, then their pods' costs written, then the number, then the rest back.

A process that dies between two of these steps leaves retired replicas and costs. Whoever leads next finds the
retired ones among its victims again, or lets them take again; costs are written anew before every lower number.
"""

from collections.abc import Callable

from runtime.queue.port import Queue
from runtime.scaler.cluster import Cluster
from runtime.scaler.fleet import Fleet
from runtime.scaler.moves import Moves, costs, removable


class Lowering:
    """Lowers numbers, never past a replica that could still take a request."""

    def __init__(self, queue: Queue, cluster: Cluster, require_lead: Callable[[], None]) -> None:
        self._queue = queue
        self._cluster = cluster
        self._require_lead = require_lead

    async def prepare(self, fleet: Fleet, moves: Moves, target: int) -> int:
        """Retire the victims and write the costs; the number that may be written now comes back.

        Raises:
            QueueUnavailableError: the queue is away; nothing was lowered.
            ClusterError: a cost could not be written; nothing was lowered.
            NotLeadingError: another one leads now.
        """
        going = await self._retire(fleet.endpoint, moves.victims)
        alive = fleet.alive
        count = removable(alive, going)
        number = max(moves.number, min(target, len(alive) - count))
        is_shared = number > 0 and not fleet.is_settled  # out between two ReplicaSets
        if number >= target or is_shared:
            if going:
                self._require_lead()
                await self._queue.unretire(fleet.endpoint, sorted(going))
            return target
        self._require_lead()
        await self._cluster.set_costs(fleet, costs(alive, going))
        return number

    async def _retire(self, endpoint: str, victims: tuple[str, ...]) -> set[str]:
        """Which of them can take no more: retired, or unknown to the queue, for they never joined it."""
        if not victims:
            return set()
        self._require_lead()
        retired = set(await self._queue.retire(endpoint, victims))
        left = set(victims) - retired
        if left:
            view = await self._queue.look(endpoint)
            left -= {replica.id for replica in view.replicas}
        return retired | left
