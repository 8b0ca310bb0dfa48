"""From zero to N and back with requests flowing: one at a time, none lost, first come first served."""

import asyncio
from pathlib import Path

import httpx
import pytest
from support.platform import Starter, stub, until


@pytest.mark.timeout(60)
async def test_two_hundred_requests_at_once_share_two_replicas(
    start_platform: Starter, tmp_path: Path
) -> None:
    """0 overlaps, 0 lost, and back to zero after the timeout. Their order is the next test's."""
    journal = tmp_path / "journal"
    platform = start_platform(stub("busy", journal, sleep=0.02, replicas="{min: 0, max: 2}", timeout=2))

    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=200), timeout=50) as client:

        async def ask(number: int) -> httpx.Response:
            await asyncio.sleep(number * 0.003)
            return await client.post(f"{platform.url}/e/busy/infer", content=str(number))

        answers = await asyncio.gather(*(ask(number) for number in range(200)))

    served = [line.split() for line in journal.read_text().splitlines()]
    order = [int(text) for _, text in served]
    assert [answer.status_code for answer in answers] == [200] * 200
    assert [answer.text for answer in answers] == [str(number) for number in range(200)]
    assert sorted(order) == list(range(200))
    assert len({pid for pid, _ in served}) == 2
    until(lambda: platform.endpoint("busy")["replica_list"] == [])


@pytest.mark.timeout(60)
async def test_requests_run_in_the_order_they_were_accepted(start_platform: Starter, tmp_path: Path) -> None:
    """Two replicas take turns; only which of two writes first may differ."""
    journal = tmp_path / "journal"
    platform = start_platform(stub("busy", journal, sleep=0.01, replicas="{min: 0, max: 2}"))

    async with httpx.AsyncClient(headers={"X-OctoAI-Async": "1"}, timeout=20) as client:
        for number in range(60):
            answer = await client.post(f"{platform.url}/e/busy/infer", content=str(number))
            assert answer.status_code == 201

    until(lambda: journal.exists() and len(journal.read_text().splitlines()) == 60)
    order = [int(line.split()[1]) for line in journal.read_text().splitlines()]
    assert max(abs(place - number) for place, number in enumerate(order)) <= 1
