"""Calls over TLS: whom we trust, what we show, in a pod and by a kubeconfig."""

import base64
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from runtime.cluster.access import Access, ClusterConfigError, pod_access
from runtime.cluster.calls import ClusterError
from runtime.cluster.client import open_client
from runtime.cluster.kubeconfig import kubeconfig_access

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@dataclass(frozen=True)
class Authority:
    """A cluster's own certificate authority, in a folder."""

    folder: Path

    def sign(self, name: str, *, host: str = "127.0.0.1") -> tuple[Path, Path]:
        """A certificate of this common name, and its key."""
        request = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName=IP:{host}"]
        return self._make(name, request)

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """A new one."""
        folder.mkdir()
        authority = cls(folder)
        authority._make("ca", [])
        return authority

    def _make(self, name: str, options: list[str]) -> tuple[Path, Path]:
        key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            f"{name}.key",
        ]
        made = ["openssl", "req", "-x509", *key, "-out", f"{name}.crt", "-subj", f"/CN={name}", *options]
        subprocess.run(made, cwd=self.folder, check=True, capture_output=True)
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The cluster's."""
    return Authority.make(tmp_path / "pki")


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[str]:
    """A server that answers who called, while the block runs; its URL comes back."""

    async def answer(request: web.Request) -> web.Response:
        shown = request.get_extra_info("peercert")
        names = dict(part[0] for part in shown["subject"]) if shown else {}
        told = {"certificate": names.get("commonName"), "token": request.headers.get("Authorization")}
        return web.json_response(told)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.folder / "ca.crt")
    context.load_cert_chain(*authority.sign("server"))
    context.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_get("/who", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def who(access: Access) -> dict[str, object]:
    """What the server saw of a call."""
    async with open_client(access) as client:
        return await client.read("/who")


def mounted(folder: Path, authority: Authority) -> Path:
    """A service account as kubelet mounts it."""
    folder.mkdir()
    shutil.copy(authority.folder / "ca.crt", folder)
    (folder / "token").write_text("of-the-pod")
    return folder


def in_pod(server: str) -> dict[str, str]:
    """What kubelet tells a pod's process."""
    host, port = server.removeprefix("https://").split(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


def configured(path: Path, server: str, cluster: dict[str, object], user: dict[str, object]) -> Access:
    """The access of a kubeconfig."""
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "x", "user": user}],
    }
    path.write_text(json.dumps(config))
    return kubeconfig_access({"KUBECONFIG": str(path)}, None)


def encoded(path: Path) -> str:
    """A file as kubeconfigs embed it."""
    return base64.b64encode(path.read_bytes()).decode()


async def test_pod_shows_its_token_to_the_server_that_its_authority_signed(
    tmp_path: Path, authority: Authority
) -> None:
    """The three things that kubelet gives: address, authority, token."""
    async with serving(authority) as server:
        access = pod_access(in_pod(server), mounted(tmp_path / "account", authority))
        assert access is not None
        seen = await who(access)

    assert seen == {"certificate": None, "token": "Bearer of-the-pod"}


async def test_server_of_another_authority_is_not_spoken_to(tmp_path: Path, authority: Authority) -> None:
    """It would be shown the token."""
    other = Authority.make(tmp_path / "other")
    async with serving(other) as server:
        access = pod_access(in_pod(server), mounted(tmp_path / "account", authority))
        assert access is not None
        with pytest.raises(ClusterError, match="CertificateError"):
            await who(access)


async def test_kubeconfig_logs_in_with_an_embedded_certificate(tmp_path: Path, authority: Authority) -> None:
    """As kind, k3s and kubeadm write it."""
    certificate, key = authority.sign("admin")
    user: dict[str, object] = {
        "client-certificate-data": encoded(certificate),
        "client-key-data": encoded(key),
    }
    async with serving(authority) as server:
        cluster: dict[str, object] = {"certificate-authority-data": encoded(authority.folder / "ca.crt")}
        seen = await who(configured(tmp_path / "config", server, cluster, user))

    assert seen == {"certificate": "admin", "token": None}


async def test_kubeconfig_logs_in_with_the_files_that_it_names(tmp_path: Path, authority: Authority) -> None:
    """Beside it."""
    authority.sign("admin")
    user: dict[str, object] = {"client-certificate": "pki/admin.crt", "client-key": "pki/admin.key"}
    async with serving(authority) as server:
        cluster: dict[str, object] = {"certificate-authority": "pki/ca.crt"}
        seen = await who(configured(tmp_path / "config", server, cluster, user))

    assert seen == {"certificate": "admin", "token": None}


async def test_verification_is_left_out_only_where_the_file_says_so(
    tmp_path: Path, authority: Authority
) -> None:
    """`insecure-skip-tls-verify`."""
    async with serving(authority) as server:
        skipped: dict[str, object] = {"insecure-skip-tls-verify": True}
        seen = await who(configured(tmp_path / "config", server, skipped, {"token": "t"}))
        with pytest.raises(ClusterError, match="CertificateError"):
            await who(configured(tmp_path / "config", server, {}, {"token": "t"}))

    assert seen["token"] == "Bearer t"


def test_outside_a_pod_there_is_no_service_account(tmp_path: Path, authority: Authority) -> None:
    """Either the address or the token is missing."""
    account = mounted(tmp_path / "account", authority)

    assert pod_access({}, account) is None
    assert pod_access(in_pod("https://10.96.0.1:443"), tmp_path / "nowhere") is None


def test_address_of_ip_version_6_stands_in_brackets(tmp_path: Path, authority: Authority) -> None:
    """Kubelet gives it without them."""
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    access = pod_access(environment, mounted(tmp_path / "account", authority))

    assert access is not None
    assert access.server == "https://[fd00::1]:443"


def test_authority_that_is_none_is_a_named_fault(tmp_path: Path, authority: Authority) -> None:
    """Trusting the system's instead would be another cluster's."""
    account = mounted(tmp_path / "account", authority)
    (account / "ca.crt").write_text("")

    with pytest.raises(ClusterConfigError, match="no certificate in it"):
        pod_access(in_pod("https://10.96.0.1:443"), account)
