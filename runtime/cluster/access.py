"""How an API server is reached, and as whom; in a pod its service account says it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where kubelet mounts a pod's token and the authority of its API server."""


class ClusterConfigError(Exception):
    """There is no way to reach a cluster from here."""


@dataclass(frozen=True, slots=True)
class Access:
    """One API server and one user of it."""

    server: str
    """Its URL, without a slash at the end."""
    tls: ssl.SSLContext | None = None
    """Whom to trust and which certificate to show; None for the system's authorities and none."""
    server_name: str | None = None
    """Name in the server's certificate, where it is not the URL's host."""
    token: str | None = field(default=None, repr=False)
    """One that never changes."""
    token_file: Path | None = None
    """Of a token that is renewed there; goes before the other."""


def pod_access(environment: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Access | None:
    """The access of the pod that this process runs in; None outside one.

    Raises:
        ClusterConfigError: the authority's certificate cannot be read.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    token = account / "token"
    if not host or not port or not token.is_file():
        return None
    try:
        tls = make_tls(authority=(account / "ca.crt").read_text())
    except OSError as exc:
        raise ClusterConfigError(f"{account / 'ca.crt'}: {exc}") from exc
    shown = f"[{host}]" if ":" in host else host
    return Access(f"https://{shown}:{port}", tls, token_file=token)


def make_tls(*, authority: str | None) -> ssl.SSLContext:
    """Trust in the authorities of a PEM text; None for those of the system.

    Raises:
        OSError: it holds no certificate.
    """
    if authority is not None and not authority.strip():
        raise ssl.SSLError("no certificate in it")  # an empty text would count as none
    context = ssl.create_default_context(cadata=authority)
    # Python 3.13 began to refuse authorities without a key identifier; many clusters have such a one, and Go takes it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
