"""The schema of each stream, so that what waits can be tried by a run that does not bring it.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "stream_schema",
        sa.Column("crm", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=120), nullable=False),
        sa.Column("schema", sa.JSON(), nullable=False),
        sa.Column("key_properties", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("crm", "account", "stream", name=op.f("pk_stream_schema")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("stream_schema")
