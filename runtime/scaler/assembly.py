"""One scaler, put together: what every one of them does, and what only the leader does."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing

from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import ApiClient
from runtime.cluster.records import follow_records
from runtime.queue.port import Queue
from runtime.scaler.election import Election
from runtime.scaler.kube import KubeCluster
from runtime.scaler.metrics import Metrics
from runtime.scaler.probes import serve_probes
from runtime.scaler.reasons import Reporter
from runtime.scaler.roster import Roster
from runtime.scaler.rounds import Rounds
from runtime.scaler.settings import Settings
from runtime.scaler.signals import Signals
from runtime.scaler.tending import Outlook, Tending
from runtime.scaler.users import QueueUsers

STALLED_SECONDS = 120.0
"""A leader that has not gone round for so long is started anew."""


class Scaler:
    """Everything of one scaler process."""

    def __init__(
        self, settings: Settings, client: ApiClient, queue: Queue, log: FilteringBoundLogger
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._settings = settings
        self._client = client
        self._queue = queue
        self._log = log
        self._clock = clock
        self.metrics = Metrics()
        self.roster = Roster()
        self.cluster = KubeCluster(client, settings.endpoint_namespaces, self.metrics, log)
        self.election = Election(
            client,
            settings.namespace,
            settings.lease,
            settings.identity,
            clock=clock,
            metrics=self.metrics,
            log=log,
        )
        self._reporter = Reporter(
            self.cluster, self.roster, self._outlook_of, self._wake, log=log, clock=time.time
        )
        self._tending = Tending(
            queue,
            self.cluster,
            self.roster,
            reasons=self._reporter,
            metrics=self.metrics,
            log=log,
            clock=clock,
            require_lead=self.election.require,
            writes_scale=not settings.is_keda,
        )
        self.rounds = Rounds(
            queue, self.cluster, self.roster, self._tending, metrics=self.metrics, log=log, clock=clock
        )
        self._signals = Signals(queue)
        self._users: QueueUsers | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until the event is set, then stop writing and release the lease.

        Raises:
            OSError: a port cannot be listened on.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(
                serve_probes(self.fault, self.metrics, settings.host, settings.port)
            )
            self._users = self._connect_users()
            if self._users is not None:
                stack.push_async_callback(self._users.close)
            if settings.is_keda:
                await stack.enter_async_context(self._serve_keda())
            self._log.info("listening", port=port, identity=settings.identity)
            await self._run_tasks(stop)

    def fault(self) -> str:
        """Why this process should be started anew; empty when it is well, the API or the queue being away too."""
        idle = self._clock() - self.rounds.moved_at
        if self.election.is_leading and idle > STALLED_SECONDS:
            return f"it leads, and has not gone round for {idle:.0f} s"
        return ""

    def _serve_keda(self) -> AbstractAsyncContextManager[int]:
        # gRPC costs a start half a second, which a scaler that writes the numbers itself does without.
        from runtime.scaler.keda import KedaScaler, serve_keda  # noqa: PLC0415 - as the comment says

        keda = KedaScaler(self._queue, self.roster, self._signals)
        return serve_keda(keda, self._settings.host, self._settings.keda_port, self._log)

    async def _run_tasks(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._follow_records()), group.create_task(self.cluster.run())]
            if self._settings.is_keda:
                beside.append(group.create_task(self._signals.run()))
            await self.election.run(self._lead, stop)
            for task in beside:
                task.cancel()

    async def _lead(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rounds.run())
            group.create_task(self._reporter.run())
            if self._users is not None:
                group.create_task(self._users.run())

    async def _follow_records(self) -> None:
        follow = follow_records(self._client, self._settings.namespace, self._log)
        async with aclosing(follow) as values:
            async for records in values:
                self.roster.take(records.endpoints)

    def _connect_users(self) -> QueueUsers | None:
        settings = self._settings
        if not settings.keeps_users:
            return None
        if not settings.worker_key:
            self._log.warning("worker users are not kept: MOORAGE_WORKER_KEY is not set")
            return None
        return QueueUsers.connect(
            settings.queue_url, settings.worker_key, self._user_names, self.election.require, log=self._log
        )

    def _user_names(self) -> list[str] | None:
        """Endpoints whose workers may log in; an endpoint that is leaving stays until it has left."""
        if not (self.roster.is_known and self.cluster.is_known):
            return None
        self.roster.adopt(self.cluster.endpoints())
        return self.roster.names()

    def _outlook_of(self, name: str) -> Outlook | None:
        return self._tending.outlook(name)

    def _wake(self, name: str) -> None:
        self.rounds.wake(name)
        self._signals.tell(name)
