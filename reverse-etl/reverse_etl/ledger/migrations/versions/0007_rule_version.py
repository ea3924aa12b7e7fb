"""What each rule said, so that a changed mapping is noticed.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "rule_version",
        sa.Column("crm", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=120), nullable=False),
        sa.Column("version", sa.String(length=8), nullable=False),
        sa.Column("stream", sa.String(length=120), nullable=False),
        sa.Column("object", sa.String(length=80), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("crm", "account", "rule", "version", name=op.f("pk_rule_version")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("rule_version")
