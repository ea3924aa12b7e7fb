"""How the entries of an object are keyed, and when they were last verified.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. A run that finds no row brings the object's keys into their form."""
    op.create_table(
        "object_keys",
        sa.Column("crm", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=80), nullable=False),
        sa.Column("key_field", sa.String(length=255), nullable=False),
        sa.Column("folds_case", sa.Boolean(), nullable=False),
        sa.Column("verified_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("crm", "account", "object", name=op.f("pk_object_keys")),
    )


def downgrade() -> None:
    """Back."""
    op.drop_table("object_keys")
