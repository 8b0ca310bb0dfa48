"""Ctrl-C and SIGTERM while a cluster is up or going down."""

import asyncio
import signal

import pytest
from cluster.interruption import Interruption
from support.polling import until


async def test_signal_cancels_the_work_and_is_its_reason() -> None:
    """Whoever cleans up knows whether the terminal has told others too."""
    interruption = Interruption(lambda _: None)

    async def work() -> int:
        signal.raise_signal(signal.SIGHUP)
        await asyncio.sleep(60)
        return 0

    with pytest.raises(asyncio.CancelledError, match="SIGHUP"):
        await asyncio.create_task(interruption.ends(work))


async def test_signal_is_only_answered_on_the_way_down() -> None:
    """A second Ctrl-C must not leave half a cluster."""
    said: list[str] = []
    interruption = Interruption(said.append)

    async def work() -> int:
        with interruption.held_off():
            signal.raise_signal(signal.SIGHUP)
            await until(lambda: said)
        return 7

    assert await asyncio.create_task(interruption.ends(work)) == 7
    assert said == ["The cluster is going down already; a moment."]
