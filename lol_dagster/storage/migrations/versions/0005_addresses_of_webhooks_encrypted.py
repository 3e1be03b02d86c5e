"""Addresses of webhooks are encrypted"""

import sqlalchemy as sa
from alembic import op

from lol_dagster.storage import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Read through one type and written through the other.
_plain = sa.table("channels", sa.column("id", sa.Integer), sa.column("address", sa.String(500)))
_secret = sa.table(
    "channels", sa.column("id", sa.Integer), sa.column("address", types.AddressText(500))
)


def upgrade() -> None:
    _rewrite(read=_plain, write=_secret)


def downgrade() -> None:
    _rewrite(read=_secret, write=_plain)


def _rewrite(read: sa.TableClause, write: sa.TableClause) -> None:
    connection = op.get_bind()
    for key, address in connection.execute(sa.select(read.c.id, read.c.address)).all():
        if "://" in address:
            connection.execute(sa.update(write).where(write.c.id == key).values(address=address))
