"""Streams of bytes, and whole objects from them."""

from collections.abc import AsyncIterator

from runtime.objects import Objects


async def chunks_of(*parts: bytes) -> AsyncIterator[bytes]:
    """The parts as a stream."""
    for part in parts:
        yield part


async def breaking_off(part: bytes) -> AsyncIterator[bytes]:
    """A stream that ends in a fault after one part."""
    yield part
    raise ConnectionError


async def read_all(objects: Objects, name: str) -> bytes:
    """The whole object."""
    return b"".join([chunk async for chunk in objects.read(name)])
