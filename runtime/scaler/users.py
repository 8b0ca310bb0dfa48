"""The workers' Valkey users: one an endpoint, made with it and removed once it has left.

They hold on a server that lost them (a restart without its ACL file): its `run_id` tells.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError
from structlog.typing import FilteringBoundLogger

from runtime.queue.valkey import COMMAND_SECONDS, FAULTS, connect_server, is_cluster
from runtime.scaler.rights import worker_rights
from runtime.wire.queue_users import WORKER_USER_PREFIX, worker_user

MAX_CONNECTIONS = 4
CHECK_SECONDS = 1.0
"""How often new endpoints are looked for; a replica takes longer than that to start."""
RESTART_CHECK_SECONDS = 10.0
"""How often the server is asked whether it is another one by now."""
BATCH = 100
"""Users that are written in one round trip."""


class QueueUsers:
    """Keeps a server's worker users as the roster has them. Everything it does may be done twice."""

    def __init__(
        self,
        client: "Redis",
        key: str,
        names: Callable[[], Collection[str] | None],
        require_lead: Callable[[], None],
        *,
        log: FilteringBoundLogger,
    ) -> None:
        """Start with nothing written.

        Args:
            client: a connection whose user may change users.
            key: master key of the passwords.
            names: the endpoints that should have a user at this moment, those that are leaving too; None while
                that is not known.
            require_lead: raises once another scaler leads.
            log: hears of each change, never of a password.
        """
        self._client = client
        self._key = key
        self._names = names
        self._require_lead = require_lead
        self._log = log
        self._written: set[str] = set()
        self._run_id = ""
        self._fault = ""

    @classmethod
    def connect(
        cls,
        url: str,
        key: str,
        names: Callable[[], Collection[str] | None],
        require_lead: Callable[[], None],
        *,
        log: FilteringBoundLogger,
    ) -> Self | None:
        """The keeper of the server at this URL; None for a cluster, each node of which has users of its own.

        Where one is managed, its users are too: `MOORAGE_QUEUE_USERS=managed` says so.
        """
        if is_cluster(url):
            log.warning("worker users are not kept: the queue is a cluster, whose users are kept elsewhere")
            return None
        return cls(connect_server(url, MAX_CONNECTIONS), key, names, require_lead, log=log)

    async def run(self) -> None:
        """Keep them; never returns, and begins anew in each term."""
        self._run_id, self._written = "", set()
        clock = asyncio.get_running_loop().time
        checked_at = -RESTART_CHECK_SECONDS
        while True:
            names = self._names()
            is_due = clock() - checked_at >= RESTART_CHECK_SECONDS
            if names is not None and (is_due or set(names) != self._written):
                await self._guarded_keep(ask=is_due)
                checked_at = clock() if is_due else checked_at
            await asyncio.sleep(CHECK_SECONDS)

    async def keep(self, *, ask_server: bool = True) -> None:
        """One round: write what is missing, remove what has left, and save if anything changed.

        Raises:
            RedisError: the server refused or is away; OSError, TimeoutError likewise.
            NotLeadingError: another one leads now.
        """
        names = self._names()
        if names is None:
            return
        wanted = set(names)
        if ask_server:
            await self._notice_restart(wanted)
        missing = sorted(wanted - self._written)
        gone = sorted(self._written - wanted)
        for start in range(0, len(missing), BATCH):
            await self._write(missing[start : start + BATCH])
        if gone:
            await self._remove(gone)
        if missing or gone:
            await self._save()
            self._log.info("worker users kept", added=len(missing), removed=gone)

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _guarded_keep(self, *, ask: bool) -> None:
        fault = ""
        try:
            async with asyncio.timeout(6 * COMMAND_SECONDS):
                await self.keep(ask_server=ask)
        except NoPermissionError:
            fault = "this scaler's user may not keep users"
        except FAULTS as exc:
            fault = type(exc).__name__ if isinstance(exc, ResponseError) else f"{type(exc).__name__}: {exc}"
        if fault and fault != self._fault:
            self._log.warning("worker users are not kept", fault=fault)
        self._fault = fault

    async def _notice_restart(self, wanted: set[str]) -> None:
        """On a server that we do not know, start from the users that it has."""
        info: dict[str, Any] = await self._client.info("server")
        run_id = str(info.get("run_id", ""))
        if run_id == self._run_id:
            return
        # Whoever stands there may have an old password or too few rights: those wanted are written again.
        there = {name.removeprefix(WORKER_USER_PREFIX) for name in await self._worker_users()}
        self._written = there - wanted
        self._run_id = run_id

    async def _worker_users(self) -> list[str]:
        found = await self._client.acl_users()
        names = [name.decode() if isinstance(name, bytes) else name for name in found]
        return [name for name in names if name.startswith(WORKER_USER_PREFIX)]

    async def _write(self, endpoints: list[str]) -> None:
        self._require_lead()
        async with self._client.pipeline(transaction=False) as pipe:
            for endpoint in endpoints:
                rights = worker_rights(self._key, endpoint)
                pipe.execute_command("ACL SETUSER", worker_user(endpoint), *rights)
            await pipe.execute()
        self._written |= set(endpoints)

    async def _remove(self, endpoints: list[str]) -> None:
        self._require_lead()
        await self._client.acl_deluser(*(worker_user(endpoint) for endpoint in endpoints))
        self._written -= set(endpoints)

    async def _save(self) -> None:
        """Into the server's ACL file; a server without one forgets them at its next start, and is told again."""
        try:
            await self._client.acl_save()
        except ResponseError as exc:
            if isinstance(exc, NoPermissionError):
                raise
            self._log.warning("worker users are not saved: the server has no ACL file")
