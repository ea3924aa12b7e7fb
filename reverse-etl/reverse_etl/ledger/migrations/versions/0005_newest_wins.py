"""Letters and waiting rows keep every version they need; filtered records keep their time.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. Letters of before have no hashes, so that each is tried again once."""
    with op.batch_alter_table("dead_letter") as table:
        table.add_column(sa.Column("earlier", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("to_object", sa.String(80), nullable=False, server_default=""))
        table.add_column(sa.Column("rule_hash", sa.String(16), nullable=False, server_default=""))
        table.add_column(sa.Column("schema_hash", sa.String(16), nullable=False, server_default=""))
    with op.batch_alter_table("waiting_link") as table:
        table.add_column(sa.Column("earlier", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("whole", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.execute(
        sa.text(
            "UPDATE waiting_link SET whole = :whole "
            "WHERE record IS NULL OR CAST(record AS TEXT) = 'null'"
        ).bindparams(whole=False)
    )
    op.create_table(
        "filtered",
        sa.Column("crm", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("observed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "account", "rule", "key", name=op.f("pk_filtered")),
    )
