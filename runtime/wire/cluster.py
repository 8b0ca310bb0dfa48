"""Names, labels and ports that the plan writes into manifests and the running platform looks for."""

PUBLIC_PORT = 8484
"""Gateway: endpoints that face the internet, and the platform's host."""
ALL_PORT = 8485
"""Gateway: every endpoint, for the private load balancer."""
INNER_PORT = 8486
"""Gateway: workers' answers, probes and metrics; behind no load balancer."""
SCALER_PORT = 8487
"""Scaler: probes and metrics."""
API_PORT = 8484
"""Platform API, on its own pods."""
KEDA_PORT = 9090
"""Scaler: KEDA's external-push contract."""
QUEUE_PORT = 6379
WORKER_PORTS = (18480, 18481)
"""The worker's probes: the first, unless the model has it."""

LABEL_ENDPOINT = "moorage.dev/endpoint"
"""On everything of an endpoint: its name."""
LABEL_RECORD = "moorage.dev/record"
"""On ConfigMaps that hold a record: `endpoint` or `account`."""
LABEL_EGRESS = "moorage.dev/egress"
"""On replicas: what network policies let them reach."""
ANNOTATION_REVISION = "moorage.dev/revision"
"""On replicas: the revision of the record that they were made from."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
RECORD_KEY = "record.json"
"""Key of a record in its ConfigMap."""
MODEL_CONTAINER = "model"
WORKER_CONTAINER = "worker"
LEASE = "scaler"
"""The Lease by which the scalers choose their leader."""
