"""Records watched in the cluster's ConfigMaps, and tokens in a mounted Secret.

What speaks to Kubernetes is imported only when it is asked for: one machine does without it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from runtime.gateway.record_files import REFRESH_SECONDS, TokenFile
from runtime.gateway.registry import Endpoints, Records, Served

if TYPE_CHECKING:
    from runtime.cluster.records import ClusterRecords

Follow = Callable[[], "AsyncGenerator[ClusterRecords, None]"]
"""Begins to follow the records: all of them, then all again at each change."""


class ClusterSource:
    """The records of a namespace. While the API is away the last good ones stand."""

    def __init__(self, follow: Follow, tokens: TokenFile) -> None:
        self._follow = follow
        self._tokens = tokens

    async def follow(self, endpoints: Endpoints) -> None:
        """See `Source.follow`; nothing is put before ConfigMaps and tokens were both read once."""
        known = Records(tokens=await self._tokens.read())
        async with asyncio.TaskGroup() as group, aclosing(self._follow()) as changes:
            group.create_task(self._follow_tokens(endpoints))
            async for found in changes:
                served = {name: Served.of(record) for name, record in found.endpoints.items()}
                tokens = endpoints.records.tokens if endpoints.is_read else known.tokens
                endpoints.put(Records(endpoints=served, account=found.account, tokens=tokens))

    async def _follow_tokens(self, endpoints: Endpoints) -> None:
        await endpoints.until_read()
        while True:
            tokens = await self._tokens.read()
            if tokens is not endpoints.records.tokens:
                endpoints.put(replace(endpoints.records, tokens=tokens))
            await asyncio.sleep(REFRESH_SECONDS)


def follow_namespace(namespace: str, log: FilteringBoundLogger) -> Follow:
    """Following the records of a namespace of the cluster that this process runs in."""
    from runtime.cluster.client import open_cluster  # noqa: PLC0415 - see the module
    from runtime.cluster.records import follow_records  # noqa: PLC0415 - imports the same

    async def follow() -> "AsyncGenerator[ClusterRecords, None]":
        async with (
            open_cluster() as client,
            aclosing(follow_records(client, namespace, log)) as changes,
        ):
            async for records in changes:
                yield records

    return follow
