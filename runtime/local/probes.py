"""Asks the probe server of a worker, or the gateway's inner port, as kubelet does in a cluster."""

import asyncio
from typing import Literal, Self

from aiohttp import ClientError, ClientSession, TCPConnector

Path = Literal["/startup", "/live", "/drain", "/healthz"]
OK = 200
UNHEALTHY = 503


class Probes:
    """One HTTP client for all probes; an async context manager."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(connector=TCPConnector(limit=0), trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, port: int, path: Path, seconds: float) -> int | None:
        """The status of the answer; None when there is none within so many seconds."""
        if self._session is None:
            raise RuntimeError("Probes is used outside its `async with`")
        try:
            async with asyncio.timeout(seconds):
                async with self._session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    await answer.read()
                    return answer.status
        except (TimeoutError, ClientError, OSError):
            return None
