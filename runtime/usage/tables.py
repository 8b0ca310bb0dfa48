"""The tables of usage, as they are after all migrations."""

from sqlalchemy import BigInteger, Column, MetaData, String, Table

METADATA = MetaData()

HOURS = Table(
    "usage_hours",
    METADATA,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("endpoint", String(63), primary_key=True),
    Column("hardware", String(63), primary_key=True),
    Column("replica_seconds", BigInteger, nullable=False),
    Column("starting_seconds", BigInteger, nullable=False),
    Column("busy_seconds", BigInteger, nullable=False),
)
"""What was used within an hour (its begin, seconds since the epoch)."""

METERED_HOURS = Table(
    "usage_metered_hours",
    METADATA,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", BigInteger, nullable=False),
)
"""How much of an hour was counted, whether anything was used or not."""

SLOTS = Table(
    "usage_slots",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
)
"""Slots that have their count: the key keeps a second one out. Those of a while ago are forgotten."""
