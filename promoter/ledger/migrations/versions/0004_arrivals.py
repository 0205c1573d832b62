"""Pushes that arrived, by a webhook or because somebody looked, before a flow takes them up."""

from alembic import op

revision = "0004"
down_revision = "0003"

ARRIVALS = """
CREATE TABLE arrivals (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    service     text NOT NULL,
    repository  text NOT NULL,
    branch      text NOT NULL,
    commit      text NOT NULL CHECK (commit ~ '^[0-9a-f]{40}$'),
    delivery    text,
    pushed_by   text NOT NULL,
    arrived_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at    timestamptz,
    tries       integer NOT NULL DEFAULT 0,
    dropped     text,
    UNIQUE (service, repository, branch, commit),
    UNIQUE (service, delivery)
);
CREATE INDEX arrivals_to_be_started ON arrivals (arrived_at) WHERE dropped IS NULL;
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(ARRIVALS)


def downgrade() -> None:
    """Forget what arrived; what was taken up is a push."""
    op.execute("DROP TABLE arrivals")
