"""What the gateway counts, and the queue's state at scrape, in the Prometheus text format."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from runtime.gateway.waiters import Phase, Waiter
from runtime.queue.port import EndpointView, ReplicaState, ReplicaView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.expose` gives."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
_ERRORS = (-300, -60, -30, -10, -5, -2, -1, -0.5, -0.1, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)


class _Children:
    """An endpoint's counters, looked up once: `labels()` takes a lock and builds a tuple each time."""

    def __init__(self, metrics: "Metrics", endpoint: str) -> None:
        self.answer_wait = metrics.answer_wait_seconds.labels(endpoint)
        self.queue_wait = metrics.queue_wait_seconds.labels(endpoint)
        self.run = metrics.run_seconds.labels(endpoint)
        self.estimate_error = metrics.estimate_error_seconds.labels(endpoint)
        self.total = metrics.request_seconds.labels(endpoint)
        self.in_flight = metrics.in_flight_requests.labels(endpoint)
        self.outcomes: dict[str, Counter] = {}


class _Started:
    """Counts each replica once when it is first seen to have become ready."""

    def __init__(self, metrics: "Metrics") -> None:
        self._metrics = metrics
        self._seen: dict[str, set[tuple[str, float]]] = {}

    def note(self, endpoint: str, replicas: Sequence[ReplicaView]) -> None:
        """The endpoint's replicas now; those that are gone are forgotten."""
        before = self._seen.get(endpoint, set())
        ready = {(it.id, it.joined_at): it.ready_at for it in replicas if it.ready_at is not None}
        for (replica, joined_at), ready_at in ready.items():
            if (replica, joined_at) not in before:
                self._metrics.cold_starts.labels(endpoint).inc()
                stage = self._metrics.replica_start_seconds.labels(endpoint, "model")
                stage.observe(max(0.0, ready_at - joined_at))
        self._seen[endpoint] = set(ready)


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
        self.port_requests = Counter(
            "moorage_port_requests",
            "Requests by the clients' port they came by and what they were for: endpoint, platform or unknown.",
            ["ingress", "destination"],
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
        self.queue_wait_seconds = Histogram(
            "moorage_queue_wait_seconds",
            "From accepting a sync request to its take by a replica.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.run_seconds = Histogram(
            "moorage_run_seconds",
            "From the take of a sync request to the last byte of its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.estimate_error_seconds = Histogram(
            "moorage_wait_estimate_error_seconds",
            "The wait that a sync request was told when it was accepted, less the one that it had.",
            ["endpoint"],
            buckets=_ERRORS,
            registry=self._registry,
        )
        self.replica_start_seconds = Histogram(
            "moorage_replica_start_seconds",
            "How long replicas took to become ready, by stage, of those seen at a scrape.",
            ["endpoint", "stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.cold_starts = Counter(
            "moorage_cold_starts",
            "Replicas that became ready, of those seen at a scrape.",
            ["endpoint"],
            registry=self._registry,
        )
        self._started = _Started(self)
        self.in_flight_requests = Gauge(
            "moorage_in_flight_requests",
            "Sync requests that this gateway holds now.",
            ["endpoint"],
            registry=self._registry,
        )
        self._children: dict[str, _Children] = {}
        self._arrivals: dict[tuple[str, str], Counter] = {}

    def came(self, ingress: str, destination: str) -> None:
        """One request at a clients' port, before anything is decided about it."""
        arrivals = self._arrivals.get((ingress, destination))
        if arrivals is None:
            arrivals = self.port_requests.labels(ingress, destination)
            self._arrivals[ingress, destination] = arrivals
        arrivals.inc()

    def accepted(self, endpoint: str) -> None:
        """A sync request begins to wait."""
        self._of(endpoint).in_flight.inc()

    def answer_began(self, endpoint: str, seconds: float) -> None:
        """The first byte of an answer leaves."""
        self._of(endpoint).answer_wait.observe(seconds)

    def ended(self, waiter: Waiter, now: float) -> None:
        """A sync request waits no longer, however it ended."""
        children, total = self._of(waiter.endpoint), now - waiter.opened_at
        children.in_flight.dec()
        if not waiter.is_queued:  # refused, or a repetition
            return
        children.total.observe(total)
        waited = waiter.waited_seconds
        if waited is None:
            return
        children.queue_wait.observe(waited)
        if waiter.phase is Phase.DONE:
            children.run.observe(max(0.0, total - waited))
        if waiter.estimate_seconds is not None:
            children.estimate_error.observe(waiter.estimate_seconds - waited)

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
        for endpoint, view in views.items():
            self._started.note(endpoint, view.replicas)
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
