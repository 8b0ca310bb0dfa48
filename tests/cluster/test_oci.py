"""Archives of images: the same content gives the same bytes, and containerd and Docker find their way in them."""

import hashlib
import io
import json
import os
import socket
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster.oci import MTIME, Blob, ImageConfig, image_tag, write_archive, write_layer

NAME = "docker.io/moorage/model:0123456789ab"
CONFIG = ImageConfig(
    user="65532:65532",
    env={"PATH": "/bin", "A": "b c"},
    entrypoint=("/model",),
    command=("-v",),
    workdir="/data",
)
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small root file system."""
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "bin/model").write_bytes(b"program")
    (root / "bin/model").chmod(0o755)
    (root / "bin/again").hardlink_to(root / "bin/model")
    (root / "bin/link").symlink_to("model")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "ä").write_text("é")
    return root


def layer(tree: Path, target: Path) -> Blob:
    """A folder as a layer's file."""
    write_layer(tree, target)
    content = target.read_bytes()
    return Blob(target, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def entries(path: Path) -> dict[str, tarfile.TarInfo]:
    """What a tar holds."""
    with tarfile.open(path) as tar:
        return {entry.name: entry for entry in tar}


def archive(tmp_path: Path, *layers: Blob, config: ImageConfig = CONFIG) -> Mapping[str, bytes]:
    """Path to content of an image's archive."""
    target = tmp_path / "image.tar"
    write_archive(target, NAME, config, layers)
    with tarfile.open(target) as tar:
        return {entry.name: (tar.extractfile(entry) or io.BytesIO()).read() for entry in tar.getmembers()}


def blob_of(files: Mapping[str, bytes], descriptor: Mapping[str, Any]) -> bytes:
    """The blob that a descriptor names, held to its size and digest."""
    kind, _, digest = descriptor["digest"].partition(":")
    content = files[f"blobs/{kind}/{digest}"]
    assert (len(content), hashlib.new(kind, content).hexdigest()) == (descriptor["size"], digest)
    return content


def test_a_layer_holds_modes_and_links(tree: Path, tmp_path: Path) -> None:
    """A program stays one, /tmp stays everybody's, a hard link costs nothing."""
    write_layer(tree, tmp_path / "layer.tar")

    found = entries(tmp_path / "layer.tar")

    assert sorted(found) == ["bin", "bin/again", "bin/link", "bin/model", "tmp", "ä"]
    assert (found["bin/again"].mode, found["tmp"].mode) == (0o755, 0o1777)
    assert (found["bin/link"].linkname, found["bin/model"].linkname) == ("model", "bin/again")
    assert found["bin/model"].islnk()


def test_a_layer_does_not_know_when_and_where_it_was_written(tree: Path, tmp_path: Path) -> None:
    """Times and the order of a folder's entries are this machine's affair, and names of owners too."""
    first = layer(tree, tmp_path / "first.tar")
    os.utime(tree / "bin/model", (5, 5))
    (tree / "bin/link").unlink()
    (tree / "bin/link").symlink_to("model")

    second = layer(tree, tmp_path / "second.tar")

    assert first.digest == second.digest
    found = entries(second.path).values()
    assert {(entry.mtime, entry.uname, entry.gname) for entry in found} == {(MTIME, "", "")}


@pytest.mark.parametrize("change", ["content", "mode", "name", "link"])
def test_a_layer_changes_with_what_it_holds(change: str, tree: Path, tmp_path: Path) -> None:
    """Whatever a container could see."""
    before = layer(tree, tmp_path / "before.tar")
    match change:
        case "content":
            (tree / "bin/model").write_bytes(b"Program")
        case "mode":
            (tree / "bin/model").chmod(0o555)
        case "name":
            (tree / "ä").rename(tree / "ö")
        case "link":
            (tree / "bin/link").unlink()
            (tree / "bin/link").symlink_to("again")

    assert layer(tree, tmp_path / "after.tar").digest != before.digest


def test_a_socket_is_left_out(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at it any more."""
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")

        write_layer(tree, tmp_path / "layer.tar")

    assert "socket" not in entries(tmp_path / "layer.tar")


@pytest.mark.skipif(not IS_ROOT, reason="device nodes are root's")
def test_what_an_overlay_removed_becomes_a_whiteout(tree: Path, tmp_path: Path) -> None:
    """Its device 0/0 means removed; other devices are left out."""
    try:
        os.mknod(tree / "bin/gone", stat.S_IFCHR, os.makedev(0, 0))
        os.mknod(tree / "bin/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.setxattr(tree / "tmp", "trusted.overlay.opaque", b"y")
    except OSError as error:
        pytest.skip(f"not here: {error}")

    write_layer(tree, tmp_path / "layer.tar")

    found = entries(tmp_path / "layer.tar")
    assert {"bin/.wh.gone", "tmp/.wh..wh..opq"} <= set(found)
    assert not {"bin/gone", "bin/null"} & set(found)
    assert found["bin/.wh.gone"].isreg()


def test_containerd_finds_the_image_by_its_full_name(tree: Path, tmp_path: Path) -> None:
    """From the index to the manifest, its configuration and its layers, each with its digest."""
    files = archive(tmp_path, layer(tree, tmp_path / "layer.tar"))

    (found,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob_of(files, found))
    config = json.loads(blob_of(files, manifest["config"]))

    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert found["annotations"]["io.containerd.image.name"] == NAME
    assert [f"sha256:{hashlib.sha256(blob_of(files, each)).hexdigest()}" for each in manifest["layers"]] == (
        config["rootfs"]["diff_ids"]
    )


def test_docker_finds_the_same_image(tree: Path, tmp_path: Path) -> None:
    """By the list that it wrote before there was a standard."""
    blob = layer(tree, tmp_path / "layer.tar")
    files = archive(tmp_path, blob)

    (found,) = json.loads(files["manifest.json"])

    assert found["RepoTags"] == [NAME]
    assert [files[path] for path in found["Layers"]] == [blob.path.read_bytes()]
    assert json.loads(files[found["Config"]])["config"]["User"] == "65532:65532"


def test_the_configuration_says_how_the_image_is_run(tree: Path, tmp_path: Path) -> None:
    """What is not said is absent: an empty entry point would be one."""
    blob = layer(tree, tmp_path / "layer.tar")

    def said(config: ImageConfig) -> Any:
        files = archive(tmp_path, blob, config=config)
        (found,) = json.loads(files["manifest.json"])
        return json.loads(files[found["Config"]])["config"]

    assert said(CONFIG) == {
        "User": "65532:65532",
        "Env": ["PATH=/bin", "A=b c"],
        "Entrypoint": ["/model"],
        "Cmd": ["-v"],
        "WorkingDir": "/data",
    }
    assert said(ImageConfig()) == {}


def test_the_same_image_is_the_same_archive(tree: Path, tmp_path: Path) -> None:
    """Byte for byte; nothing else is left beside it."""
    blob = layer(tree, tmp_path / "layer.tar")
    folder = tmp_path / "images"
    folder.mkdir()

    for name in ("first.tar", "second.tar"):
        write_archive(folder / name, NAME, CONFIG, [blob])

    assert (folder / "first.tar").read_bytes() == (folder / "second.tar").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["first.tar", "second.tar"]


def test_a_layer_that_stands_twice_is_stored_once(tree: Path, tmp_path: Path) -> None:
    """Two steps that do nothing, for instance; the image still has both."""
    blob = layer(tree, tmp_path / "layer.tar")
    files = archive(tmp_path, blob, blob)

    (found,) = json.loads(files["manifest.json"])

    assert found["Layers"] == [f"blobs/{blob.digest.replace(':', '/')}"] * 2
    with tarfile.open(tmp_path / "image.tar") as tar:
        assert len(tar.getnames()) == len(set(tar.getnames()))


def test_a_tag_follows_layers_and_configuration(tree: Path, tmp_path: Path) -> None:
    """Twelve digits; another layer or another user is another image."""
    first = layer(tree, tmp_path / "first.tar")
    (tree / "new").touch()
    second = layer(tree, tmp_path / "second.tar")

    tags = [
        image_tag(CONFIG, [first]),
        image_tag(CONFIG, [second]),
        image_tag(CONFIG, [first, second]),
        image_tag(replace(CONFIG, user=""), [first]),
    ]

    assert len(set(tags)) == 4
    assert {len(tag) for tag in tags} == {12}
    assert image_tag(CONFIG, [first]) == tags[0]


def test_a_failure_leaves_no_archive(tmp_path: Path) -> None:
    """Neither half of one under its name nor beside it."""
    folder = tmp_path / "images"
    folder.mkdir()

    with pytest.raises(FileNotFoundError):
        write_archive(folder / "image.tar", NAME, CONFIG, [Blob(tmp_path / "absent", "sha256:00", 3)])

    assert list(folder.iterdir()) == []
