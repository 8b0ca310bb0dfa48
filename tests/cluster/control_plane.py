"""etcd, API server, controller manager and scheduler, as processes of the control plane's room."""

from pathlib import Path

from cluster.certificates import SERVICE_ACCOUNTS, public_key
from cluster.processes import Program
from cluster.rooms import Room
from cluster.sites import Site
from cluster.topology import ADDRESS, API_PORT, DOMAIN, PODS, SERVICES
from cluster.waiting import until

ROOM = "control-plane"
ETCD_URL = "http://127.0.0.1:2379"
ETCD_PEER_URL = "http://127.0.0.1:2380"
READY_SECONDS = 90.0
ACCOUNT_SECONDS = 30
"""Until a namespace has its service account, without which no pod is made."""
NODE_GRACE_SECONDS = 10
"""A node that was not heard of for so long is NotReady."""
TOLERATION_SECONDS = 5
"""After so long on a node that is NotReady, pods are replaced."""
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")


async def start_api(site: Site, room: Room) -> None:
    """The store and the API server; returns when it is ready.

    Raises:
        ClusterError: one of them does not start.
    """
    for name, argv in (("etcd", _etcd(site)), ("kube-apiserver", _api(site))):
        await site.processes.start(Program(name, argv, room.door))

    async def ready() -> bool:
        return await room.answers(API_PORT, "/readyz", tls=True)

    await until("The API server is ready", ready, READY_SECONDS, site.processes, ("etcd", "kube-apiserver"))


async def start_controllers(site: Site, room: Room) -> None:
    """Controller manager and scheduler; returns when pods may be made.

    Raises:
        ClusterError: one of them does not start.
    """
    arguments: dict[str, tuple[str, ...]] = {
        "kube-controller-manager": _controller_manager(site),
        "kube-scheduler": (),
    }
    for name in CONTROLLERS:
        kubeconfig = site.kubeconfig_of(name)
        argv: tuple[str | Path, ...] = (
            site.program("kubernetes", name),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            *arguments[name],
        )
        await site.processes.start(Program(name, argv, room.door))
    await site.kubectl(
        *("wait", "serviceaccount/default", "--namespace=default", "--for=create"),
        f"--timeout={ACCOUNT_SECONDS}s",
        seconds=ACCOUNT_SECONDS + 5,
    )


def _etcd(site: Site) -> tuple[str | Path, ...]:
    return (
        site.program("etcd"),
        "--name=etcd",
        f"--data-dir={site.run / 'etcd'}",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}",
        f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=etcd={ETCD_PEER_URL}",
        "--log-level=warn",
        "--unsafe-no-fsync",  # the cluster does not outlive the machine
    )


def _api(site: Site) -> tuple[str | Path, ...]:
    keys = site.keys
    return (
        site.program("kubernetes", "kube-apiserver"),
        "--bind-address=0.0.0.0",
        f"--advertise-address={ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--etcd-servers={ETCD_URL}",
        f"--cert-dir={site.run / 'apiserver'}",
        f"--tls-cert-file={keys.certificate('apiserver')}",
        f"--tls-private-key-file={keys.key('apiserver')}",
        f"--client-ca-file={keys.certificate('ca')}",
        f"--kubelet-client-certificate={keys.certificate('kubelet-client')}",
        f"--kubelet-client-key={keys.key('kubelet-client')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={keys.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={keys.certificate('front-proxy-client')}",
        f"--proxy-client-key-file={keys.key('front-proxy-client')}",
        "--enable-aggregator-routing=true",
        f"--service-account-key-file={public_key(keys)}",
        f"--service-account-signing-key-file={keys.key(SERVICE_ACCOUNTS)}",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--default-not-ready-toleration-seconds={TOLERATION_SECONDS}",
        f"--default-unreachable-toleration-seconds={TOLERATION_SECONDS}",
        "--allow-privileged=true",
    )


def _controller_manager(site: Site) -> tuple[str, ...]:
    return (
        f"--root-ca-file={site.keys.certificate('ca')}",
        f"--service-account-private-key-file={site.keys.key(SERVICE_ACCOUNTS)}",
        f"--cluster-signing-cert-file={site.keys.certificate('ca')}",
        f"--cluster-signing-key-file={site.keys.key('ca')}",
        "--use-service-account-credentials=true",
        f"--cluster-cidr={PODS}",
        "--horizontal-pod-autoscaler-sync-period=1s",
        "--node-monitor-period=1s",
        f"--node-monitor-grace-period={NODE_GRACE_SECONDS}s",
        # The tests switch a node off again and again; by default its pods would wait for their turn.
        "--node-eviction-rate=10",
        "--secondary-node-eviction-rate=10",
        # Its default is a folder of the machine, which it would make.
        f"--flex-volume-plugin-dir={site.folder('volume-plugins')}",
    )
