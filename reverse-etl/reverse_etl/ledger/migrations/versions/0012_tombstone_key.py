"""The hashes of tombstones are keyed with a secret of the account.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. No earlier version wrote a tombstone."""
    op.create_table(
        "tombstone_key",
        sa.Column("crm", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("crm", "account", name=op.f("pk_tombstone_key")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("tombstone_key")
