"""What is scraped: gateways and scalers, the only programs of the platform that tell figures."""

from infra.plan.manifests.parts import Manifest, labels_of, metadata
from infra.plan.monitoring.queries import GATEWAY_JOB, SCALER_JOB

SCRAPED = (("gateway", "inner", GATEWAY_JOB), ("scaler", "metrics", SCALER_JOB))
"""Component, name of its port, and the job that its series bear."""
SCRAPE_SECONDS = 15
TIMEOUT_SECONDS = 10
"""Gateways look at every endpoint's queue meanwhile."""


def pod_monitors(namespace: str) -> dict[str, Manifest]:
    """The PodMonitors of a platform, by component."""
    return {component: _pod_monitor(component, port, job, namespace) for component, port, job in SCRAPED}


def _pod_monitor(component: str, port: str, job: str, namespace: str) -> Manifest:
    labels = labels_of(component)
    return {
        "metadata": metadata(component, namespace, labels),
        "spec": {
            "namespaceSelector": {"matchNames": [namespace]},
            "podMetricsEndpoints": [
                {
                    "interval": f"{SCRAPE_SECONDS}s",
                    "path": "/metrics",
                    "port": port,
                    "relabelings": [
                        # The operator calls the port so, and ours would become `exported_endpoint`.
                        {"action": "labeldrop", "regex": "endpoint"},
                        {"action": "replace", "replacement": job, "targetLabel": "job"},
                    ],
                    "scrapeTimeout": f"{TIMEOUT_SECONDS}s",
                }
            ],
            "selector": {"matchLabels": labels},
        },
    }
