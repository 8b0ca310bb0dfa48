"""What is asked of the platform: a pure function of the seed."""

import json
import random
from dataclasses import dataclass
from enum import StrEnum

ENDPOINTS = ("brig", "ketch", "sloop")
SLEEP_MS = (5, 60)
CHUNKS = (5, 20)
"""Events of a stream."""
CHUNK_SLEEP_MS = 20
LARGE_BYTES = 300_000
"""Above what the queue keeps by value, so that bodies and answers also go through the object store."""
LARGE_SHARE = 0.03


class Kind(StrEnum):
    """How a request is sent."""

    ASYNC = "async"
    KEYED = "keyed"
    """Sync with an Idempotency-Key; its client tries again."""
    SYNC = "sync"
    """Without a key: nobody tries again once it may have been accepted."""
    STREAM = "stream"
    """Sync without a key, answered by numbered events."""


KIND_SHARES = {Kind.ASYNC: 35, Kind.KEYED: 25, Kind.SYNC: 25, Kind.STREAM: 15}
"""Of all requests, in per cent."""


@dataclass(frozen=True, slots=True)
class Order:
    """One request of the load."""

    number: int
    kind: Kind
    endpoint: str
    sleep_ms: int
    """How long the model works on it; of a stream, on each event."""
    chunks: int = 0
    padding: int = 0
    """Bytes that body and answer are made larger by."""

    @property
    def tag(self) -> str:
        """What its body and its answer carry."""
        return f"{self.kind}-{self.number}"

    @property
    def body(self) -> bytes:
        """What is sent to the model."""
        asked = {"tag": self.tag, "sleep_ms": self.sleep_ms, "chunks": self.chunks, "padding": self.padding}
        return json.dumps({**asked, "filler": "x" * self.padding}).encode()


def plan_orders(seed: str, count: int) -> tuple[Order, ...]:
    """So many requests of mixed kinds, sizes and endpoints."""
    chance = random.Random(f"orders of {seed}")  # noqa: S311 - a load is to be repeated
    kinds = chance.choices(list(KIND_SHARES), weights=list(KIND_SHARES.values()), k=count)
    return tuple(_order(chance, number, kind) for number, kind in enumerate(kinds))


def _order(chance: random.Random, number: int, kind: Kind) -> Order:
    endpoint = chance.choice(ENDPOINTS)
    if kind is Kind.STREAM:
        return Order(number, kind, endpoint, CHUNK_SLEEP_MS, chunks=chance.randint(*CHUNKS))
    padding = LARGE_BYTES if chance.random() < LARGE_SHARE else 0
    return Order(number, kind, endpoint, chance.randint(*SLEEP_MS), padding=padding)
