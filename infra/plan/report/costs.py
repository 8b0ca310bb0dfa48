"""Dollars an hour: at the fewest replicas, at the most, and at the load that is expected."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from infra.plan.facts import EndpointFacts

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Costs:
    """In dollars an hour; None where a price or an expectation is missing."""

    at_min: float | None
    at_max: float | None
    at_expected: float | None
    expected_replicas: float | None


def costs_of(endpoint: EndpointFacts) -> Costs:
    """What the replicas of an endpoint cost; the instance is counted as long as a replica has it."""
    price, replicas = endpoint.dollars_per_hour, expected_replicas(endpoint)
    if price is None:
        return Costs(None, None, None, replicas)
    expected = None if replicas is None else replicas * price
    return Costs(endpoint.min * price, endpoint.max * price, expected, replicas)


def expected_replicas(endpoint: EndpointFacts) -> float | None:
    """How many replicas the expected load keeps on average; None without an expectation.

    Requests are taken to come by chance (a Poisson process). On average rate x seconds of them run. One
    replica stays for `timeout` after the last, so at least one is there whenever a request came within the
    last seconds + timeout: a part 1 - exp(-rate x (seconds + timeout)) of the time. The larger of the two
    counts, between min and max. Starts and the holding of further replicas are left out.
    """
    if endpoint.expected_requests_per_hour is None or endpoint.expected_seconds is None:
        return None
    rate = endpoint.expected_requests_per_hour / HOUR
    running = rate * endpoint.expected_seconds
    one = 1 - math.exp(-rate * (endpoint.expected_seconds + endpoint.timeout))
    return min(max(running, one, endpoint.min), endpoint.max)


def total(costs: Iterable[Costs]) -> Costs:
    """The sum; what has no price is left out, and without an expectation its least cost counts."""
    every = list(costs)
    expected = [cost.at_expected if cost.at_expected is not None else cost.at_min for cost in every]
    return Costs(
        at_min=sum(cost.at_min or 0.0 for cost in every),
        at_max=sum(cost.at_max or 0.0 for cost in every),
        at_expected=sum(cost or 0.0 for cost in expected),
        expected_replicas=None,
    )
