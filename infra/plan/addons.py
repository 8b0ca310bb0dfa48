"""Software of others, by Helm: charts, pinned versions and the values that a sane installation needs.

Sources: each chart's values.yaml at the version named, read 2026-11-25 (KEDA's at 2.20.2).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from infra.plan.values import AddonPlan
from infra.spec.stack import Addons

HOUR = "3600s"
_GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def _resources(cpu: str, memory: str, most_memory: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most_memory}}


CHARTS: Mapping[str, AddonPlan] = MappingProxyType(
    {
        "cert_manager": AddonPlan(
            name="cert-manager",
            namespace="cert-manager",
            chart="oci://quay.io/jetstack/charts/cert-manager",
            repository=None,
            version="v1.21.2",
            values={
                "crds": {"enabled": True, "keep": True},
                "replicaCount": 2,
                "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1},
                "resources": _resources("10m", "64Mi", "256Mi"),
                "webhook": {"replicaCount": 2, "resources": _resources("10m", "32Mi", "128Mi")},
                "cainjector": {"resources": _resources("10m", "128Mi", "512Mi")},
            },
        ),
        "external_secrets": AddonPlan(
            name="external-secrets",
            namespace="external-secrets",
            chart="external-secrets",
            repository="https://charts.external-secrets.io",
            version="2.9.0",
            values={
                "installCRDs": True,
                "replicaCount": 2,
                "leaderElect": True,  # two replicas without it both reconcile
                "resources": _resources("20m", "64Mi", "256Mi"),
                "webhook": {"replicaCount": 2, "resources": _resources("10m", "32Mi", "128Mi")},
                "certController": {"resources": _resources("10m", "64Mi", "256Mi")},
            },
        ),
        "keda": AddonPlan(
            name="keda",
            namespace="keda",
            chart="keda",
            repository="https://kedacore.github.io/charts",
            version="2.21.1",
            values={
                "operator": {"replicaCount": 2},
                "metricsServer": {"replicaCount": 2},
                "podDisruptionBudget": {
                    "operator": {"maxUnavailable": 1},
                    "metricServer": {"maxUnavailable": 1},
                },
            },
        ),
        "metrics_server": AddonPlan(
            name="metrics-server",
            namespace="kube-system",
            chart="metrics-server",
            repository="https://kubernetes-sigs.github.io/metrics-server/",
            version="3.13.1",
            values={
                "replicas": 2,
                "podDisruptionBudget": {"enabled": True, "minAvailable": 1},
                "resources": _resources("100m", "200Mi", "400Mi"),
            },
        ),
        "nvidia_device_plugin": AddonPlan(
            name="nvidia-device-plugin",
            namespace="nvidia-device-plugin",
            chart="nvidia-device-plugin",
            repository="https://nvidia.github.io/k8s-device-plugin",
            version="0.20.0",
            values={
                "gfd": {"enabled": True},  # writes the label by which replicas find their nodes
                "resources": _resources("20m", "64Mi", "256Mi"),
                "tolerations": [_GPU_TOLERATION],
                # Feature discovery tolerates one value of the taint only, and without it no node has a label.
                "nfd": {"worker": {"tolerations": [_GPU_TOLERATION]}},
            },
        ),
        "traefik": AddonPlan(
            name="traefik",
            namespace="traefik",
            chart="traefik",
            repository="https://traefik.github.io/charts",
            version="41.3.0",
            values={
                # Its own 60 s would cut a request that is held while a GPU starts.
                "deployment": {"replicas": 2, "terminationGracePeriodSeconds": 3660},
                "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1},
                "resources": _resources("100m", "128Mi", "512Mi"),
                "ingressClass": {"enabled": True, "isDefaultClass": False, "name": "traefik"},
                "ports": {
                    name: {
                        "transport": {
                            "respondingTimeouts": {
                                "readTimeout": HOUR,
                                "writeTimeout": "0s",
                                "idleTimeout": HOUR,
                            },
                            "lifeCycle": {"requestAcceptGraceTimeout": "10s", "graceTimeOut": HOUR},
                        }
                    }
                    for name in ("web", "websecure")
                },
                "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            },
        ),
    }
)
"""Setting of the stack to its chart."""


def plan_addons(addons: Addons) -> tuple[AddonPlan, ...]:
    """What the stack says to install, sorted by name."""
    return tuple(CHARTS[key] for key in sorted(CHARTS) if getattr(addons, key) == "install")
