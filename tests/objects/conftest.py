"""The stores that one contract holds for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis
from support.s3_server import Bucket, s3_server
from support.valkey_server import ValkeyServer

from runtime.objects import FolderObjects, Objects
from runtime.objects.places import S3Place
from runtime.objects.s3 import S3Objects
from runtime.objects.valkey import ValkeyObjects
from runtime.scaler.rights import worker_rights
from runtime.wire.queue_users import worker_password, worker_user


@pytest.fixture(scope="session")
def alone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey that journals, for the whole run; `embed` has its workers' user there."""
    with ValkeyServer(tmp_path_factory.mktemp("alone")) as server:
        with Redis(port=server.port) as client:
            client.execute_command("ACL SETUSER", worker_user("embed"), *worker_rights("key", "embed"))
        yield server


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey in cluster mode that owns every slot, for the whole run."""
    with ValkeyServer(tmp_path_factory.mktemp("cluster"), cluster=True) as server:
        yield server


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """An S3 for the whole run."""
    with s3_server() as bucket:
        yield bucket


def worker_url(server: ValkeyServer) -> str:
    """The address of a server, as a worker of `embed` uses it."""
    password = worker_password("key", "embed")
    return server.url.replace("//", f"//{worker_user('embed')}:{password}@")


@pytest.fixture
def s3(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    """A store in that S3, whose faults are few again."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    bucket.faults.clear()
    bucket.asked.clear()
    return S3Objects.connect(S3Place("acme", "moorage/", bucket.url, "eu-central-1"))


@pytest.fixture(params=["folder", "alone", "worker", "cluster", "s3"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Objects]:
    """A store: in a folder, on a Valkey alone (as its workers too) and in cluster mode, and in a bucket."""
    if request.param == "folder":
        yield FolderObjects(tmp_path / "objects")
        return
    if request.param == "s3":
        s3: S3Objects = request.getfixturevalue("s3")
        yield s3
        await s3.close()
        return
    name = "cluster_server" if request.param == "cluster" else "alone_server"
    server: ValkeyServer = request.getfixturevalue(name)
    store = ValkeyObjects.connect(worker_url(server) if request.param == "worker" else server.url)
    yield store
    await store.close()
