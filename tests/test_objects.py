"""The object store in a folder."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.objects import CHUNK_BYTES, BadNameError, FolderObjects, NoObjectError, answer_name, body_name
from runtime.wire import new_request_id


async def chunks_of(*parts: bytes) -> AsyncIterator[bytes]:
    """The parts as a stream."""
    for part in parts:
        yield part


async def breaking_off(part: bytes) -> AsyncIterator[bytes]:
    """A stream that ends in a fault after one part."""
    yield part
    raise ConnectionError


async def read_all(objects: FolderObjects, name: str) -> bytes:
    """The whole object."""
    return b"".join([chunk async for chunk in objects.read(name)])


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    """A store whose folder does not exist yet."""
    return FolderObjects(tmp_path / "objects")


async def test_what_was_written_is_read_back(objects: FolderObjects) -> None:
    """Chunk borders do not matter."""
    name = body_name(new_request_id("embed"))
    parts = [b"a" * 100_000] * 7 + [b"b"]

    size = await objects.write(name, chunks_of(*parts))

    assert size == 700_001
    assert await objects.size(name) == 700_001
    assert await read_all(objects, name) == b"".join(parts)


async def test_chunks_read_are_bounded(objects: FolderObjects) -> None:
    """However large it was written."""
    name = answer_name(new_request_id("embed"), 1)
    await objects.write(name, chunks_of(b"x" * (3 * CHUNK_BYTES + 1)))

    sizes = [len(chunk) async for chunk in objects.read(name)]

    assert sizes == [CHUNK_BYTES] * 3 + [1]


async def test_empty_object_is_an_object(objects: FolderObjects) -> None:
    """Zero bytes are no absence."""
    name = body_name(new_request_id("embed"))

    assert await objects.write(name, chunks_of()) == 0
    assert await objects.size(name) == 0
    assert await read_all(objects, name) == b""


async def test_broken_write_leaves_nothing(objects: FolderObjects, tmp_path: Path) -> None:
    """Neither the object nor a temporary file."""
    name = body_name(new_request_id("embed"))

    with pytest.raises(ConnectionError):
        await objects.write(name, breaking_off(b"x" * CHUNK_BYTES))

    assert list((tmp_path / "objects").iterdir()) == []


async def test_folder_is_closed_to_others(objects: FolderObjects, tmp_path: Path) -> None:
    """Bodies are private."""
    await objects.write(body_name(new_request_id("embed")), chunks_of(b"x"))

    assert stat.S_IMODE((tmp_path / "objects").stat().st_mode) == 0o700


async def test_absent_object_is_named_in_the_error(objects: FolderObjects) -> None:
    """For size and for the first chunk."""
    name = body_name(new_request_id("embed"))

    with pytest.raises(NoObjectError, match=name):
        await objects.size(name)
    with pytest.raises(NoObjectError, match=name):
        await read_all(objects, name)


async def test_removing_twice_is_harmless(objects: FolderObjects) -> None:
    """The second finds nothing."""
    name = body_name(new_request_id("embed"))
    await objects.write(name, chunks_of(b"x"))

    await objects.remove(name)
    await objects.remove(name)

    with pytest.raises(NoObjectError):
        await objects.size(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "secrets.yaml",
        "../tokens.json",
        "embed.00000000000000000000000000000000",
        "embed.00000000000000000000000000000000.body/../../x.body",
        "../embed.00000000000000000000000000000000.body",
        "embed.00000000000000000000000000000000.body\n",
        "embed.00000000000000000000000000000000.exe",
    ],
)
async def test_name_outside_the_pattern_is_refused(objects: FolderObjects, name: str) -> None:
    """Whatever is asked of it."""
    with pytest.raises(BadNameError):
        await objects.write(name, chunks_of(b"x"))
    with pytest.raises(BadNameError):
        await objects.size(name)
    with pytest.raises(BadNameError):
        await objects.remove(name)
    with pytest.raises(BadNameError):
        await read_all(objects, name)


async def test_only_what_is_old_is_removed(objects: FolderObjects, tmp_path: Path) -> None:
    """Age counts from the write; a killed writer's unfinished file goes too."""
    name = body_name(new_request_id("embed"))
    await objects.write(name, chunks_of(b"x"))
    (tmp_path / "objects" / f".{name}.abcd").write_bytes(b"half")
    written = (tmp_path / "objects" / name).stat().st_mtime

    assert await objects.remove_older_than(60, written + 30, "body") == 0
    assert await objects.remove_older_than(60, written + 90, "answer") == 0
    assert await objects.remove_older_than(60, written + 90, "body") == 2
    assert list((tmp_path / "objects").iterdir()) == []
