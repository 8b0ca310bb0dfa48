"""The identity of programs that watch records."""

from pulumi import ResourceOptions
from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.rbac.v1 import Role, RoleBinding

from components.inputs import arguments
from infra.plan.manifests import gateway as manifests


def make_record_reader(name: str, component: str, namespace: str, opts: ResourceOptions) -> None:
    """A service account of a component, the role that reads records, and what binds the two."""
    account = manifests.service_account(component, namespace, is_token_needed=True)
    ServiceAccount(f"{name}-identity", **arguments(account), opts=opts)
    Role(f"{name}-role", **manifests.reader_role(component, namespace), opts=opts)
    binding = manifests.role_binding(component, namespace, namespace)
    RoleBinding(f"{name}-binding", **arguments(binding), opts=opts)
