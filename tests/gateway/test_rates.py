"""Rate limits of tokens and quickstarts, and what their headers tell."""

from pathlib import Path

import pytest
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record, write_tokens

from runtime.gateway.errors import RateLimitedError
from runtime.gateway.incoming import RawHeaders
from runtime.gateway.rates import Rates
from runtime.gateway.registry import Served
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import QueueUnavailableError
from runtime.wire import Rate, TokenGrant

ASYNC = {"x-octoai-async": "1"}


async def allowed(rates: Rates, served: Served, grant: TokenGrant | None, client: str = "") -> bool:
    """Whether one more request is."""
    try:
        await rates.check(served, grant, client, [])
    except RateLimitedError:
        return False
    return True


async def test_quickstart_refuses_a_caller_beyond_its_rate(tmp_path: Path) -> None:
    """429 that says when the next one is free: they come back evenly."""
    async with gateway_stage(tmp_path, record(quickstart=Rate(count=2, seconds=60))) as stage:
        answers = [await stage.client.post("/e/embed/x", headers=ASYNC) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json()["error"]["code"] == "rate-limited"
        assert 25 <= int(answers[2].headers["retry-after"]) <= 30


async def test_what_is_left_is_told_on_accepted_and_refused_answers(tmp_path: Path) -> None:
    """In the fields of the IETF draft."""
    async with gateway_stage(tmp_path, record(quickstart=Rate(count=2, seconds=60))) as stage:
        answers = [await stage.client.post("/e/embed/x", headers=ASYNC) for _ in range(3)]

        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"quickstart";q=2;w=60'}
        assert [answer.headers["ratelimit"] for answer in answers] == [
            '"quickstart";r=1;t=30',
            '"quickstart";r=0;t=60',
            '"quickstart";r=0;t=30',
        ]


async def test_two_gateways_count_together() -> None:
    """The count is in the queue."""
    queue = MemoryQueue(lambda: 1000.0)
    served, grant = Served.of(record()), TokenGrant(name="ci", rate=Rate(count=2, seconds=10))

    results = [await allowed(Rates(queue), served, grant) for _ in range(3)]

    assert results == [True, True, False]


async def test_allowances_come_back_evenly() -> None:
    """Two in ten seconds are one in five, after a burst of two."""
    now = [0.0]
    rates, served = Rates(MemoryQueue(lambda: now[0])), Served.of(record())
    grant = TokenGrant(name="ci", rate=Rate(count=2, seconds=10))

    results = []
    for moment in (100, 101, 102, 105, 106, 110):
        now[0] = moment
        results.append(await allowed(rates, served, grant))

    assert results == [True, True, False, True, False, True]


async def test_callers_have_rates_of_their_own() -> None:
    """Told apart by token, or by address."""
    rates = Rates(MemoryQueue(lambda: 1000.0))
    served = Served.of(record(quickstart=Rate(count=1, seconds=10)))

    assert await allowed(rates, served, None, "10.0.0.1")
    assert await allowed(rates, served, None, "10.0.0.2")
    assert await allowed(rates, served, TokenGrant(name="ci"), "10.0.0.1")
    assert not await allowed(rates, served, None, "10.0.0.1")


async def test_both_limits_of_a_call_are_told() -> None:
    """Its token's and the quickstart's."""
    headers: RawHeaders = []
    served = Served.of(record(quickstart=Rate(count=3, seconds=60)))

    rates = Rates(MemoryQueue(lambda: 1000.0))
    await rates.check(served, TokenGrant(name="ci", rate=Rate(count=10, seconds=1)), "", headers)

    assert dict(headers) == {
        b"ratelimit-policy": b'"token";q=10;w=1, "quickstart";q=3;w=60',
        b"ratelimit": b'"token";r=9;t=1, "quickstart";r=2;t=20',
    }


async def test_call_without_a_limit_says_nothing_of_one(stage: Stage) -> None:
    """And costs the queue nothing."""
    answer = await stage.client.post("/e/embed/x", headers=ASYNC)

    assert "ratelimit" not in answer.headers


async def test_queue_that_is_away_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever cannot be counted is not let in."""

    async def away(*_args: object) -> None:
        raise QueueUnavailableError

    async with gateway_stage(tmp_path, record(quickstart=Rate(count=3, seconds=60))) as stage:
        monkeypatch.setattr(stage.queue, "allow", away)

        answer = await stage.client.post("/e/embed/x", headers=ASYNC)

        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue-unavailable")


async def test_changed_rate_holds_without_a_restart(tmp_path: Path) -> None:
    """As soon as the tokens' file is read again."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        headers = {**ASYNC, "authorization": f"Bearer {EMBED_ONLY}"}
        before = await stage.client.post("/e/embed/x", headers=headers)

        grant = TokenGrant(name="ci", endpoints=("embed",), rate=Rate(count=1, seconds=3600))
        write_tokens(stage.places, {OWNER: TokenGrant(name="owner"), EMBED_ONLY: grant})
        await stage.refresh()
        after = [await stage.client.post("/e/embed/x", headers=headers) for _ in range(2)]

        assert "ratelimit" not in before.headers
        assert [answer.status_code for answer in after] == [201, 429]
        assert (await stage.queue.look("embed")).waiting == 2


@pytest.mark.parametrize(
    ("proxies", "forwarded", "statuses"),
    [
        # The proxy adds the address that it sees: who calls may write what he likes before it.
        (1, ["spoof-1, 203.0.113.1", "spoof-2, 203.0.113.1", "203.0.113.2"], [201, 429, 201]),
        (2, ["203.0.113.1, 10.0.0.2", "203.0.113.1, 10.0.0.3", "203.0.113.2, 10.0.0.2"], [201, 429, 201]),
        # Without proxies the header is the client's own word, and what is no address is nobody's.
        (0, ["203.0.113.1", "203.0.113.2", "203.0.113.3"], [201, 429, 429]),
        (1, ["no address", "nor this", "2001:db8::1"], [201, 429, 201]),
        (3, ["203.0.113.1", "203.0.113.2", ""], [201, 429, 429]),
    ],
)
async def test_callers_behind_proxies_are_told_apart(
    tmp_path: Path, proxies: int, forwarded: list[str], statuses: list[int]
) -> None:
    """By the address that the outermost proxy saw."""
    quickstart = record(quickstart=Rate(count=1, seconds=3600))
    async with gateway_stage(tmp_path, quickstart, proxies=proxies) as stage:
        answers = [
            await stage.client.post("/e/embed/x", headers={**ASYNC, "x-forwarded-for": each})
            for each in forwarded
        ]

    assert [answer.status_code for answer in answers] == statuses
