"""Run by Alembic within `runtime.usage.ledger`, on the connection and in the transaction given to it."""

from alembic import context

from runtime.usage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
