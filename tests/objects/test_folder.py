"""What only the store in a folder does."""

import stat
from pathlib import Path

import pytest
from support.chunks import breaking_off, chunks_of

from runtime.objects import CHUNK_BYTES, FolderObjects, body_name
from runtime.wire import new_request_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "objects"


def names(folder: Path) -> list[str]:
    """What is in it."""
    return sorted(path.name for path in folder.iterdir())


def mode(folder: Path) -> int:
    """Who may read it."""
    return stat.S_IMODE(folder.stat().st_mode)


async def test_folder_is_closed_to_others(folder: Path) -> None:
    """Bodies are private."""
    await FolderObjects(folder).write(body_name(new_request_id("embed")), chunks_of(b"x"))

    assert mode(folder) == 0o700


async def test_broken_write_leaves_no_file(folder: Path) -> None:
    """No temporary one either."""
    with pytest.raises(ConnectionError):
        await FolderObjects(folder).write(
            body_name(new_request_id("embed")), breaking_off(b"x" * CHUNK_BYTES)
        )

    assert names(folder) == []


async def test_every_file_counts_as_used(folder: Path) -> None:
    """Those of killed writers too; no folder is no bytes."""
    objects = FolderObjects(folder)
    before = await objects.used_bytes()

    await objects.write(body_name(new_request_id("embed")), chunks_of(b"x" * 10))
    (folder / ".unfinished").write_bytes(b"half")

    assert (before, await objects.used_bytes()) == (0, 14)


async def test_only_what_is_old_is_removed(folder: Path) -> None:
    """Age counts from the write; a killed writer's unfinished file goes too."""
    objects, name = FolderObjects(folder), body_name(new_request_id("embed"))
    await objects.write(name, chunks_of(b"x"))
    (folder / f".{name}.abcd").write_bytes(b"half")
    written = (folder / name).stat().st_mtime

    assert await objects.remove_older_than(60, written + 30, "body") == 0
    assert await objects.remove_older_than(60, written + 90, "answer") == 0
    assert await objects.remove_older_than(60, written + 90, "body") == 2
    assert names(folder) == []
