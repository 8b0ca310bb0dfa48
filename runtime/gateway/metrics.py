"""What the gateway counts, and the queue's state at scrape, in the Prometheus text format."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from runtime.queue.port import EndpointView, ReplicaState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.expose` gives."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class _Children:
    """An endpoint's counters, looked up once: `labels()` takes a lock and builds a tuple each time."""

    def __init__(self, metrics: "Metrics", endpoint: str) -> None:
        self.answer_wait = metrics.answer_wait_seconds.labels(endpoint)
        self.total = metrics.request_seconds.labels(endpoint)
        self.in_flight = metrics.in_flight_requests.labels(endpoint)
        self.outcomes: dict[str, Counter] = {}


class Metrics:
    """The gateway's own figures; labels are names of endpoints that exist, codes and outcomes."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "moorage_requests",
            "Requests to an endpoint, by how they ended.",
            ["endpoint", "outcome"],
            registry=self._registry,
        )
        self.refusals = Counter(
            "moorage_refusals",
            "Requests refused, by the error's code.",
            ["endpoint", "reason"],
            registry=self._registry,
        )
        self.answer_wait_seconds = Histogram(
            "moorage_answer_wait_seconds",
            "From accepting a sync request to the first byte of its answer: waiting and running.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "moorage_request_seconds",
            "From accepting a sync request to its end.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight_requests = Gauge(
            "moorage_in_flight_requests",
            "Sync requests that this gateway holds now.",
            ["endpoint"],
            registry=self._registry,
        )
        self._children: dict[str, _Children] = {}

    def accepted(self, endpoint: str) -> None:
        """A sync request begins to wait."""
        self._of(endpoint).in_flight.inc()

    def answer_began(self, endpoint: str, seconds: float) -> None:
        """The first byte of an answer leaves."""
        self._of(endpoint).answer_wait.observe(seconds)

    def ended(self, endpoint: str, seconds: float) -> None:
        """A sync request waits no longer, however it ended."""
        children = self._of(endpoint)
        children.in_flight.dec()
        children.total.observe(seconds)

    def count(self, endpoint: str, outcome: str) -> None:
        """One request and how it ended: answered, accepted, refused, gone, broken or health."""
        outcomes = self._of(endpoint).outcomes
        if outcome not in outcomes:
            outcomes[outcome] = self.requests.labels(endpoint, outcome)
        outcomes[outcome].inc()

    def refused(self, endpoint: str, code: str) -> None:
        """One refusal; the endpoint is empty where there is none of the name asked for."""
        self.refusals.labels(endpoint, code).inc()

    def expose(self, views: Mapping[str, EndpointView]) -> bytes:
        """Everything as text: the gateway's own figures, and the queue's as it was just looked at."""
        snapshot = CollectorRegistry()
        snapshot.register(_QueueSnapshot(views))
        return generate_latest(self._registry) + generate_latest(snapshot)

    def _of(self, endpoint: str) -> _Children:
        children = self._children.get(endpoint)
        if children is None:
            children = self._children[endpoint] = _Children(self, endpoint)
        return children


class _QueueSnapshot(Collector):
    """Gauges of the endpoints' queues and replicas."""

    def __init__(self, views: Mapping[str, EndpointView]) -> None:
        self._views = views

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family a figure."""
        figures = {
            "moorage_queue_waiting_requests": ("Requests that wait.", "waiting"),
            "moorage_queue_waiting_bytes": ("Bytes of the bodies that wait.", "waiting_bytes"),
            "moorage_queue_running_requests": ("Requests that run.", "running"),
            "moorage_queue_dead_letters": ("Dead letters kept.", "dead"),
            "moorage_replicas_desired": ("Replicas that the policy wants.", "desired"),
        }
        for name, (meaning, attribute) in figures.items():
            family = GaugeMetricFamily(name, meaning, labels=["endpoint"])
            for endpoint, view in self._views.items():
                family.add_metric([endpoint], getattr(view, attribute))
            yield family
        yield self._oldest()
        yield self._replicas()

    def _oldest(self) -> GaugeMetricFamily:
        meaning = "How long the longest-waiting request has waited."
        family = GaugeMetricFamily("moorage_queue_oldest_seconds", meaning, labels=["endpoint"])
        for endpoint, view in self._views.items():
            family.add_metric([endpoint], oldest_seconds(view) or 0.0)
        return family

    def _replicas(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("moorage_replicas", "Replicas by state.", labels=["endpoint", "state"])
        for endpoint, view in self._views.items():
            for state in ReplicaState:
                family.add_metric([endpoint, state.value], count_replicas(view, state))
        return family


def oldest_seconds(view: EndpointView) -> float | None:
    """How long the longest-waiting request has waited; None when none waits."""
    return None if view.oldest_enqueued_at is None else max(0.0, view.now - view.oldest_enqueued_at)


def count_replicas(view: EndpointView, *states: ReplicaState) -> int:
    """Replicas in one of the states."""
    return sum(replica.state in states for replica in view.replicas)
