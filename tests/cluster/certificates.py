"""Keys and certificates of one cluster, by openssl; they are made anew for each and live a week."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import command
from cluster.topology import ADDRESS, API_SERVICE, DOMAIN, NODES

SECONDS = 20.0
DAYS = 7
CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")
MASTERS = "system:masters"
AUTHORITIES = ("ca", "front-proxy-ca")
SERVICE_ACCOUNTS = "service-accounts"
API_NAMES = (
    "DNS:localhost",
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    f"DNS:kubernetes.default.svc.{DOMAIN}",
    f"IP:{API_SERVICE}",
    f"IP:{ADDRESS}",
    "IP:127.0.0.1",
)
_CONFIG = """
[req]
distinguished_name = name
prompt = no
string_mask = utf8only
[name]
"""
"""Nothing of the machine's own openssl.cnf, which would make every certificate an authority."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate names; `groups` are Kubernetes groups."""

    user: str
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Under which it serves: `DNS:…`, `IP:…`."""
    authority: str = "ca"

    @property
    def subject(self) -> str:
        """As openssl takes it."""
        return "".join((*(f"/O={group}" for group in self.groups), f"/CN={self.user}"))


def identities() -> Mapping[str, Identity]:
    """Name of the files to whom they are for."""
    nodes = {node.name: Identity(f"system:node:{node.name}", ("system:nodes",)) for node in NODES}
    return {
        "apiserver": Identity("kube-apiserver", names=API_NAMES),
        "front-proxy-client": Identity("front-proxy-client", authority="front-proxy-ca"),
        "kubelet-client": Identity("kube-apiserver-kubelet-client", (MASTERS,)),
        "admin": Identity("admin", (MASTERS,)),
        "kube-controller-manager": Identity("system:kube-controller-manager"),
        "kube-scheduler": Identity("system:kube-scheduler"),
        "kube-proxy": Identity("system:kube-proxy"),
        "coredns": Identity("system:coredns"),
        "kwok": Identity("kwok", (MASTERS,)),
        **nodes,
    }


@dataclass(frozen=True, slots=True)
class Keys:
    """A folder of `<name>.key` and `<name>.crt`, for root's eyes."""

    folder: Path

    def key(self, name: str) -> Path:
        """The private key of this name."""
        return self.folder / f"{name}.key"

    def certificate(self, name: str) -> Path:
        """The certificate of this name."""
        return self.folder / f"{name}.crt"


async def make_keys(folder: Path) -> Keys:
    """All keys and certificates of `identities`, two authorities and the service accounts' key.

    Raises:
        ClusterError: openssl is not there or refuses.
    """
    keys = Keys(folder)
    config = _make_folder(folder)
    async with asyncio.TaskGroup() as group:
        for name in AUTHORITIES:
            group.create_task(_authority(keys, config, name))
    async with asyncio.TaskGroup() as group:
        group.create_task(_service_accounts(keys))
        for name, identity in identities().items():
            group.create_task(_certificate(keys, config, name, identity))
    return keys


def _make_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True)
    config = folder / "openssl.cnf"
    config.write_text(_CONFIG)
    return config


async def _authority(keys: Keys, config: Path, name: str) -> None:
    extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature")
    await _request(keys, config, name, "-subj", f"/CN={name}", *_added(extensions))


async def _certificate(keys: Keys, config: Path, name: str, identity: Identity) -> None:
    extensions = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=clientAuth,serverAuth",
    ]
    if identity.names:
        extensions.append(f"subjectAltName={','.join(identity.names)}")
    signer = ("-CA", keys.certificate(identity.authority), "-CAkey", keys.key(identity.authority))
    await _request(keys, config, name, "-subj", identity.subject, *signer, *_added(extensions))


def _added(extensions: Iterable[str]) -> list[str]:
    return [word for extension in extensions for word in ("-addext", extension)]


async def _request(keys: Keys, config: Path, name: str, *words: str | Path) -> None:
    """A new key and its certificate, signed by itself unless the words name an authority."""
    await command(
        *("openssl", "req", "-x509", "-config", config, "-days", str(DAYS), *CURVE, "-nodes"),
        *("-newkey", "ec", "-keyout", keys.key(name), "-out", keys.certificate(name), *words),
        seconds=SECONDS,
    )


async def _service_accounts(keys: Keys) -> None:
    private = keys.key(SERVICE_ACCOUNTS)
    await command(
        *(
            "openssl",
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-out",
            private,
        ),
        seconds=SECONDS,
    )
    await command("openssl", "pkey", "-in", private, "-pubout", "-out", public_key(keys), seconds=SECONDS)


def public_key(keys: Keys) -> Path:
    """With which the API server checks the tokens of service accounts."""
    return keys.folder / f"{SERVICE_ACCOUNTS}.pub"
