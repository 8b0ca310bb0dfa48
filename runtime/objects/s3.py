"""Objects in a bucket of any S3, by boto3, which is imported only when a store is opened.

boto3 blocks, so each call runs in a thread of a pool of the store's own. How long objects live is the bucket's
to say: its lifecycle removes them, and multipart uploads that were never completed.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from runtime.objects.places import S3Place
from runtime.objects.port import (
    CHUNK_BYTES,
    Kind,
    NoObjectError,
    ObjectError,
    ObjectsAwayError,
    check_name,
    in_pieces,
)

PART_BYTES = 8 * 1024 * 1024
"""A larger object is sent in parts of this size: the memory that one write costs."""
THREADS = 16
"""Calls under way at one time; with more, the next waits for one of them."""
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
"""Longest silence of the store within one call."""
CALL_SECONDS = 120.0
"""Longest call, its repetitions and its wait for a thread included."""
ATTEMPTS = 4
ABORT_SECONDS = 10.0

T = TypeVar("T")
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Objects:
    """Objects below one prefix of a bucket."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")

    @classmethod
    def connect(cls, place: S3Place) -> Self:
        """The store at a place; takes some 0.3 s, sends nothing. Keys come from boto3's default chain.

        Raises:
            ImportError: boto3 is not installed.
        """
        import boto3  # noqa: PLC0415 - installed only with the extra `cluster`
        from botocore.config import Config  # noqa: PLC0415 - the same

        # Checksums beyond what S3 demands are unknown to many stores that speak its protocol.
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=THREADS,
            s3={"addressing_style": "path" if place.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        client = boto3.client("s3", endpoint_url=place.endpoint, region_name=place.region, config=config)
        return cls(client, place.bucket, place.prefix)

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """See `Objects.write`."""
        where = self._where(name)
        pieces = in_pieces(chunks, PART_BYTES)
        first = await anext(pieces, b"")
        if len(first) < PART_BYTES:
            await self._call(self._client.put_object, **where, Body=first)
            return len(first)
        return await self._write_parts(where, first, pieces)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """See `Objects.read`."""
        found = await self._call(self._client.get_object, **self._where(name))
        body = found["Body"]
        try:
            while chunk := await self._call(body.read, CHUNK_BYTES):
                yield chunk
        finally:
            body.close()

    async def size(self, name: str) -> int:
        """See `Objects.size`."""
        found = await self._call(self._client.head_object, **self._where(name))
        return int(found["ContentLength"])

    async def remove(self, name: str) -> None:
        """See `Objects.remove`."""
        await self._call(self._client.delete_object, **self._where(name))

    async def remove_older_than(self, _seconds: float, _now: float, _kind: Kind) -> int:
        """See `Objects.remove_older_than`; the bucket's lifecycle does it."""
        return 0

    async def close(self) -> None:
        """Let go of threads and connections."""
        await asyncio.to_thread(self._client.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _write_parts(self, where: dict[str, str], first: bytes, rest: AsyncIterator[bytes]) -> int:
        upload = where | await self._begin(where)
        try:
            sent = [await self._send(upload, 1, first)]
            size = len(first)
            async for piece in rest:
                sent.append(await self._send(upload, len(sent) + 1, piece))
                size += len(piece)
            await self._call(
                self._client.complete_multipart_upload, **upload, MultipartUpload={"Parts": sent}
            )
        except BaseException:
            await self._abort(upload)
            raise
        return size

    async def _begin(self, where: dict[str, str]) -> dict[str, str]:
        begun = await self._call(self._client.create_multipart_upload, **where)
        return {"UploadId": begun["UploadId"]}

    async def _send(self, upload: dict[str, str], number: int, piece: bytes) -> dict[str, Any]:
        sent = await self._call(self._client.upload_part, **upload, PartNumber=number, Body=piece)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    async def _abort(self, upload: dict[str, str]) -> None:
        """Forget the parts; those of a writer that was killed are the lifecycle's."""
        with contextlib.suppress(ObjectError, TimeoutError):
            async with asyncio.timeout(ABORT_SECONDS):
                await self._call(self._client.abort_multipart_upload, **upload)

    async def _call(self, call: Callable[..., T], *args: object, **named: object) -> T:
        """What a blocking call gives.

        Raises:
            NoObjectError: there is no such object.
            ObjectsAwayError: the store refuses or does not answer.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await loop.run_in_executor(
                    self._threads, functools.partial(_named_faults, call, *args, **named)
                )
        except TimeoutError as exc:
            raise ObjectsAwayError(f"the store did not answer within {CALL_SECONDS:g} s") from exc

    def _where(self, name: str) -> dict[str, str]:
        check_name(name)
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{name}"}


def _named_faults(call: Callable[..., T], *args: object, **named: object) -> T:
    with _faults():
        return call(*args, **named)


@contextmanager
def _faults() -> Iterator[None]:
    """Turns botocore's faults into ours; a message of its never holds a key or a body."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - installed only with the extra

    try:
        yield
    except ClientError as exc:
        code = str(exc.response.get("Error", {}).get("Code", ""))
        if code in _ABSENT:
            raise NoObjectError("the bucket has no such object") from exc
        raise ObjectsAwayError(f"the store refuses: {code}") from exc
    except (BotoCoreError, OSError) as exc:
        raise ObjectsAwayError(f"the store does not answer: {type(exc).__name__}") from exc
