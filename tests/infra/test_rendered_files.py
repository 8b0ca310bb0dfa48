"""What `make render` writes: right objects, stable names, no secret, and nobody else's files touched."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from infra.plan.recording import Recording
from infra.plan.rendering import FIRST, NEEDED, RELEASES, RenderedFile, render
from infra.render import LIST, main, write_files

GOLDEN = Path(__file__).parent.parent / "golden"
ROOT = GOLDEN.parent.parent
WHOLE = sorted(
    path.parent.name
    for path in GOLDEN.glob("*/Pulumi.prod.yaml")
    if "backend: kubernetes" in path.read_text("utf-8")
)
NEWEST = kubernetes_validate.latest_version()
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
OTHERS = {"ExternalSecret", "ScaledObject"}
"""Kinds of others' software, of which Kubernetes has no schema."""

pytestmark = pytest.mark.timeout(120)  # the first test of a run waits for the recordings


@pytest.fixture(scope="module", params=WHOLE)
def files(request: pytest.FixtureRequest, recorded: dict[str, Recording]) -> tuple[RenderedFile, ...]:
    """Each golden case, rendered."""
    return render(recorded[request.param].resources)


def objects(files: tuple[RenderedFile, ...]) -> dict[str, dict[str, Any]]:
    """Manifests by path."""
    manifests = (file for file in files if file.path.endswith(".yaml"))
    return {file.path: yaml.load(file.text, Loader=LOADER) for file in manifests}  # noqa: S506 - safe, in C


def listed(files: tuple[RenderedFile, ...], name: str) -> Any:
    """One of the JSON files."""
    return json.loads(next(file.text for file in files if file.path == name))


def test_every_object_keeps_to_kubernetes_own_schema(files: tuple[RenderedFile, ...]) -> None:
    """Strictly: no key that the API does not know."""
    for manifest in objects(files).values():
        if manifest["kind"] not in OTHERS:
            kubernetes_validate.validate(manifest, NEWEST, strict=True)


def test_schema_finds_a_wrong_key(files: tuple[RenderedFile, ...]) -> None:
    """Else the test above would show nothing."""
    deployment = next(each for each in objects(files).values() if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Never"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_no_secret_is_rendered(files: tuple[RenderedFile, ...]) -> None:
    """What must be there is listed instead, without a value."""
    assert "Secret" not in {each["kind"] for each in objects(files).values()}
    assert all(set(each) == {"namespace", "name", "type", "keys"} for each in listed(files, NEEDED))
    assert not any("planted-value" in file.text for file in files)
    assert not any("[secret]" in file.text for file in files)


def test_every_secret_that_a_pod_names_is_listed_or_brought(files: tuple[RenderedFile, ...]) -> None:
    """With all keys that it reads."""
    there = {(each["namespace"], each["name"]) for each in listed(files, NEEDED)}
    there |= {
        (each["metadata"]["namespace"], each["spec"]["target"]["name"])
        for each in objects(files).values()
        if each["kind"] == "ExternalSecret"
    }
    for manifest in objects(files).values():
        pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
        for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
            for variable in container.get("env", ()):
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    name = variable["valueFrom"]["secretKeyRef"]["name"]
                    assert (manifest["metadata"]["namespace"], name) in there


def test_queue_secret_is_listed_with_what_each_program_reads(files: tuple[RenderedFile, ...]) -> None:
    """So that whoever makes it by hand makes it whole."""
    (queue,) = (each for each in listed(files, NEEDED) if each["name"] == "queue")

    assert queue["type"] == "Opaque"
    assert {"api-url", "gateway-url", "scaler-url", "users.acl", "worker-key"} <= set(queue["keys"])


@pytest.mark.parametrize("is_made", [True, False], ids=["secrets: pulumi", "secrets: present"])
def test_login_is_listed_with_its_type(recorded: dict[str, Recording], is_made: bool) -> None:
    """Kubelet takes no other; whether the program makes it or somebody else does."""
    resources = recorded["own-hosts"].resources
    ours = [each for each in resources if is_made or each.inputs.get("kind") != "Secret"]

    found = {each["name"]: each for each in listed(render(ours), NEEDED)}

    assert found["registry-ghcr"] == {
        "namespace": "moorage-restricted",
        "name": "registry-ghcr",
        "type": "kubernetes.io/dockerconfigjson",
        "keys": [".dockerconfigjson"],
    }


def test_endpoints_come_without_replicas_and_first_with_none(files: tuple[RenderedFile, ...]) -> None:
    """Applied again and again, the files leave the scaler's number alone."""
    found = objects(files)
    endpoints = {
        path
        for path, each in found.items()
        if each["kind"] == "Deployment" and "moorage.dev/endpoint" in each["metadata"]["labels"]
    }
    first = {path for path in endpoints if path.startswith(f"{FIRST}/")}

    assert {path.removeprefix(f"{FIRST}/") for path in first} == endpoints - first
    assert first
    for path in first:
        applied = found[path.removeprefix(f"{FIRST}/")]
        assert found[path]["spec"].pop("replicas") == 0
        assert "replicas" not in applied["spec"]
        assert found[path] == applied


def test_platform_keeps_its_own_number_of_pods(files: tuple[RenderedFile, ...]) -> None:
    """Scaler and API have two, an API with a disk is one; the gateway's number is its autoscaler's."""
    found = objects(files).values()
    has_disk = any(each["metadata"]["name"] == "api-sql" for each in found)
    numbers = {
        each["metadata"]["name"]: each["spec"].get("replicas")
        for each in found
        if each["kind"] == "Deployment" and "moorage.dev/endpoint" not in each["metadata"]["labels"]
    }

    assert numbers == {"api": 1 if has_disk else 2, "gateway": None, "scaler": 2}


def test_files_have_stable_names(files: tuple[RenderedFile, ...]) -> None:
    """Namespace, kind and name; each once."""
    for path, manifest in objects(files).items():
        place = manifest["metadata"].get("namespace", "cluster")
        name = f"{place}--{manifest['kind'].lower()}--{manifest['metadata']['name']}.yaml"
        assert path.removeprefix(f"{FIRST}/") == name
    assert len({file.path for file in files}) == len(files)
    assert [file.path for file in files] == sorted(file.path for file in files)


def test_nothing_of_pulumi_is_left_in_the_files(files: tuple[RenderedFile, ...]) -> None:
    """Its annotations mean nothing to others."""
    assert not any("pulumi.com/" in file.text for file in files)


def test_releases_are_listed_with_their_versions(recorded: dict[str, Recording]) -> None:
    """Whoever renders installs them otherwise."""
    found = listed(render(recorded["every-field"].resources), RELEASES)

    assert [each["name"] for each in found] == [
        "cert-manager",
        "external-secrets",
        "keda",
        "metrics-server",
        "nvidia-device-plugin",
        "traefik",
    ]
    assert all(each["version"] and each["chart"] for each in found)
    assert listed(render(recorded["smallest"].resources), RELEASES) == []


def test_former_files_go_and_foreign_ones_stay(tmp_path: Path) -> None:
    """A folder of a repository holds more than what is rendered."""
    (tmp_path / "kustomization.yaml").write_text("mine")
    write_files(tmp_path, [RenderedFile("a.yaml", "1"), RenderedFile("first/a.yaml", "0")])

    write_files(tmp_path, [RenderedFile("b.yaml", "2"), RenderedFile("first/b.yaml", "0")])

    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert found == [LIST, "b.yaml", "first/b.yaml", "kustomization.yaml"]


def test_list_of_former_files_cannot_name_others(tmp_path: Path) -> None:
    """Whoever edits it removes nothing outside the folder."""
    outside, out = tmp_path / "outside.yaml", tmp_path / "out"
    outside.write_text("mine")
    out.mkdir()
    (out / LIST).write_text("../outside.yaml\n")

    write_files(out, [RenderedFile("a.yaml", "1")])

    assert outside.exists()


def test_rendering_again_changes_no_file(tmp_path: Path, files: tuple[RenderedFile, ...]) -> None:
    """Same plan, same bytes."""
    write_files(tmp_path, files)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    write_files(tmp_path, files)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_stack_of_an_account_is_not_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of what its manifests say is known only once AWS has made the rest."""
    done = main(["--stack", "prod", "--out", str(tmp_path / "out"), "--project", str(ROOT)])

    assert done == 1
    assert capsys.readouterr().err.startswith("stack prod: its manifests hold what only AWS tells")
    assert not (tmp_path / "out").exists()
