"""What an account's stack makes inside the cluster, or binds to it."""

from collections.abc import Mapping, Sequence

from pulumi import Output, ProviderResource, Resource, ResourceOptions

from components.aws.account import Account
from components.aws.disk_class import DiskClass
from components.aws.domain import Domain
from components.aws.karpenter import Karpenter
from components.aws.load_balancer import LoadBalancer
from components.aws.managed_queue import ManagedQueue
from components.aws.monitoring import Monitoring
from components.aws.shared_cache import SharedCache
from components.aws.vault import Vault
from components.aws.web_firewall import WebFirewall
from components.dashboards import Dashboards
from components.queue_access import QueueAccess
from infra.plan.aws.buckets import LOGS
from infra.plan.aws.cluster_roles import NODE
from infra.plan.aws.ways_in import LoadBalancerPlan
from infra.plan.digests import MANAGED_QUEUE


class ClusterServices:
    """Classes of disks, the secrets' store, ways in, monitoring, and Karpenter where it adds nodes: components each.

    Args of note:
        values: of the stack's secrets, by name.
        addons: software of others that this works with: External Secrets, the load balancer controller.
        namespaces: of the platform.
        providers: of the account and of the cluster.

    Attributes of note:
        disks: what must be there before a volume is asked for.
        queue: how to get into the managed queue; None where the queue is a pod.
        name_servers: of a hosted zone that was made, to be entered at the registrar; else None.
    """

    def __init__(
        self,
        account: Account,
        values: Mapping[str, Output[str]],
        *,
        addons: Sequence[Resource],
        namespaces: Resource,
        providers: Sequence[ProviderResource],
    ) -> None:
        self._account, self._plan = account, account.plan
        self._providers = list(providers)
        self._inside = self._after([])
        self.disks = self._disks()
        self._karpenter()
        self.queue = self._queue(namespaces)
        self.vault = Vault(
            "vault",
            self._plan.vault,
            values,
            key_arn=account.keys.arn("data"),
            store_after=addons,
            opts=self._inside,
        )
        self.name_servers = self._ways_in([*addons, namespaces])
        dashboards = self._plan.monitoring.dashboards
        Dashboards("dashboards", dashboards, self._plan.monitoring.namespace, self._after([namespaces]))
        Monitoring(
            "monitoring",
            self._plan.monitoring,
            data_key=account.keys.arn("data"),
            log_key=account.keys.arn("logs"),
            opts=self._after([namespaces, *self.disks]),
        )

    def _after(self, others: Sequence[Resource]) -> ResourceOptions:
        return ResourceOptions(providers=self._providers, depends_on=others)

    def _disks(self) -> Sequence[Resource]:
        key = self._account.keys.arn("data")
        made: list[Resource] = [DiskClass("disks", self._plan.disk_class, key_arn=key, opts=self._inside)]
        if self._plan.file_system is not None:
            network = self._account.network
            shared = SharedCache(
                "shared",
                self._plan.file_system,
                vpc_id=network.vpc_id,
                subnets=network.by_zone,
                clients=self._account.cluster.security_group,
                key_arn=key,
                opts=self._inside,
            )
            made.append(shared)
        return made

    def _karpenter(self) -> None:
        if self._plan.karpenter is not None:
            Karpenter(
                "karpenter",
                self._plan.karpenter,
                cluster_name=self._account.cluster.cluster_name,
                key_arn=self._account.keys.arn("data"),
                node_role_name=self._account.roles.name_of(NODE),
                node_role_arn=self._account.roles.arn(NODE),
                opts=self._inside,
            )

    def _queue(self, namespaces: Resource) -> QueueAccess | None:
        if self._plan.queue is None:
            return None
        queue = ManagedQueue(
            "queue",
            self._plan.queue,
            vpc_id=self._account.network.vpc_id,
            subnets=self._account.network.intra_subnets,
            clients=self._account.cluster.security_group,
            key_arn=self._account.keys.arn("data"),
            logs_key_arn=self._account.keys.arn("logs"),
            opts=self._after([namespaces]),
        )
        return QueueAccess(
            queue.address, queue.worker_key, queue.address_hash, MANAGED_QUEUE, queue.access, made=[queue]
        )

    def _ways_in(self, bound_after: Sequence[Resource]) -> Output[Sequence[str]] | None:
        if self._plan.domain is None:
            return None
        domain = Domain("domain", self._plan.domain, self._inside)
        for plan in self._plan.balancers:
            balancer = self._balancer(plan, domain, bound_after)
            if self._plan.firewall is not None and not plan.is_internal:
                WebFirewall(
                    "firewall", self._plan.firewall, load_balancer_arn=balancer.arn, opts=self._inside
                )
        return domain.name_servers

    def _balancer(
        self, plan: LoadBalancerPlan, domain: Domain, bound_after: Sequence[Resource]
    ) -> LoadBalancer:
        network = self._account.network
        logged = self._account.objects.policies.get(LOGS)
        return LoadBalancer(
            plan.name,
            plan,
            vpc_id=network.vpc_id,
            subnets=network.private_subnets if plan.is_internal else network.public_subnets,
            node_security_group=self._account.cluster.security_group,
            zone_id=domain.zone_id,
            certificate_arn=domain.certificate_arn,
            bound_after=bound_after,
            logged_after=[] if logged is None else [logged],
            opts=self._inside,
        )
