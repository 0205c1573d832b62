"""Runs the ledger's migrations on the connection that `promoter.ledger.schema` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
