"""Who may call a private endpoint."""

from pathlib import Path

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, gateway_stage, record

from runtime.gateway.rates import Rates
from runtime.gateway.registry import Served
from runtime.wire import Rate, TokenGrant


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


async def test_quickstart_refuses_a_caller_beyond_its_rate(tmp_path: Path) -> None:
    """429 that says when the next one is free."""
    async with gateway_stage(tmp_path, record(quickstart=Rate(count=2, seconds=60))) as stage:
        headers = {"x-octoai-async": "1"}
        answers = [await stage.client.post("/e/embed/x", headers=headers) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json()["error"]["code"] == "rate-limited"
        assert 55 <= int(answers[2].headers["retry-after"]) <= 60


def test_rate_is_of_any_window() -> None:
    """Not of the minute that the clock shows: each call frees its place when its time is over."""
    now = [0.0]
    rates, served = Rates(lambda: now[0]), Served.of(record())
    grant = TokenGrant(name="ci", rate=Rate(count=2, seconds=10))

    def allowed_at(moment: float) -> bool:
        now[0] = moment
        try:
            rates.check(served, grant, "")
        except Exception:  # noqa: BLE001 - any refusal
            return False
        return True

    assert [allowed_at(t) for t in (0, 6, 9, 10, 11, 16)] == [True, True, False, True, False, True]


def test_callers_have_rates_of_their_own() -> None:
    """Told apart by token, or by address."""
    rates = Rates(lambda: 0.0)
    served = Served.of(record(quickstart=Rate(count=1, seconds=10)))

    rates.check(served, None, "10.0.0.1")
    rates.check(served, None, "10.0.0.2")
    rates.check(served, TokenGrant(name="ci"), "10.0.0.1")
