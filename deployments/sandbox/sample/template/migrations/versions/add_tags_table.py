"""Let notes have tags."""

import sqlalchemy as sa
from alembic import op

revision = "add_tags_table"
down_revision = "8c1f0a5b2d47"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column(
            "note_id", sa.Integer(), sa.ForeignKey("notes.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("name", sa.Text(), primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("tags")
