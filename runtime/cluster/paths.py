"""Paths of the kinds of objects that are asked for, as the API names them."""


def config_maps(namespace: str) -> str:
    """Of the records."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def pods(namespace: str) -> str:
    """Of the replicas; a pod's log is below it."""
    return f"/api/v1/namespaces/{namespace}/pods"


def events(namespace: str) -> str:
    """Of what happened to an object."""
    return f"/api/v1/namespaces/{namespace}/events"


def deployments(namespace: str) -> str:
    """Of the endpoints; a Deployment's scale is below it."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def leases(namespace: str) -> str:
    """Of the scaler's leader."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
