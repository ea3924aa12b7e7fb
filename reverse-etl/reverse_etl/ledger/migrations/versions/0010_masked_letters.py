"""Dead letters without values keep the names of the properties.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    with op.batch_alter_table("dead_letter") as table:
        table.add_column(
            sa.Column("properties", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
        )


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("dead_letter") as table:
        table.drop_column("properties")
