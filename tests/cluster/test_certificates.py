"""Whom the cluster's certificates name."""

from cluster.certificates import Identity, identities
from cluster.topology import ADDRESS, API_SERVICE, NODES


def test_subject_names_groups_before_the_user() -> None:
    """As the API server reads it: organisations are groups, the common name is the user."""
    assert Identity("system:node:n", ("system:nodes",)).subject == "/O=system:nodes/CN=system:node:n"


def test_each_node_is_a_user_of_its_own() -> None:
    """The node authorizer lets a kubelet see only what its own pods need."""
    found = identities()

    assert [found[node.name].user for node in NODES] == ["system:node:node1", "system:node:node2"]


def test_api_server_is_known_by_each_of_its_addresses() -> None:
    """Pods call it by its service, daemons by its address."""
    names = identities()["apiserver"].names

    assert {f"IP:{ADDRESS}", f"IP:{API_SERVICE}", "DNS:kubernetes.default.svc"} <= set(names)
