"""Create notes, with what the notes of the first import still carry."""

import sqlalchemy as sa
from alembic import op

revision = "8c1f0a5b2d47"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, server_default=""),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("legacy_author", sa.Text()),
        sa.Column("legacy_folder", sa.Text()),
        sa.Column("legacy_origin", sa.Text()),
        sa.Column("legacy_remark", sa.Text()),
    )


def downgrade() -> None:
    op.drop_table("notes")
