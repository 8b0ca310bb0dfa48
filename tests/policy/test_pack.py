"""The pack as the engine meets it: a program of an environment of its own, that answers over gRPC."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from support.recordings import ROOT

from policy.rules import RULES

OWN = ("infra", "policy")
GIVEN = {"pulumi_policy"}
"""What the pack's own environment has besides Python."""
URN = "urn:pulumi:prod::moorage::"
STACK_URN = f"{URN}pulumi:pulumi:Stack::moorage-prod"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""As the engine marks text that is not known before `up`. Source: Pulumi 3.272, sdk/python, rpc.py."""
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"


def file_of(module: str) -> Path | None:
    """Source of one of this project's modules."""
    place = ROOT / module.replace(".", "/")
    found = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in found if path.exists()), None)


def imports_of(path: Path) -> Iterator[str]:
    """Modules that a file imports; of `from a import b` also `a.b`, where that is one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in inner if name.startswith(OWN) and file_of(name))


def closure(module: str) -> set[str]:
    """All that is loaded with a module, down to what is not this project's."""
    seen, left = set[str](), [module]
    while left:
        name = left.pop()
        path = file_of(name) if name.startswith(OWN) else None
        if name not in seen and path is not None:
            left += imports_of(path)
        seen.add(name)
    return seen


def test_pack_needs_nothing_of_this_project_s_environment() -> None:
    """Its own one holds another protobuf, and would have to hold pydantic and the rest too."""
    outside = {name.partition(".")[0] for name in closure("policy.pack")} - {*OWN}

    assert outside - sys.stdlib_module_names == GIVEN


def test_environment_of_the_pack_is_locked() -> None:
    """By hashes, without an address."""
    text = (ROOT / "policy/requirements.txt").read_text(encoding="utf-8")

    assert "pulumi-policy==" in text
    assert "--hash=sha256:" in text
    assert "://" not in text


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The running pack, in an environment made from its own requirements."""
    home = tmp_path_factory.mktemp("pack") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(home)], check=True, timeout=60)
    python = home / "bin/python"
    needed = str(ROOT / "policy/requirements.txt")
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", str(python), "--require-hashes", "-r", needed],
        check=True,
        timeout=300,
    )
    with subprocess.Popen([python, "-u", str(ROOT / "policy")], stdout=subprocess.PIPE, cwd=home) as pack:
        assert pack.stdout is not None
        port = int(pack.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        pack.kill()


def properties(values: dict[str, Any]) -> struct_pb2.Struct:
    """Inputs as the engine sends them."""
    return json_format.ParseDict(values, struct_pb2.Struct())


def told(answer: Any) -> set[tuple[str, str]]:
    """Rule and resource of each breach."""
    return {(each.policyName, each.urn) for each in answer.diagnostics}


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_engine_is_told_every_rule_and_its_level(analyzer: Any) -> None:
    """By its id and its title."""
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty(), timeout=20)

    assert info.name == "moorage"
    assert {each.name for each in info.policies} == {rule.id for rule in RULES}
    levels = {each.name: each.enforcementLevel for each in info.policies}
    assert levels["policy-open"] == analyzer_pb2.MANDATORY
    assert levels["tag-name"] == analyzer_pb2.ADVISORY


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_engine_is_told_what_is_wrong_with_a_resource_before_it_is_made(analyzer: Any) -> None:
    """A key that is not known yet counts as there."""
    inputs = {"kmsKeyId": UNKNOWN, "tags": {"Name": "it", "moorage:stack": "prod"}}
    request = analyzer_pb2.AnalyzeRequest(
        type=LOG_GROUP, name="it", urn=f"{URN}{LOG_GROUP}::it", properties=properties(inputs)
    )

    answer = analyzer.Analyze(request, timeout=20)

    messages = {each.policyName: each.message for each in answer.diagnostics}
    assert set(messages) == {"store-encrypted", "tags-required"}
    assert "keeps logs for ever" in messages["store-encrypted"]
    assert "KMS" not in messages["store-encrypted"].partition(".")[0]


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_engine_is_told_what_is_wrong_with_the_whole(analyzer: Any) -> None:
    """What the program exports as `bounds` says what it may cost and whether data is protected."""
    bucket = f"{URN}aws:s3/bucket:Bucket::results"
    block = f"{URN}aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock::results-block"
    bounds = {"most_dollars_per_hour": 60.5, "ceiling_dollars_per_hour": 50, "is_protected": True}
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    resources = [
        analyzer_pb2.AnalyzerResource(
            type="pulumi:pulumi:Stack",
            name="moorage-prod",
            urn=STACK_URN,
            properties=properties({"bounds": bounds}),
        ),
        analyzer_pb2.AnalyzerResource(
            type="aws:s3/bucket:Bucket", name="results", urn=bucket, properties=properties({})
        ),
        analyzer_pb2.AnalyzerResource(
            type="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            name="results-block",
            urn=block,
            properties=properties(dict.fromkeys(switches, True)),
            dependencies=[bucket],
        ),
    ]

    answer = analyzer.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources), timeout=20)

    assert told(answer) == {
        ("bucket-encrypted", bucket),
        ("bucket-tls", bucket),
        ("cost-ceiling", ""),
        ("data-protected", bucket),
    }
