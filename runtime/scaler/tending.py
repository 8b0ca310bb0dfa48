"""One look at one endpoint, and what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import ClusterError
from runtime.policy import Decision, decide
from runtime.queue.port import EndpointView, Queue, ReplicaState
from runtime.scaler.cluster import Cluster
from runtime.scaler.fleet import Fleet, Pod
from runtime.scaler.kinds import Cause, Kind
from runtime.scaler.lowering import Lowering
from runtime.scaler.metrics import Metrics
from runtime.scaler.moves import Moves, plan_moves
from runtime.scaler.roster import Charge, Roster
from runtime.scaler.seeing import forgotten, serving, view_of_fleet

NOT_DEPLOYED = Cause(Kind.NOT_DEPLOYED, "cannot start: the endpoint is not deployed in the cluster")


@dataclass(frozen=True, slots=True)
class Outlook:
    """An endpoint as the last look found it."""

    view: EndpointView
    """As `view_of_fleet` sees it."""
    decision: Decision
    number: int
    """The number that stands now: in the Deployment, or told to KEDA."""
    fleet: Fleet | None
    fault: str = ""
    """Why the number could not be written, or nobody be let back."""

    @property
    def is_quiet(self) -> bool:
        """Whether only time or a new request can change anything."""
        idle = not self.view.demand and not self.view.replicas
        return idle and not self.number and not self.decision.desired


class Reasons(Protocol):
    """Where the causes come from."""

    def cause_of(self, endpoint: str) -> Cause | None:
        """What was last found to hold an endpoint up; None when nothing is known to."""
        ...


class Tending:
    """Brings endpoints to what the policy wants, one look at a time."""

    def __init__(
        self,
        queue: Queue,
        cluster: Cluster,
        roster: Roster,
        *,
        reasons: Reasons,
        metrics: Metrics,
        log: FilteringBoundLogger,
        clock: Callable[[], float],
        require_lead: Callable[[], None],
        writes_scale: bool,
    ) -> None:
        """Start with no outlook on any endpoint.

        Args:
            queue: holds demand and what was decided before.
            cluster: Deployments and pods.
            roster: the endpoints.
            reasons: causes of waiting.
            metrics: figures of each look.
            log: one line a changed number.
            clock: a steady one, in seconds.
            require_lead: raises NotLeadingError once another one leads; asked before every write.
            writes_scale: whether the numbers are written here, or read by KEDA from the queue.
        """
        self._queue = queue
        self._cluster = cluster
        self._roster = roster
        self._reasons = reasons
        self._metrics = metrics
        self._log = log
        self._require_lead = require_lead
        self._writes_scale = writes_scale
        self._lowering = Lowering(queue, cluster, require_lead, clock)
        self._outlooks: dict[str, Outlook] = {}
        self._told: dict[str, tuple[int, int, str, float]] = {}

    def outlook(self, name: str) -> Outlook | None:
        """What the last look found."""
        return self._outlooks.get(name)

    def begin(self) -> None:
        """A term begins: another one may have led until now."""
        self._lowering.begin()

    async def tend(self, name: str, *, is_sweep: bool) -> Outlook | None:
        """Look, decide, move, and tell the queue; None when the endpoint is none of ours.

        Raises:
            QueueUnavailableError: the queue is away.
            NotLeadingError: another one leads now.
        """
        charge = self._roster.find(name)
        if charge is None:
            return None
        if is_sweep:
            self._require_lead()
            await self._queue.sweep(name)
        view = await self._queue.look(name)
        fleets = self._cluster.fleets(name, charge.revision)
        every = [pod for fleet in fleets for pod in fleet.pods]
        outlook = await self._move(charge, view, fleets[0] if fleets else None, every)
        self._outlooks[name] = outlook
        for former in fleets[1:]:
            await self._move_out(charge, view, former, outlook, every)
        await self._forget_gone(name, view, every)
        await self._report_failing(name, view, every)
        await self._tell(charge, view, outlook)
        self._forget_left(charge, outlook, bool(fleets))
        return outlook

    async def _move(
        self, charge: Charge, view: EndpointView, fleet: Fleet | None, every: list[Pod]
    ) -> Outlook:
        if fleet is None:
            return Outlook(view, decide(charge.scaling, charge.start_seconds, view), 0, None)
        seen = view_of_fleet(view, fleet, charge.start_seconds, every)
        decision = decide(charge.scaling, charge.start_seconds, seen)
        target = fleet.replicas if self._writes_scale else view.desired
        moves = plan_moves(decision.desired, target, fleet, seen)
        number, fault = await self._try_moves(fleet, moves, target)
        return Outlook(seen, decision, number, fleet, fault)

    async def _move_out(
        self, charge: Charge, view: EndpointView, former: Fleet, outlook: Outlook, every: list[Pod]
    ) -> None:
        """Empty a Deployment of the same endpoint that another one takes over from, once that one serves."""
        seen = view_of_fleet(view, former, charge.start_seconds, every)
        number = sum(replica.request is not None for replica in seen.replicas)
        if not self._writes_scale or (outlook.decision.desired and not serving(outlook.view)):
            number = former.replicas  # it goes on; what was retired before takes again
        await self._try_moves(
            former, plan_moves(min(number, former.replicas), former.replicas, former, seen), former.replicas
        )

    async def _try_moves(self, fleet: Fleet, moves: Moves, target: int) -> tuple[int, str]:
        """The number that stands after the moves, and why it is not the one that was planned."""
        number = target
        try:
            number = await self._carry_out(fleet, moves, target)
            await self._lowering.let_back(fleet, moves.unretire)
        except ClusterError as exc:
            # The Deployment has changed since we looked, or is gone: the next look sees more.
            fault = "" if exc.is_conflict or exc.is_gone else str(exc)
            before = self._outlooks.get(fleet.endpoint)
            if fault and (before is None or before.fault != fault):
                self._log.warning("cluster cannot be brought along", endpoint=fleet.endpoint, fault=fault)
            return number, fault
        return number, ""

    async def _carry_out(self, fleet: Fleet, moves: Moves, target: int) -> int:
        """Write the number, raised at once, lowered in its order; the one that stands comes back."""
        number = moves.number
        if number < target:
            number = await self._lowering.prepare(fleet, moves, target)
        if number != target:
            await self._write(fleet, number, target)
        if number != target or moves.number >= target:
            self._lowering.note(fleet, is_lower=number < target)
        return number

    async def _write(self, fleet: Fleet, number: int, target: int) -> None:
        self._require_lead()
        if self._writes_scale:
            # A rollout that began since we looked may not meet a lower number: it has two ReplicaSets.
            await self._cluster.scale(fleet, number, only_unchanged=number < target)
        self._metrics.decisions.labels(fleet.endpoint, "up" if number > target else "down").inc()
        self._log.info("number", endpoint=fleet.endpoint, before=target, now=number)

    async def _forget_gone(self, name: str, view: EndpointView, every: list[Pod]) -> None:
        if not self._cluster.is_known:
            return
        for replica in forgotten(view, every):
            self._require_lead()
            await self._queue.leave(name, replica)

    async def _report_failing(self, name: str, view: EndpointView, every: list[Pod]) -> None:
        """Say of replicas whose model ends again and again what their workers cannot know."""
        looping = {pod.name for pod in every if pod.is_crash_looping and pod.is_alive}
        for replica in view.replicas:
            is_news = replica.state is ReplicaState.STARTING and replica.request is None
            if is_news and replica.id in looping:
                self._require_lead()
                await self._queue.beat(
                    name, replica.id, ReplicaState.FAILING, "its model ends again and again"
                )

    async def _tell(self, charge: Charge, view: EndpointView, outlook: Outlook) -> None:
        """Write number and cause into the queue, where they changed or old needs must go."""
        desired = outlook.decision.desired if self._writes_scale else outlook.number
        cause = self._cause(charge.name, outlook)
        told = (desired, charge.scaling.max, cause.words if cause else "", float(charge.scaling.timeout))
        is_stale = any(view.now - at > charge.scaling.timeout for at in view.needed.values())
        is_other = told != self._told.get(charge.name) or (view.desired, view.cause) != (desired, told[2])
        if is_stale or is_other:
            self._require_lead()
            await self._queue.set_desired(charge.name, *told)
            self._told[charge.name] = told
        self._metrics.show(charge.name, outlook.view, outlook.decision.desired, outlook.number)
        self._metrics.show_cause(charge.name, cause.kind if cause else None)

    def _cause(self, name: str, outlook: Outlook) -> Cause | None:
        if outlook.decision.desired <= serving(outlook.view):
            return None
        if outlook.fault:
            return Cause(Kind.API, f"cannot start: the cluster's API refuses or is away ({outlook.fault})")
        return NOT_DEPLOYED if outlook.fleet is None else self._reasons.cause_of(name)

    def _forget_left(self, charge: Charge, outlook: Outlook, is_deployed: bool) -> None:
        """An endpoint that was leaving has left once nothing of it runs, waits or stands."""
        if charge.is_leaving and not is_deployed and not outlook.view.demand:
            self._roster.forget(charge.name)
            self._lowering.forget(charge.name)
            self._outlooks.pop(charge.name, None)
            self._told.pop(charge.name, None)
            self._metrics.forget(charge.name)
