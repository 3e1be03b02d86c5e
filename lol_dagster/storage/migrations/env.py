"""Alembic's entry: runs the migrations on the connection that storage.schema hands over."""

from alembic import context

from lol_dagster.storage.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    # SQLite cannot alter a column: Alembic copies the table instead.
    render_as_batch=connection.dialect.name == "sqlite",
    user_module_prefix="types.",
)
with context.begin_transaction():
    context.run_migrations()
