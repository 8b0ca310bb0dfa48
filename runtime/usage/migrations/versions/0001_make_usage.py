"""Make the tables of usage."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "usage_hours",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("endpoint", sa.String(63), primary_key=True),
        sa.Column("hardware", sa.String(63), primary_key=True),
        sa.Column("replica_seconds", sa.BigInteger, nullable=False),
        sa.Column("starting_seconds", sa.BigInteger, nullable=False),
        sa.Column("busy_seconds", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage_metered_hours",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
    )
    op.create_table("usage_slots", sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False))
