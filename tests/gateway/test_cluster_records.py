"""Records and tokens in a cluster, and that one machine does without what speaks to it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from support.gateway_stage import record, until

from runtime.cluster.records import ClusterRecords
from runtime.gateway.cluster_records import ClusterSource
from runtime.gateway.record_files import TokenFile
from runtime.gateway.registry import Endpoints
from runtime.wire import AccountRecord, TokenEntry, TokenGrant, Tokens

ACCOUNT = AccountRecord(account="acme")


@dataclass
class Watch:
    """The cluster's records as a test wants them to change."""

    changes: asyncio.Queue[ClusterRecords] = field(default_factory=asyncio.Queue)

    async def follow(self) -> AsyncGenerator[ClusterRecords, None]:
        """See `runtime.cluster.records.follow_records`."""
        while True:
            yield await self.changes.get()

    def put(self, *names: str) -> None:
        """From now on there are these endpoints."""
        self.changes.put_nowait(ClusterRecords({name: record(name) for name in names}, ACCOUNT))


@dataclass
class Scene:
    """A registry that follows a watch and a mounted Secret."""

    watch: Watch
    endpoints: Endpoints
    mount: Path

    def mount_tokens(self, *names: str) -> None:
        """Change the Secret as kubelet does: write a new folder, then turn a link to it in one step."""
        number = len(list(self.mount.iterdir()))
        folder = self.mount / f"..{number}"
        folder.mkdir()
        entries = tuple(TokenEntry(grant=TokenGrant(name=name), sha256="0") for name in names)
        (folder / "tokens.json").write_text(Tokens(entries=entries).model_dump_json())
        fresh = self.mount / "..fresh"
        fresh.symlink_to(folder.name)
        fresh.rename(self.mount / "..data")
        if not (self.mount / "tokens.json").is_symlink():
            (self.mount / "tokens.json").symlink_to("..data/tokens.json")

    @property
    def token_names(self) -> list[str]:
        """Who may call now."""
        return [entry.grant.name for entry in self.endpoints.records.tokens.entries]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A registry whose namespace was not read yet."""
    watch, tokens = Watch(), TokenFile(tmp_path / "tokens.json", structlog.get_logger())
    endpoints = Endpoints(ClusterSource(watch.follow, tokens))
    scene = Scene(watch, endpoints, tmp_path)
    scene.mount_tokens("ci")
    following = asyncio.create_task(endpoints.follow())
    yield scene
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_nothing_is_read_before_the_namespace_was(scene: Scene) -> None:
    """A gateway that knew no endpoint yet would tell every client that there is none."""
    await asyncio.sleep(0.05)
    assert not scene.endpoints.is_read

    scene.watch.put("embed")
    await scene.endpoints.until_read()

    assert list(scene.endpoints.records.endpoints) == ["embed"]
    assert scene.endpoints.records.account == ACCOUNT
    assert scene.token_names == ["ci"]


async def test_changes_are_followed_with_tokens_kept(scene: Scene) -> None:
    """New ones, and those that are gone."""
    scene.watch.put("embed")
    await scene.endpoints.until_read()

    scene.watch.put("chat")
    await until(lambda: "chat" in scene.endpoints.records.endpoints)

    assert list(scene.endpoints.records.endpoints) == ["chat"]
    assert scene.token_names == ["ci"]


async def test_changed_secret_is_seen_through_its_link(scene: Scene) -> None:
    """Without a restart, and with the records kept."""
    scene.watch.put("embed")
    await scene.endpoints.until_read()

    scene.mount_tokens("ops")
    await until(lambda: scene.token_names == ["ops"])

    assert list(scene.endpoints.records.endpoints) == ["embed"]


ALONE = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"kubernetes_asyncio", "boto3", "botocore", "grpc"}:
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
import runtime.gateway.program, runtime.local.__main__, runtime.worker.program
import runtime.api.program, runtime.scaler.program, runtime.cluster.client, runtime.cluster.records
"""


def test_one_machine_does_without_the_extra() -> None:
    """Every program starts where it is not installed; in a cluster it lacks only S3 and KEDA."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env=os.environ, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
