"""What only the store in a bucket does: parts, repetitions, faults without secrets."""

import pytest
from support.chunks import breaking_off, chunks_of, read_all
from support.s3_server import Bucket

from runtime.objects import NoObjectError, ObjectsAwayError, body_name
from runtime.objects.s3 import ATTEMPTS, PART_BYTES, S3Objects
from runtime.wire import new_request_id

MIB = 1024 * 1024


@pytest.fixture
def name() -> str:
    """A fresh one."""
    return body_name(new_request_id("embed"))


async def test_object_lies_below_the_prefix(s3: S3Objects, bucket: Bucket, name: str) -> None:
    """Of the bucket, in the path."""
    await s3.write(name, chunks_of(b"x"))

    assert bucket.objects[f"moorage/{name}"] == b"x"
    assert bucket.asked == [f"PUT /acme/moorage/{name}"]


async def test_large_object_is_sent_in_parts(s3: S3Objects, bucket: Bucket, name: str) -> None:
    """No more than one of them is in memory."""
    await s3.write(name, chunks_of(*[b"x" * MIB] * 20))

    assert bucket.largest == PART_BYTES
    assert len(bucket.objects[f"moorage/{name}"]) == 20 * MIB
    assert bucket.uploads == {}


async def test_broken_write_gives_its_parts_up(s3: S3Objects, bucket: Bucket, name: str) -> None:
    """They would be paid for until the lifecycle finds them."""
    with pytest.raises(ConnectionError):
        await s3.write(name, breaking_off(b"x" * (9 * MIB)))

    assert bucket.uploads == {}
    assert bucket.asked[-1].startswith("DELETE ")


async def test_passing_fault_is_outlasted(s3: S3Objects, bucket: Bucket, name: str) -> None:
    """By boto3's own repetitions."""
    bucket.faults.extend([503])

    await s3.write(name, chunks_of(b"x"))

    assert await read_all(s3, name) == b"x"


async def test_lasting_fault_is_named_without_keys(s3: S3Objects, bucket: Bucket, name: str) -> None:
    """So that it may stand in a log."""
    bucket.faults.extend([403])

    with pytest.raises(ObjectsAwayError) as caught:
        await s3.size(name)

    assert "403" in str(caught.value)
    assert "made-up" not in str(caught.value)


@pytest.mark.slow
async def test_store_that_is_down_is_asked_so_often_and_no_more(
    s3: S3Objects, bucket: Bucket, name: str
) -> None:
    """Then its caller hears of it."""
    bucket.faults.extend([500] * 10)

    with pytest.raises(ObjectsAwayError):
        await s3.write(name, chunks_of(b"x"))

    assert len(bucket.asked) == ATTEMPTS


async def test_old_objects_are_the_buckets(s3: S3Objects, bucket: Bucket, name: str) -> None:
    """Its lifecycle removes them; we do not list it."""
    await s3.write(name, chunks_of(b"x"))

    assert await s3.remove_older_than(0, 1e12, "body") == 0
    assert f"moorage/{name}" in bucket.objects


async def test_absent_object_is_no_fault_of_the_store(s3: S3Objects, name: str) -> None:
    """HEAD has no body that says why."""
    with pytest.raises(NoObjectError):
        await s3.size(name)
