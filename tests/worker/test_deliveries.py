"""Answers on their way to slow clients are bounded in number."""

import asyncio

from runtime.worker.deliveries import MOST_DELIVERIES, open_deliveries


async def test_room_ends_with_the_last_place_and_comes_back_with_an_end() -> None:
    """A worker takes nothing more in advance while its next answer would have to wait."""
    end = asyncio.Event()

    async def deliver() -> None:
        await end.wait()

    rooms = []
    async with open_deliveries() as deliveries:
        for _ in range(MOST_DELIVERIES - 1):
            await deliveries.start(deliver())
        rooms.append(deliveries.has_room)
        last = await deliveries.start(deliver())
        rooms.append(deliveries.has_room)
        end.set()
        await last
        rooms.append(deliveries.has_room)

    assert rooms == [True, False, True]


async def test_a_small_answer_needs_no_room() -> None:
    """Slow readers of large ones do not hold it up."""
    end, is_sent = asyncio.Event(), asyncio.Event()

    async def deliver() -> None:
        await end.wait()

    async def deliver_small() -> None:
        is_sent.set()

    async with open_deliveries() as deliveries:
        for _ in range(MOST_DELIVERIES):
            await deliveries.start(deliver())

        await deliveries.start_small(deliver_small())

        assert is_sent.is_set()
        assert not deliveries.has_room
        end.set()


async def test_a_delivery_that_fails_ends_no_worker() -> None:
    """It gives its place back, and the others go on."""

    async def fail() -> None:
        raise ValueError("a fault of ours")

    async with open_deliveries() as deliveries:
        await (await deliveries.start(fail()))

        assert deliveries.has_room
