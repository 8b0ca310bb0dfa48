"""Dollars an hour: at the fewest replicas, at the most, at the load that is expected, and of the platform itself."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infra.plan.bounds import Bounds
from infra.plan.facts import EndpointFacts, Facts, FixedCostFacts

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

    Requests are taken to come by chance (a Poisson process) and to be served at once, so the number that runs
    is Poisson with the mean rate x seconds. The k-th replica is there while k run, and `timeout` longer: the
    sum of those parts of the time, from the first to max, and all of it up to min. Starts are left out.
    """
    if endpoint.expected_requests_per_hour is None or endpoint.expected_seconds is None:
        return None
    rate = endpoint.expected_requests_per_hour / HOUR
    parts = _parts_of_time(rate, rate * endpoint.expected_seconds, endpoint.timeout)
    return endpoint.min + sum(itertools.islice(parts, endpoint.min, endpoint.max))


def _parts_of_time(rate: float, running: float, timeout: float) -> Iterator[float]:
    """For the first replica, the second and so on: the part of the time in which it is there."""
    below = 0.0
    for level in itertools.count(1):
        at = _poisson(level - 1, running)
        below += at
        # While fewer run than the level it is reached so often, and each time held for `timeout`.
        yield 1 - min(1.0, below) * math.exp(-rate * at / below * timeout) if below else 1.0


def _poisson(number: int, mean: float) -> float:
    if not mean:
        return float(number == 0)
    return math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))


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


def platform_costs(fixed: Iterable[FixedCostFacts]) -> Costs:
    """What is there without a request; what has no price, or is charged by use only, is left out."""
    priced = [(each, each.dollars_per_hour) for each in fixed if each.dollars_per_hour is not None]
    least = sum(each.count * price for each, price in priced)
    most = sum(each.most * price for each, price in priced)
    return Costs(at_min=least, at_max=most, at_expected=least, expected_replicas=None)


def whole_costs(facts: Facts) -> Costs:
    """Endpoints and platform together."""
    return total((*(costs_of(each) for each in facts.endpoints), platform_costs(facts.fixed)))


def bounds_of(facts: Facts) -> Bounds:
    """What a plan costs at the most, and what it is held to."""
    return Bounds(
        most_dollars_per_hour=round(whole_costs(facts).at_max or 0.0, 4),
        ceiling_dollars_per_hour=facts.ceiling_dollars_per_hour,
        is_protected=facts.is_protected,
    )
