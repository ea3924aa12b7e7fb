"""When each record was last seen in the CRM, and whether its CRM id changed.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. Entries of before count as verified when their object's keys were."""
    with op.batch_alter_table("entry") as table:
        table.add_column(
            sa.Column("verified_us", sa.BigInteger(), nullable=False, server_default="0")
        )
        table.add_column(
            sa.Column("moved", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("entry") as table:
        table.drop_column("moved")
        table.drop_column("verified_us")
