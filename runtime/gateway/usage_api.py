"""`/v1/usage`: what each endpoint's replicas add up to."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runtime.gateway.access import identify, may_call
from runtime.gateway.errors import MalformedRequestError, NoUsageKeptError, NoUsageNowError
from runtime.gateway.registry import Endpoints
from runtime.gateway.visible import Visible
from runtime.queue.port import Queue
from runtime.usage import Account, Period, Total, Usage, UsageAwayError
from runtime.usage.metering import Metering
from runtime.usage.port import HOUR_SECONDS, MOST_TOTALS, SLOT_SECONDS, Step, TooManyTotalsError
from runtime.wire import TokenGrant

STEPS: tuple[Step, ...] = get_args(Step)
_KEYS = {"since", "until", "by"}
_END = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class UsageApi:
    """What the platform says of what was used, to whoever holds a token of an endpoint."""

    usage: Usage | None
    endpoints: Visible
    clock: Callable[[], float]
    """Seconds since the epoch."""
    log: structlog.typing.FilteringBoundLogger

    def routes(self) -> list[Route]:
        """Its route."""
        return [Route("/v1/usage", self.show_usage)]

    async def show_usage(self, request: Request) -> Response:
        """Seconds of replicas by hour or day, or in all; this month unless asked otherwise."""
        grant = identify(request.headers.get("authorization", ""), self.endpoints.records.tokens)
        period, step = read_asked(dict(request.query_params), self.clock())
        if self.usage is None:
            raise NoUsageKeptError(
                "This platform keeps no usage. Give its API a disk or a database in the stack file."
            )
        try:
            account = await self.usage.account(period, step, self._asked_of(grant))
        except UsageAwayError as exc:
            self.log.warning("usage cannot be told", fault=str(exc))
            raise NoUsageNowError(
                "The database of usage cannot be reached. Try again shortly.", retry_after=SLOT_SECONDS
            ) from exc
        except TooManyTotalsError as exc:
            raise MalformedRequestError(
                f"That is more than {MOST_TOTALS} rows. Ask for a shorter time, or add it up: by=day, by=total."
            ) from exc
        return JSONResponse(show_account(account, period, step))

    def _asked_of(self, grant: TokenGrant) -> set[str] | None:
        """The endpoints that are told; None for all, those that were removed since among them.

        Of a removed one nobody knows any more which port it was for, so the internet's port does not tell of it.
        """
        if self.endpoints.ingress == "all":
            return set(grant.endpoints) or None
        return {name for name in self.endpoints.records.endpoints if may_call(grant, name)}


def make_metering(
    queue: Queue, usage: Usage | None, endpoints: Endpoints, log: structlog.typing.FilteringBoundLogger
) -> Metering | None:
    """What counts the replicas of all endpoints; None where no usage is kept."""
    if usage is None:
        return None

    def hardware() -> Mapping[str, str] | None:
        return endpoints.records.hardware if endpoints.is_read else None

    return Metering(queue, usage, hardware, time.time, log)


def read_asked(query: dict[str, str], now: float) -> tuple[Period, Step]:
    """The period in whole hours and the step that a query asks for.

    Raises:
        MalformedRequestError: it asks for something else.
    """
    if unknown := sorted(set(query) - _KEYS):
        raise MalformedRequestError(
            f"{unknown[0][:80]!r} is no parameter here. Give since, until, by, or none."
        )
    step = query.get("by", "day")
    if step not in STEPS:
        raise MalformedRequestError(f"by={step[:80]!r} is none of {', '.join(STEPS)}.")
    month = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since = _read_time(query, "since", month.timestamp())
    until = _read_time(query, "until", now // HOUR_SECONDS * HOUR_SECONDS + HOUR_SECONDS)
    period = Period(since // HOUR_SECONDS * HOUR_SECONDS, -(-until // HOUR_SECONDS) * HOUR_SECONDS)
    if period.since >= period.until:
        raise MalformedRequestError("since is not before until. Give a time that is.")
    return period, step


def _read_time(query: dict[str, str], key: str, default: float) -> int:
    if key not in query:
        return int(default)
    text = query[key]
    fault = MalformedRequestError(
        f"{key}={text[:80]!r} is no time. Give one such as 2026-11-01 or 2026-11-01T06:00Z."
    )
    try:
        given = datetime.fromisoformat(text)
    except ValueError as exc:
        raise fault from exc
    # A time without a zone is UTC; a `+` of one that was not escaped came as a space and was refused.
    seconds = (given if given.tzinfo is not None else given.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < _END:
        raise fault
    return int(seconds)


def show_account(account: Account, period: Period, step: Step) -> dict[str, Any]:
    """The account as it stands in the answer."""
    return {
        "since": _show_time(period.since),
        "until": _show_time(period.until),
        "by": step,
        "metered_seconds": account.metered_seconds,
        "usage": [_show_total(total) for total in account.totals],
    }


def _show_total(total: Total) -> dict[str, Any]:
    return {
        "endpoint": total.endpoint,
        "hardware": total.hardware,
        "begins": _show_time(total.begins),
        "replica_seconds": total.replica_seconds,
        "starting_seconds": total.starting_seconds,
        "busy_seconds": total.busy_seconds,
    }


def _show_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
