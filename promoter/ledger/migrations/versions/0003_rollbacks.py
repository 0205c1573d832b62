"""A rollback is a promotion that brings an earlier one's release back."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Let a promotion say whose release it brings back."""
    op.execute("ALTER TABLE promotions ADD COLUMN rollback_to uuid REFERENCES promotions")


def downgrade() -> None:
    """Forget it; rollbacks look like promotions then."""
    op.execute("ALTER TABLE promotions DROP COLUMN rollback_to")
