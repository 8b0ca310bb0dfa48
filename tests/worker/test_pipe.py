"""The bounded buffer between a model and a slow client."""

import asyncio

import pytest

from runtime.worker.pipe import BrokenOffError, Pipe


async def read_all(pipe: Pipe) -> bytes:
    """Everything up to its end."""
    return b"".join([chunk async for chunk in pipe.read()])


async def test_reader_gets_all_in_order() -> None:
    """Whatever the sizes."""
    pipe = Pipe()
    for number in range(5):
        await pipe.write(b"%d" % number)
    pipe.close()

    assert await read_all(pipe) == b"01234"


async def test_full_pipe_lets_its_writer_wait() -> None:
    """Until the reader has made room."""
    pipe = Pipe(most_bytes=4)
    await pipe.write(b"full")
    more = asyncio.ensure_future(pipe.write(b"more"))
    await asyncio.sleep(0)
    assert not more.done()

    reader = pipe.read()
    assert await anext(reader) == b"full"
    assert await anext(reader) == b"more"
    assert more.done()


async def test_abandoned_pipe_takes_everything_and_keeps_nothing() -> None:
    """The model is heard to its end though nobody listens."""
    pipe = Pipe(most_bytes=4)
    await pipe.write(b"full")
    waiting = asyncio.ensure_future(pipe.write(b"more"))
    await asyncio.sleep(0)

    pipe.abandon()
    await waiting
    for _ in range(10):
        await pipe.write(b"lost")
    pipe.close()

    assert await read_all(pipe) == b""


async def test_broken_pipe_ends_in_an_error_after_what_is_there() -> None:
    """So the client's connection breaks off visibly."""
    pipe = Pipe()
    await pipe.write(b"half")
    pipe.break_off()

    reader = pipe.read()
    assert await anext(reader) == b"half"
    with pytest.raises(BrokenOffError):
        await anext(reader)


async def test_chunk_that_makes_the_answer_whole_comes_with_the_close() -> None:
    """A reader that counts sees no whole answer before."""
    pipe = Pipe(whole_bytes=6)
    for chunk in (b"abc", b"def"):
        await pipe.write(chunk)

    reader = pipe.read()
    assert await anext(reader) == b"abc"
    pipe.close()

    assert await anext(reader) == b"def"


async def test_chunk_that_was_held_back_is_lost_with_the_rest() -> None:
    """Nobody may take a broken answer for whole."""
    pipe = Pipe(whole_bytes=3)
    await pipe.write(b"abc")
    pipe.break_off()

    with pytest.raises(BrokenOffError):
        await read_all(pipe)


async def test_closed_pipe_is_not_broken_off_any_more() -> None:
    """The reader still has its rest to read."""
    pipe = Pipe()
    await pipe.write(b"abc")
    pipe.close()
    pipe.break_off()

    assert await read_all(pipe) == b"abc"
