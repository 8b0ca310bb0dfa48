"""The order in which replicas go: retired, then their pods' costs written, then the number, then the rest back.

A process that dies between two of these steps leaves retired replicas and costs. Whoever leads next finds the
retired ones among its victims again, or lets them take again; costs are written anew before every lower number.
"""

from collections.abc import Callable
from dataclasses import dataclass

from runtime.queue.port import Queue
from runtime.scaler.cluster import Cluster
from runtime.scaler.fleet import Fleet
from runtime.scaler.moves import Moves, costs, removable

COST_SECONDS = 0.8
"""How long costs stand before the number sinks: the controller hears of pods and of numbers by two watches, and nothing
says which of them comes first."""
DELETE_SECONDS = 2.0
"""How long after a lower number pods may not be deleted yet that will be: none takes again until then. The same at the
start of a term, for the leader before may have lowered one with its last breath."""


@dataclass(frozen=True, slots=True)
class _Written:
    """Costs as they were written, and since when they stand."""

    alive: frozenset[str]
    going: frozenset[str]
    since: float


class Lowering:
    """Lowers numbers, never past a replica that could still take a request."""

    def __init__(
        self,
        queue: Queue,
        cluster: Cluster,
        require_lead: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._cluster = cluster
        self._require_lead = require_lead
        self._clock = clock
        self._written: dict[tuple[str, str], _Written] = {}
        self._lowered_at: dict[tuple[str, str], float] = {}
        self._begun_at: float | None = None

    def begin(self) -> None:
        """A term begins: which costs and numbers another leader has written until now is not known here."""
        self._written.clear()
        self._lowered_at.clear()
        self._begun_at = self._clock()

    async def prepare(self, fleet: Fleet, moves: Moves, target: int) -> int:
        """Retire the victims and write the costs; the number that may be written now comes back.

        Unless it is none at all, the costs must have stood for a while: the next look lowers it then.

        Raises:
            QueueUnavailableError: the queue is away; nothing was lowered.
            ClusterError: the API is away, or a cost could not be written; nothing was lowered.
            NotLeadingError: another one leads now.
        """
        if moves.victims:
            # While it is away no number can be lowered, and no retired replica be let back.
            await self._cluster.living(fleet, moves.victims)
        going = await self._retire(fleet.endpoint, moves.victims)
        alive = fleet.alive
        count = removable(alive, going)
        number = max(moves.number, min(target, len(alive) - count))
        is_shared = number > 0 and not fleet.is_settled  # out between two ReplicaSets
        if number >= target or is_shared:
            await self.let_back(fleet, tuple(sorted(going)))
            return target
        self._require_lead()
        await self._cluster.set_costs(fleet, costs(alive, going))
        return number if number == 0 or self._has_settled(fleet, going) else target

    def _has_settled(self, fleet: Fleet, going: set[str]) -> bool:
        """Whether the costs were the same, of the same pods, for long enough."""
        key, now = (fleet.namespace, fleet.endpoint), self._clock()
        alive = frozenset(pod.name for pod in fleet.alive)
        written = self._written.get(key)
        if written is None or (written.alive, written.going) != (alive, frozenset(going)):
            self._written[key] = _Written(alive, frozenset(going), now)
            return False
        return now - written.since >= COST_SECONDS

    def note(self, fleet: Fleet, *, is_lower: bool) -> None:
        """A number was written: costs of before count no more."""
        key = (fleet.namespace, fleet.endpoint)
        self._written.pop(key, None)
        if is_lower:
            self._lowered_at[key] = self._clock()

    async def let_back(self, fleet: Fleet, replicas: tuple[str, ...]) -> None:
        """Let retired replicas take again, unless their pods are or may be on their way out.

        The copy of the cluster's pods may be late for longer than any time that one could wait, so the API is asked.

        Raises:
            QueueUnavailableError: the queue is away.
            ClusterError: the API is away; until the next look nobody takes what might be cut.
            NotLeadingError: another one leads now.
        """
        lowered_at = self._lowered_at.get((fleet.namespace, fleet.endpoint), self._begun_at)
        if not replicas or (lowered_at is not None and self._clock() - lowered_at < DELETE_SECONDS):
            return
        living = await self._cluster.living(fleet, replicas)
        if living:
            self._require_lead()
            await self._queue.unretire(fleet.endpoint, tuple(sorted(living)))

    def forget(self, endpoint: str) -> None:
        """The endpoint has left."""
        for known in (self._written, self._lowered_at):
            for key in [key for key in known if key[1] == endpoint]:
                known.pop(key, None)

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
