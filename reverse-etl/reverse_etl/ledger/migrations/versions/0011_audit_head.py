"""The audit of an account has a head, which shows a cut at its end.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. The last event of each account is its head."""
    head = op.create_table(
        "audit_head",
        sa.Column("crm", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("carried", sa.String(length=64), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("crm", "account", name=op.f("pk_audit_head")),
    )
    audit = sa.table(
        "audit", sa.column("id"), sa.column("event", sa.JSON()), sa.column("chain", sa.String())
    )
    last: dict[tuple[str, str], str] = {}
    for row in op.get_bind().execute(sa.select(audit).order_by(audit.c.id)):
        last[row.event["crm"], row.event["account"]] = row.chain
    for (crm, account), chain in last.items():
        op.execute(head.insert().values(crm=crm, account=account, carried="", chain=chain))


def downgrade() -> None:
    """Back."""
    op.drop_table("audit_head")
