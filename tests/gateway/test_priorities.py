"""`X-Priority`: who goes first, and who may ask for it."""

from pathlib import Path

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record

ASYNC = {"x-octoai-async": "1"}


async def test_high_goes_before_normal_and_normal_before_low(tmp_path: Path) -> None:
    """First come, first served within each."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        headers = {**ASYNC, "authorization": f"Bearer {OWNER}"}
        for priority in ("low", "normal", "", "high"):
            more = {"x-priority": priority} if priority else {}
            await stage.client.post("/e/embed/x", content=priority, headers={**headers, **more})

        bodies = []
        for _ in range(4):
            taken = await stage.take()
            bodies.append(taken.body)
            await stage.queue.finish("embed", taken.id, taken.attempt, None)

        assert bodies == [b"high", b"normal", b"", b"low"]


@pytest.mark.parametrize("value", ["HIGH", "0", "urgent", "high, low"])
async def test_other_value_is_refused(stage: Stage, value: str) -> None:
    """400 that names the three."""
    answer = await stage.client.post("/e/embed/x", headers={**ASYNC, "x-priority": value})

    assert answer.status_code == 400
    assert "high, normal or low" in answer.json()["error"]["message"]


async def test_high_is_within_a_tokens_right(tmp_path: Path) -> None:
    """The owner's has it, one of endpoints.yaml only where that says so."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        statuses = {
            token: (
                await stage.client.post(
                    "/e/embed/x", headers={**ASYNC, "x-priority": "high", "authorization": f"Bearer {token}"}
                )
            ).status_code
            for token in (OWNER, EMBED_ONLY)
        }

        assert statuses == {OWNER: 201, EMBED_ONLY: 403}


@pytest.mark.parametrize(("priority", "status"), [("high", 403), ("normal", 201), ("low", 201)])
async def test_public_caller_may_not_go_before_others(stage: Stage, priority: str, status: int) -> None:
    """Nor with a token, for none is read there."""
    headers = {**ASYNC, "x-priority": priority, "authorization": f"Bearer {OWNER}"}

    assert (await stage.client.post("/e/embed/x", headers=headers)).status_code == status
