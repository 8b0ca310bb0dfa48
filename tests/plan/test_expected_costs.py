"""The cost at the expected load: the formula against a simulation by the real policy, and its limits."""

import heapq
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plan.facts import EndpointFacts
from infra.plan.report.costs import Costs, costs_of, expected_replicas, total
from runtime.policy import decide
from runtime.queue.port import EndpointView
from runtime.wire import Scaling

PRICE = 1.006
REQUESTS = 4000
TOLERANCE = 0.15


def facts(
    requests_per_hour: int | None, seconds: float, timeout: int, least: int = 0, most: int = 1
) -> EndpointFacts:
    """An endpoint of which only its load and its bounds matter."""
    return EndpointFacts(
        name="any",
        url="",
        image="",
        hardware="a10g.1",
        gpus=1,
        gpu_model="A10G",
        vcpu=4,
        instance_type="g5.xlarge",
        min=least,
        max=most,
        timeout=timeout,
        queue_seconds=600,
        request_seconds=900,
        start_seconds=300,
        rollout="surge",
        access="private",
        ingress="public",
        is_rate_limited=False,
        secrets=(),
        dollars_per_hour=PRICE,
        expected_requests_per_hour=requests_per_hour,
        expected_seconds=None if requests_per_hour is None else seconds,
    )


@dataclass(slots=True)
class Simulation:
    """Requests by chance, replicas that start at once, and the policy that the scaler uses."""

    endpoint: EndpointFacts
    chance: random.Random
    now: float = 0.0
    waiting: int = 0
    replicas: int = 0
    paid: float = 0.0
    """Seconds of replicas."""
    ends: list[float] = field(default_factory=list)
    needed: dict[int, float] = field(default_factory=dict)

    def average(self) -> float:
        """Replicas on average, over many requests."""
        rate, recheck = self.endpoint.expected_requests_per_hour or 0, None
        arrival, left = self.chance.expovariate(rate / 3600), REQUESTS
        while left:
            moments = [arrival, *self.ends[:1], *([] if recheck is None else [recheck])]
            self._pass_until(min(moments))
            if self.now == arrival:
                self.waiting += 1
                left -= 1
                arrival = self.now + self.chance.expovariate(rate / 3600)
            elif self.ends and self.now == self.ends[0]:
                heapq.heappop(self.ends)
            recheck = self._decide()
        return self.paid / self.now

    def _pass_until(self, moment: float) -> None:
        self.paid += self.replicas * (moment - self.now)
        self.now = moment
        self._note_need()

    def _note_need(self) -> None:
        demand = min(self.waiting + len(self.ends), self.endpoint.max)
        self.needed |= dict.fromkeys(range(1, demand + 1), self.now)

    def _decide(self) -> float | None:
        self._note_need()
        each = self.endpoint
        view = EndpointView(
            now=self.now,
            waiting=self.waiting,
            running=len(self.ends),
            waiting_bytes=0,
            oldest_enqueued_at=None,
            dead=0,
            desired=self.replicas,
            cause="",
            run_seconds=None,
            start_seconds=None,
            needed=self.needed,
        )
        decision = decide(Scaling(min=each.min, max=each.max, timeout=each.timeout), 0, view)
        self.replicas = decision.desired
        while self.waiting and len(self.ends) < self.replicas:
            self.waiting -= 1
            heapq.heappush(self.ends, self.now + (each.expected_seconds or 0))
        return None if decision.recheck_seconds is None else self.now + decision.recheck_seconds + 1e-6


@pytest.mark.parametrize(
    ("requests_per_hour", "seconds", "timeout", "least", "most"),
    [
        (2, 10, 300, 0, 1),
        (12, 30, 60, 0, 4),
        (60, 5, 10, 0, 2),
        (120, 2.5, 300, 0, 1),
        (120, 2.5, 300, 0, 4),
        (120, 2.5, 0, 0, 4),
        (3600, 5, 0, 0, 20),
        (3600, 5, 60, 0, 20),
        (30, 2, 60, 2, 4),
        (36_000, 10, 300, 0, 4),
    ],
)
def test_formula_agrees_with_the_policy(
    requests_per_hour: int, seconds: float, timeout: int, least: int, most: int
) -> None:
    """Within 15 %, where a start is short beside the time that a replica stays."""
    endpoint = facts(requests_per_hour, seconds, timeout, least, most)

    chance = random.Random(7)  # noqa: S311 - a simulation, the same each time
    simulated = Simulation(endpoint, chance).average()

    assert expected_replicas(endpoint) == pytest.approx(simulated, rel=TOLERANCE)


@given(
    rate=st.integers(0, 10_000_000),
    seconds=st.floats(0.001, 86_400),
    timeout=st.integers(0, 86_400),
    least=st.integers(0, 999),
    more=st.integers(0, 999),
)
def test_expectation_lies_between_min_and_max(
    rate: int, seconds: float, timeout: int, least: int, more: int
) -> None:
    """Whatever the load; no figure overflows."""
    most = max(1, min(least + more, 999))

    found = expected_replicas(facts(rate, seconds, timeout, min(least, most), most))

    assert found is not None
    assert min(least, most) - 1e-6 <= found <= most + 1e-6


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (facts(None, 0, 300, 1, 4), Costs(PRICE, 4 * PRICE, None, None)),
        (facts(0, 1.0, 300, 0, 4), Costs(0, 4 * PRICE, 0, 0)),
        (facts(0, 1.0, 300, 2, 4), Costs(2 * PRICE, 4 * PRICE, 2 * PRICE, 2)),
    ],
)
def test_costs_are_told_at_three_loads(endpoint: EndpointFacts, expected: Costs) -> None:
    """What is not known is left out, and no load costs what min costs."""
    assert costs_of(endpoint) == expected


def test_without_a_price_no_cost_is_made_up() -> None:
    """How many replicas there will be is known all the same."""
    found = costs_of(facts(60, 1.0, 300).model_copy(update={"dollars_per_hour": None}))

    assert (found.at_min, found.at_max, found.at_expected) == (None, None, None)
    assert found.expected_replicas == pytest.approx(0.993, abs=0.001)


def test_total_counts_the_least_where_nothing_is_expected() -> None:
    """And leaves out what has no price."""
    found = total([Costs(1.0, 4.0, 2.0, 2.0), Costs(0.5, 3.0, None, None), Costs(None, None, None, None)])

    assert (found.at_min, found.at_max, found.at_expected) == (1.5, 7.0, 2.5)
