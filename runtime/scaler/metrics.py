"""What the scaler tells of itself, as Prometheus scrapes it."""

from collections import Counter as Count
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from runtime.cluster.calls import ClusterError
from runtime.queue.port import EndpointView, ReplicaState
from runtime.scaler.kinds import Kind

WAKE_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """All figures of one scaler."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._desired = Gauge(
            "moorage_scaler_desired",
            "Replicas that the policy wants.",
            ["endpoint"],
            registry=self._registry,
        )
        self._number = Gauge(
            "moorage_scaler_number",
            "Number that stands in the Deployment, or is told to KEDA.",
            ["endpoint"],
            registry=self._registry,
        )
        self._replicas = Gauge(
            "moorage_scaler_replicas", "Replicas by state.", ["endpoint", "state"], registry=self._registry
        )
        self._waiting = Gauge(
            "moorage_scaler_held_up",
            "1 while replicas that are wanted are held up, by the kind of cause.",
            ["endpoint", "kind"],
            registry=self._registry,
        )
        self.decisions = Counter(
            "moorage_scaler_decisions",
            "Numbers written, by direction.",
            ["endpoint", "direction"],
            registry=self._registry,
        )
        self.wake_seconds = Histogram(
            "moorage_scaler_wake_seconds",
            "From a pushed demand to the number written.",
            buckets=WAKE_BUCKETS,
            registry=self._registry,
        )
        self.leader = Gauge("moorage_scaler_leader", "1 while this one leads.", registry=self._registry)
        self._faults = Counter(
            "moorage_scaler_api_faults",
            "Calls of the Kubernetes API that failed, by call and HTTP status (0: no answer).",
            ["call", "status"],
            registry=self._registry,
        )

    @contextmanager
    def counting_faults(self, call: str) -> Iterator[None]:
        """Count the fault that leaves the block."""
        try:
            yield
        except ClusterError as exc:
            self._faults.labels(call, str(exc.status)).inc()
            raise

    def show(self, endpoint: str, view: EndpointView, desired: int, number: int) -> None:
        """Set an endpoint's figures."""
        self._desired.labels(endpoint).set(desired)
        self._number.labels(endpoint).set(number)
        states = Count(replica.state for replica in view.replicas)
        for state in ReplicaState:
            self._replicas.labels(endpoint, state.value).set(states[state])

    def show_cause(self, endpoint: str, kind: Kind | None) -> None:
        """Set what holds an endpoint up; None when nothing does."""
        for each in Kind:
            self._waiting.labels(endpoint, each.value).set(1 if each is kind else 0)

    def forget(self, endpoint: str) -> None:
        """Drop the figures of an endpoint that is gone."""
        for gauge in (self._desired, self._number):
            with _known_label():
                gauge.remove(endpoint)
        for state in ReplicaState:
            with _known_label():
                self._replicas.remove(endpoint, state.value)
        for kind in Kind:
            with _known_label():
                self._waiting.remove(endpoint, kind.value)
        for direction in ("up", "down"):
            with _known_label():
                self.decisions.remove(endpoint, direction)

    def expose(self) -> bytes:
        """The text that a scrape reads."""
        return generate_latest(self._registry)


@contextmanager
def _known_label() -> Iterator[None]:
    try:
        yield
    except KeyError:
        return
