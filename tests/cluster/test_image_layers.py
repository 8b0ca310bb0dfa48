"""Layers on disk: made once, whole or not at all."""

import os
import time
from pathlib import Path

import pytest
from cluster.layers import UNUSED_DAYS, LayerStore, key_of, tree_digest


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    """An empty one whose folder is not there yet."""
    return LayerStore(tmp_path / "layers")


def keep(store: LayerStore, key: str, text: str = "x") -> None:
    """A layer of one file."""
    with store.draft() as draft:
        (draft.tree / "file").write_text(text)
        store.keep(draft, key)


def test_a_kept_layer_is_found(store: LayerStore) -> None:
    """By its key, with its files."""
    keep(store, "first")

    found = store.find("first")

    assert found is not None
    assert (found.key, (found.tree / "file").read_text(), found.has("/file")) == ("first", "x", True)
    assert (store.find("second"), found.has("/other")) == (None, False)


def test_a_failure_leaves_nothing(store: LayerStore) -> None:
    """What was half made is gone."""

    def fails() -> None:
        with store.draft() as draft:
            (draft.tree / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()

    assert list(store.folder.iterdir()) == []


def test_the_first_of_two_makers_wins(store: LayerStore) -> None:
    """Both made it of the same; a layer that may be in use is never replaced."""
    keep(store, "key", "first")
    keep(store, "key", "second")

    found = store.find("key")

    assert found is not None
    assert (found.tree / "file").read_text() == "first"
    assert [path.name for path in store.folder.iterdir()] == ["key"]


def test_a_layer_is_written_as_a_file_once(store: LayerStore) -> None:
    """Its digest does not have to be worked out again."""
    keep(store, "key")
    layer = store.find("key")
    assert layer is not None
    first = layer.blob()
    first.path.write_bytes(b"another")

    again = layer.blob()

    assert (again.path, again.digest, again.size) == (first.path, first.digest, 7)


def test_layers_that_nobody_used_for_long_are_removed(store: LayerStore) -> None:
    """Those that were used stay, however old they are, and what an ended process left goes."""
    old = time.time() - (UNUSED_DAYS + 1) * 86_400
    for key in ("used", "unused", ".making-x"):
        keep(store, key)
        os.utime(store.folder / key, (old, old))
    store.find("used")

    store.remove_unused()

    assert [path.name for path in store.folder.iterdir()] == ["used"]


def test_a_key_knows_where_its_parts_end() -> None:
    """`ab`, `c` is something else than `a`, `bc`."""
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("ab", "c") == key_of("ab", "c")


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "folder"])
def test_a_digest_of_files_changes_with_what_is_copied(change: str, tmp_path: Path) -> None:
    """And not with when it was copied."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    before = tree_digest(tmp_path)
    os.utime(tmp_path / "file", (5, 5))
    assert tree_digest(tmp_path) == before
    match change:
        case "content":
            (tmp_path / "file").write_text("y")
        case "mode":
            (tmp_path / "file").chmod(0o700)
        case "name":
            (tmp_path / "file").rename(tmp_path / "other")
        case "link":
            (tmp_path / "link").unlink()
            (tmp_path / "link").symlink_to("other")
        case "folder":
            (tmp_path / "folder").mkdir()

    assert tree_digest(tmp_path) != before
