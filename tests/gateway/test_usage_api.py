"""`/v1/usage`: who is told of what, for which time, and clear words where there is nothing to tell."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from support.gateway_stage import EMBED_ONLY, OWNER, Stage, gateway_stage, record

from runtime.gateway.errors import MalformedRequestError
from runtime.gateway.usage_api import read_asked
from runtime.usage import Period, Sample
from runtime.usage import ledger as ledger_module
from runtime.usage.places import SqlitePlace
from runtime.usage.port import SLOT_SECONDS
from runtime.usage.store import SqlUsage, open_usage

BEGIN = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
NOVEMBER = "?since=2026-11-01&until=2026-12-01"
HIDDEN = record("hidden-one", ingress="private")


@pytest.fixture
async def usage(tmp_path: Path) -> AsyncIterator[SqlUsage]:
    """Two slots on the first of November: `embed`, one of private ingress, and one that was removed since."""
    async with open_usage(SqlitePlace(tmp_path / "platform.sqlite")) as usage:
        assert usage is not None
        for slot in (BEGIN // SLOT_SECONDS, BEGIN // SLOT_SECONDS + 1):
            names = ("embed", "hidden-one", "removed")
            await usage.add(slot, [Sample(name, "a10g.1", 2, 1, 1) for name in names])
        yield usage


@pytest.fixture
async def stage(tmp_path: Path, usage: SqlUsage) -> AsyncIterator[Stage]:
    """A gateway that keeps usage."""
    async with gateway_stage(tmp_path, record(), HIDDEN, usage=usage) as running:
        yield running


async def ask(stage: Stage, token: str = OWNER, *, public: bool = False) -> httpx.Response:
    """What one of the two ports says of November."""
    port = stage.public_port if public else stage.port
    url = f"http://127.0.0.1:{port}/v1/usage{NOVEMBER}"
    return await stage.client.get(url, headers={"authorization": f"Bearer {token}"})


def names(answer: httpx.Response) -> list[Any]:
    """The endpoints that an answer tells of."""
    return [row["endpoint"] for row in answer.json()["usage"]]


async def test_usage_of_a_month_is_told(stage: Stage) -> None:
    """In seconds, with how much of the time was counted."""
    answer = await ask(stage, EMBED_ONLY)

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "since": "2026-11-01T00:00:00Z",
            "until": "2026-12-01T00:00:00Z",
            "by": "day",
            "metered_seconds": 30,
            "usage": [
                {
                    "endpoint": "embed",
                    "hardware": "a10g.1",
                    "begins": "2026-11-01T00:00:00Z",
                    "replica_seconds": 60,
                    "starting_seconds": 30,
                    "busy_seconds": 30,
                }
            ],
        },
    )


async def test_owner_is_told_of_removed_endpoints_too(stage: Stage) -> None:
    """They were paid for."""
    assert names(await ask(stage)) == ["embed", "hidden-one", "removed"]


async def test_public_port_tells_of_what_it_shows(stage: Stage) -> None:
    """Neither of a private one nor of one that may have been."""
    assert names(await ask(stage, public=True)) == ["embed"]


async def test_without_a_token_nothing_is_told(stage: Stage) -> None:
    """As everywhere below `/v1`."""
    answer = await stage.client.get("/v1/usage")

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


async def test_without_a_database_that_is_said(tmp_path: Path) -> None:
    """With how to have one."""
    async with gateway_stage(tmp_path, record()) as stage:
        answer = await ask(stage)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "usage-not-kept")
    assert "stack file" in answer.json()["error"]["message"]


async def test_database_that_is_away_is_said(tmp_path: Path) -> None:
    """With when to ask again, and without its address."""
    (tmp_path / "blocked").write_text("no folder")
    async with (
        open_usage(SqlitePlace(tmp_path / "blocked" / "platform.sqlite")) as usage,
        gateway_stage(tmp_path, record(), usage=usage) as stage,
    ):
        with capture_logs() as logs:
            answer = await ask(stage)

    assert "usage cannot be told" in [entry["event"] for entry in logs]
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "usage-unavailable")
    assert answer.headers["retry-after"] == "15"
    assert "sqlite" not in answer.text


async def test_too_long_an_account_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to ask instead."""
    monkeypatch.setattr(ledger_module, "MOST_TOTALS", 2)

    answer = await ask(stage)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed-request")
    assert "by=total" in answer.json()["error"]["message"]


async def test_gateway_counts_its_replicas(stage: Stage, usage: SqlUsage) -> None:
    """What was counted is told."""
    await stage.ready()
    assert stage.gateway.metering is not None
    await stage.gateway.metering.count()

    totals = (await usage.account(Period(BEGIN + 3600, 10**10 * 3600), "total", None)).totals

    assert [(total.endpoint, total.replica_seconds) for total in totals] == [("embed", 15)]


@pytest.mark.parametrize(
    ("query", "since", "until", "step"),
    [
        ({}, "2026-11-01T00:00Z", "2026-11-28T11:00Z", "day"),
        ({"by": "hour", "since": "2026-11-28"}, "2026-11-28T00:00Z", "2026-11-28T11:00Z", "hour"),
        (
            {"since": "2026-11-02T06:40Z", "until": "2026-11-02T07:10", "by": "total"},
            "2026-11-02T06:00Z",
            "2026-11-02T08:00Z",
            "total",
        ),
        (
            {"since": "2026-11-02T06:00+02:00", "until": "2026-11-02T05:00Z"},
            "2026-11-02T04:00Z",
            "2026-11-02T05:00Z",
            "day",
        ),
    ],
)
def test_period_is_read_in_whole_hours(query: dict[str, str], since: str, until: str, step: str) -> None:
    """This month so far unless asked otherwise; times without a zone are UTC."""
    now = datetime(2026, 11, 28, 10, 20, tzinfo=UTC).timestamp()

    period, read = read_asked(query, now)

    assert period == Period(*(int(datetime.fromisoformat(each).timestamp()) for each in (since, until)))
    assert read == step


def test_first_moment_of_a_month_is_in_it() -> None:
    """The hour that has just begun is asked for."""
    period, _ = read_asked({}, BEGIN)

    assert period == Period(BEGIN, BEGIN + 3600)


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ({"from": "2026-11-01"}, "'from' is no parameter here. Give since, until, by, or none."),
        ({"by": "week"}, "by='week' is none of hour, day, total."),
        ({"since": "yesterday"}, "since='yesterday' is no time. Give one such as 2026-11-01"),
        ({"since": "2026-11-02T06:00 02:00"}, "is no time"),
        ({"until": "0001-01-01T00:00+14:00"}, "is no time"),
        ({"until": "9999-12-31T23:59Z"}, "is no time"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "since is not before until"),
    ],
)
def test_wrong_question_is_refused_with_its_mend(query: dict[str, str], fault: str) -> None:
    """Each names what was given."""
    with pytest.raises(MalformedRequestError) as refused:
        read_asked(query, BEGIN)

    assert fault in refused.value.message
