"""A kubeconfig's context as an access, for programs that run outside a cluster."""

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from runtime.cluster.access import Access, ClusterConfigError, make_tls

UNSUPPORTED = frozenset({"as", "auth-provider", "exec", "password", "proxy-url", "username"})
"""Keys that would change whom we are or what we reach, and that are not followed: each is refused by name."""


class _Part(BaseModel):
    # Keys that name no access are kept apart; what a user's entry holds is in no error.
    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )


class _Cluster(_Part):
    server: str
    certificate_authority: Path | None = None
    certificate_authority_data: Base64Bytes | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str | None = None


class _User(_Part):
    token: str | None = None
    token_file: Path | None = Field(default=None, alias="tokenFile")
    client_certificate: Path | None = None
    client_certificate_data: Base64Bytes | None = None
    client_key: Path | None = None
    client_key_data: Base64Bytes | None = None


class _Context(_Part):
    cluster: str
    user: str


class _NamedCluster(_Part):
    name: str
    cluster: _Cluster


class _NamedUser(_Part):
    name: str
    user: _User


class _NamedContext(_Part):
    name: str
    context: _Context


class _File(_Part):
    current_context: str | None = None
    clusters: tuple[_NamedCluster, ...] | None = None
    users: tuple[_NamedUser, ...] | None = None
    contexts: tuple[_NamedContext, ...] | None = None


@dataclass
class _Merged:
    """All files; of two entries of one name the first counts, as for kubectl."""

    current: str | None = None
    clusters: dict[str, tuple[Path, _Cluster]] = field(default_factory=dict)
    """By name, with the folder that its paths begin at."""
    users: dict[str, tuple[Path, _User]] = field(default_factory=dict)
    contexts: dict[str, _Context] = field(default_factory=dict)

    def add(self, folder: Path, file: _File) -> None:
        """Take a file over."""
        self.current = self.current or file.current_context
        for cluster in file.clusters or ():
            self.clusters.setdefault(cluster.name, (folder, cluster.cluster))
        for user in file.users or ():
            self.users.setdefault(user.name, (folder, user.user))
        for context in file.contexts or ():
            self.contexts.setdefault(context.name, context.context)


def kubeconfig_access(environment: Mapping[str, str], context: str | None) -> Access:
    """The access of a context, the current one unless given, of the files that `KUBECONFIG` names.

    Raises:
        ClusterConfigError: there is no such file or context, or it asks for what is not supported.
    """
    merged = _Merged()
    for path in _paths(environment):
        merged.add(path.parent, _read(path))
    name = merged.current if context is None else context
    try:
        chosen = merged.contexts[name or ""]
        folder, cluster = merged.clusters[chosen.cluster]
        users_folder, user = merged.users[chosen.user]
    except KeyError as exc:
        raise ClusterConfigError(f"kubeconfig: context {name!r} has no entry {exc}") from exc
    if found := UNSUPPORTED & {*(cluster.model_extra or ()), *(user.model_extra or ())}:
        raise ClusterConfigError(
            f"kubeconfig: context {name!r} uses {', '.join(sorted(found))}. Give its user a token or a certificate"
        )
    try:
        return Access(
            cluster.server.rstrip("/"),
            _tls(folder, cluster, users_folder, user),
            cluster.tls_server_name,
            user.token,
            None if user.token_file is None else users_folder / user.token_file,
        )
    except (OSError, UnicodeDecodeError) as exc:
        raise ClusterConfigError(f"kubeconfig: context {name!r}: {exc}") from exc


def _paths(environment: Mapping[str, str]) -> Iterator[Path]:
    """The files that are there; as for kubectl, one that is not is passed over."""
    named = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    wanted = named or [Path(environment.get("HOME", "/")) / ".kube" / "config"]
    found = [path for path in wanted if path.is_file()]
    if not found:
        raise ClusterConfigError(f"not in a pod, and no kubeconfig at {', '.join(map(str, wanted))}")
    yield from found


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(yaml.safe_load(path.read_text()) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        # A parser's message quotes the line, which may be a token.
        raise ClusterConfigError(f"kubeconfig {path} cannot be read: {type(exc).__name__}") from exc
    except ValidationError as exc:
        faults = (f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
        raise ClusterConfigError(f"kubeconfig {path}: {'; '.join(faults)}") from exc


def _tls(folder: Path, cluster: _Cluster, users_folder: Path, user: _User) -> ssl.SSLContext:
    authority = _bytes(folder, cluster.certificate_authority, cluster.certificate_authority_data)
    tls = make_tls(authority=None if authority is None else authority.decode())
    if cluster.insecure_skip_tls_verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate = _bytes(users_folder, user.client_certificate, user.client_certificate_data)
    key = _bytes(users_folder, user.client_key, user.client_key_data)
    if certificate is not None and key is not None:
        _show(tls, certificate, key)
    return tls


def _bytes(folder: Path, path: Path | None, given: bytes | None) -> bytes | None:
    if given is not None or path is None:
        return given
    return (folder / path).read_bytes()


def _show(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Log in with a certificate; OpenSSL takes its key from a file only."""
    with TemporaryDirectory() as folder:  # readable by this user alone
        both = Path(folder) / "login.pem"
        both.write_bytes(certificate + b"\n" + key)
        tls.load_cert_chain(both)
