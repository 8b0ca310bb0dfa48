"""Questions to Prometheus that alerts and dashboards share.

Every gateway looks at the same queue, so what is told of the queue and of replicas is the most of what they say,
never the sum; requests are counted by the one gateway that had them, so those are summed. Only the scaler that
leads looks at endpoints, and one that led before keeps its last word, so the scaler's figures count with the lead.
"""

GATEWAY_JOB, SCALER_JOB = "moorage-gateway", "moorage-scaler"
"""The label `job` of what is scraped."""
QUEUE_LIMIT = "moorage:limits:queue_seconds"
START_LIMIT = "moorage:limits:start_seconds"
WAITING_LIMIT = "moorage:limits:waiting"
MOST_REPLICAS = "moorage:limits:replicas"
DOLLARS = "moorage:replica:dollars_per_hour"
RECORDED = (DOLLARS, MOST_REPLICAS, QUEUE_LIMIT, START_LIMIT, WAITING_LIMIT)
"""What the plan knows of each endpoint, recorded beside what the platform tells."""

FAULTS = (
    "dead-letter",
    "failed",
    "internal",
    "queue-unavailable",
    "ran-too-long",
    "request-lost",
    "store-unavailable",
    "waited-too-long",
)
"""Refusals that no caller could have avoided."""
FULL = ("gateway-full", "queue-full", "store-full")
"""Refusals for want of room."""
BROKEN_MODEL = ("crash", "hangs")
"""Kinds of cause: the replicas have all they need, the model does not serve."""
NO_NODE = ("no-gpu", "no-node", "quota")
"""Kinds of cause: no node comes."""
IN_THE_WAY = ("api", "config", "container", "evicted", "image", "lost", "not-deployed", "volume")
"""Kinds of cause: something else is to be mended."""
STARTING = ("image-pull", "node", "starting")
"""Kinds of cause: a start takes its time."""


def series(name: str, namespace: str, *matchers: str) -> str:
    """A metric of the platform in a namespace; matchers as `kind="node"`."""
    return f"{name}{{{','.join((is_equal('namespace', namespace), *matchers))}}}"


def is_equal(label: str, value: str) -> str:
    """A matcher of one value."""
    return f'{label}="{value}"'


def matching(label: str, values: tuple[str, ...]) -> str:
    """A matcher of any of the values."""
    return f'{label}=~"{"|".join(values)}"'


def seen(name: str, namespace: str, *matchers: str, by: str = "endpoint") -> str:
    """What all gateways see alike."""
    return f"max by ({by}) ({series(name, namespace, *matchers)})"


def counted(name: str, namespace: str, window: str, *matchers: str, by: str = "endpoint") -> str:
    """How often a second, over all gateways."""
    return f"sum by ({by}) (rate({series(name, namespace, *matchers)}[{window}]))"


def grown(name: str, namespace: str, window: str, *matchers: str, by: str = "endpoint") -> str:
    """How often within a window, over all gateways."""
    return f"sum by ({by}) (increase({series(name, namespace, *matchers)}[{window}]))"


def led(name: str, namespace: str, *matchers: str, by: str = "endpoint") -> str:
    """What the scaler that leads says."""
    leads = f"{series('moorage_scaler_leader', namespace)} == 1"
    return f"max by ({by}) ({series(name, namespace, *matchers)} and on (pod) ({leads}))"


def held_up(namespace: str, kinds: tuple[str, ...], *matchers: str) -> str:
    """1 for each endpoint whose replicas are held up by one of the kinds."""
    chosen = (matching("kind", kinds), *matchers)
    return f"{led('moorage_scaler_held_up', namespace, *chosen, by='endpoint, kind')} == 1"


def failed(namespace: str, window: str, *matchers: str) -> str:
    """Requests that failed through no fault of their callers, within a window; an answer broken off is one."""
    refused = series("moorage_refusals_total", namespace, matching("reason", FAULTS), *matchers)
    broken = series("moorage_requests_total", namespace, is_equal("outcome", "broken"), *matchers)
    return f"sum by (endpoint) (increase({refused}[{window}]) or increase({broken}[{window}]))"


def asked(namespace: str, window: str, *matchers: str) -> str:
    """Requests within a window, those of health checks not counted."""
    return grown("moorage_requests_total", namespace, window, 'outcome!="health"', *matchers)


def start_seconds(namespace: str, window: str, *matchers: str) -> str:
    """How long replicas took on average from their worker's start to ready.

    The histogram's buckets are too wide near an endpoint's limit, its sum and count are exact; that several
    gateways count the same start cancels out.
    """
    name, stage = "moorage_replica_start_seconds", 'stage="model"'
    total = grown(f"{name}_sum", namespace, window, stage, *matchers)
    return f"{total} / {grown(f'{name}_count', namespace, window, stage, *matchers)}"


def quantile(share: float, name: str, namespace: str, window: str, *matchers: str) -> str:
    """A quantile of a histogram, of each endpoint."""
    buckets = counted(f"{name}_bucket", namespace, window, *matchers, by="endpoint, le")
    return f"histogram_quantile({share:g}, {buckets})"


def dollars_an_hour(namespace: str) -> str:
    """What the replicas that are there cost, by endpoint; those without a known price are left out."""
    replicas = seen("moorage_replicas", namespace, by="endpoint, state")
    prices = seen(DOLLARS, namespace)
    return f"sum by (endpoint) ({replicas} * on (endpoint) group_left () {prices})"
