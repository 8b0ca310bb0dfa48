"""The platform API: `/v1`, to which gateways forward."""

from collections.abc import Sequence

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import PersistentVolumeClaim, Service
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components.database_access import DatabaseAccess
from components.inputs import with_secrets_hash
from components.record_reader import make_record_reader
from infra.plan.manifests import gateway as manifests
from infra.plan.manifests import sql
from infra.plan.manifests.access import EXTERNAL_SECRETS
from infra.plan.values import Plan, Postgres, SqliteDisk


class PlatformApi(pulumi.ComponentResource):
    """Creates the API's Deployment and Service, its right to read records, and its disk or its database's login.

    Assumes the queue's and the tokens' Secrets in its namespace. The disk is protected and retained as the stack
    says. `database` is there where the plan has one.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        address_hash: Input[str],
        database: DatabaseAccess | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:PlatformApi", name, {}, opts)
        self._name = name
        inside = ResourceOptions(parent=self)
        namespace = plan.api.namespace
        make_record_reader(name, manifests.API, namespace, inside)
        place, kept = self._usage(plan, database)
        Deployment(
            f"{name}-deployment",
            **with_secrets_hash(manifests.api_deployment(plan, place), address_hash),
            opts=ResourceOptions(parent=self, depends_on=kept),
        )
        Service(f"{name}-service", **manifests.api_service(plan), opts=inside)
        PodDisruptionBudget(f"{name}-budget", **manifests.budget(manifests.API, namespace), opts=inside)
        self.register_outputs({})

    def _usage(
        self, plan: Plan, database: DatabaseAccess | None
    ) -> tuple[Output[str] | None, Sequence[Resource]]:
        """The place of a database, and what must be there before a pod that keeps usage."""
        store = plan.api.sql
        if isinstance(store, SqliteDisk):
            kept = ResourceOptions(parent=self, protect=plan.is_protected, retain_on_delete=plan.is_protected)
            return None, [
                PersistentVolumeClaim(f"{self._name}-disk", **sql.claim(plan.api, store), opts=kept)
            ]
        if isinstance(store, Postgres) and database is not None:
            login = CustomResource(
                f"{self._name}-login",
                EXTERNAL_SECRETS,
                "ExternalSecret",
                **sql.login(plan.api, store, database.secret_arn),
                opts=ResourceOptions(parent=self),
            )
            return database.endpoint.apply(lambda found: sql.database_place(store, found)), [login]
        return None, []
