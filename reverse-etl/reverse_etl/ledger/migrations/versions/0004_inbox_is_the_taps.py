"""The inbox of webhooks is the tap's: the ledger has none.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Nothing was ever written to it."""
    op.drop_table("inbox")
