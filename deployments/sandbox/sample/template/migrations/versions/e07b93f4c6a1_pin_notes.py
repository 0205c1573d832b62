"""Let notes be pinned."""

import sqlalchemy as sa
from alembic import op

revision = "e07b93f4c6a1"
down_revision = "add_tags_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "notes", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    op.drop_column("notes", "pinned")
