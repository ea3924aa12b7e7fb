"""Alembic's environment: runs on the connection that the ledger gives it."""

from alembic import context
from reverse_etl.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table="ledger_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
