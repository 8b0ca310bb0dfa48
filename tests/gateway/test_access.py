"""Who may call a private endpoint."""

from pathlib import Path

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, gateway_stage, record


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Basic abc", f"Bearer {OWNER}x", f"Token {OWNER}", OWNER, "Bearer caf\u00e9"],
)
async def test_missing_or_unknown_token_is_unauthorized(tmp_path: Path, authorization: str) -> None:
    """401 that says how to authenticate, and repeats nothing of what was sent."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        headers = [(b"authorization", authorization.encode("latin-1"))] if authorization else []
        answer = await stage.client.post("/e/embed/x", headers=headers)

        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert OWNER not in answer.text
        assert (await stage.queue.look("embed")).waiting == 0


async def test_two_authorization_headers_are_no_token(tmp_path: Path) -> None:
    """Which of them counts must not be a matter of taste."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        headers = [("authorization", f"Bearer {OWNER}"), ("authorization", "Bearer other")]
        answer = await stage.client.post("/e/embed/x", headers=headers)

        assert answer.status_code == 401


async def test_token_of_another_endpoint_is_forbidden(tmp_path: Path) -> None:
    """403 names the grant, not the token."""
    async with gateway_stage(tmp_path, record("chat", access="private")) as stage:
        answer = await stage.client.post("/e/chat/x", headers={"authorization": f"Bearer {EMBED_ONLY}"})

        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "'ci'" in answer.json()["error"]["message"]
        assert EMBED_ONLY not in answer.text


@pytest.mark.parametrize("token", [OWNER, EMBED_ONLY])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_token_that_opens_the_endpoint_is_let_in(tmp_path: Path, token: str, scheme: str) -> None:
    """The owner's opens all, a granted one its own."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        headers = {"authorization": f"{scheme} {token}", "x-octoai-async": "1"}

        assert (await stage.client.post("/e/embed/x", headers=headers)).status_code == 201
