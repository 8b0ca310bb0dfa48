"""The commands' view of the running platform: its HTTP API on loopback."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from runtime.local.errors import LocalError

LOOK_SECONDS = 5.0
POLL_SECONDS = 0.1
OK = 200
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Answered:
    """A model's answer and how long it took."""

    status: int
    text: str
    seconds: float


class PlatformApi:
    """Asks the gateway with the owner's token."""

    def __init__(self, session: ClientSession, url: str, token: Path) -> None:
        self._session = session
        self._url = url
        self._token = token

    async def is_healthy(self) -> bool:
        """Whether the gateway answers and reaches its queue."""
        try:
            return await self._get("/healthz") is not None
        except LocalError:
            return False

    async def endpoints(self) -> list[dict[str, Any]]:
        """Every endpoint's state.

        Raises:
            LocalError: the platform does not answer.
        """
        found = await self._get("/v1/endpoints")
        return [] if found is None else list(found["endpoints"])

    async def endpoint(self, name: str) -> dict[str, Any] | None:
        """One endpoint's state; None when there is none of that name yet.

        Raises:
            LocalError: the platform does not answer.
        """
        found = await self._get(f"/v1/endpoints/{name}")
        return None if found is None else dict(found)

    async def wait_for(self, name: str, seconds: float) -> None:
        """Return when the gateway has read the endpoint's record, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while await self.endpoint(name) is None:
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def infer(self, path: str, body: bytes, seconds: float) -> Answered:
        """Send a request and wait for its answer.

        Raises:
            LocalError: no answer came.
        """
        begun = time.monotonic()
        headers = {**self._headers(), "content-type": "application/json"}
        try:
            async with self._session.post(
                self._url + path, data=body, headers=headers, timeout=ClientTimeout(total=seconds)
            ) as answer:
                text = await answer.text(errors="replace")
        except (ClientError, TimeoutError, OSError) as exc:
            raise LocalError(f"{path} gave no answer: {exc!r}") from exc
        return Answered(answer.status, text, time.monotonic() - begun)

    async def _get(self, path: str) -> Any:
        timeout = ClientTimeout(total=LOOK_SECONDS)
        try:
            async with self._session.get(
                self._url + path, headers=self._headers(), timeout=timeout
            ) as answer:
                body, status = await answer.read(), answer.status
        except (ClientError, TimeoutError, OSError) as exc:
            raise LocalError(f"nothing answers at {self._url}. Say `make up`.") from exc
        if status == NOT_FOUND:
            return None
        if status != OK:
            raise LocalError(_refusal(self._url, status))
        try:
            return json.loads(body)
        except ValueError as exc:
            raise LocalError(f"what answers at {self._url} is another program.") from exc

    def _headers(self) -> dict[str, str]:
        try:
            return {"authorization": f"Bearer {self._token.read_text().strip()}"}
        except FileNotFoundError:
            return {}


def _refusal(url: str, status: int) -> str:
    if status in (UNAUTHORIZED, FORBIDDEN):
        return f"what answers at {url} does not know this folder's token. Say `make up`."
    return f"the platform at {url} answers {status}. `make logs` may say why."
