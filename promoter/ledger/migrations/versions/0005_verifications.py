"""What the last look at each environment found, so that a release which is no longer well goes no further."""

from alembic import op

revision = "0005"
down_revision = "0004"

VERIFICATIONS = """
CREATE TABLE verifications (
    service      text NOT NULL,
    environment  text NOT NULL,
    promotion    uuid REFERENCES promotions (id),
    looked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    unwell_since timestamptz,
    findings     jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (service, environment)
);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(VERIFICATIONS)


def downgrade() -> None:
    """Forget what was found; the next look finds it again."""
    op.execute("DROP TABLE verifications")
