"""A job's keys are those of the pending entries; the job need not list them.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    with op.batch_alter_table("job") as table:
        table.drop_column("keys")


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("job") as table:
        table.add_column(sa.Column("keys", sa.JSON(), nullable=False, server_default="[]"))
