"""The token that each call shows, read anew as kubelet renews it."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.cluster.access import Access

FRESH_SECONDS = 60.0
"""How long a token that was read counts. Kubelet renews one two minutes before its end, or earlier."""


class Login:
    """Who calls: a token of a file, a fixed one, or none where the TLS certificate says it."""

    def __init__(self, access: Access, clock: Callable[[], float]) -> None:
        self._file = access.token_file
        self._token = access.token
        self._clock = clock
        self._read_at: float | None = None

    async def headers(self) -> Mapping[str, str]:
        """What shows it.

        Raises:
            OSError: the token's file cannot be read, and never could be.
        """
        if self._file is not None and not self._is_fresh():
            await self._read(self._file)
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The server did not take it: the next call reads it anew."""
        self._read_at = None

    def _is_fresh(self) -> bool:
        return self._read_at is not None and self._clock() - self._read_at < FRESH_SECONDS

    async def _read(self, file: Path) -> None:
        """While the file cannot be read, the last token goes on."""
        try:
            self._token = (await asyncio.to_thread(file.read_text)).strip()
        except OSError:
            if self._token is None:
                raise
        self._read_at = self._clock()
