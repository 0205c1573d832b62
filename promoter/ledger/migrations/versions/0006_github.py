"""What GitHub was told, and the pull requests that it told us of."""

from alembic import op

revision = "0006"
down_revision = "0005"

UP = """
CREATE TABLE told (
    repository  text NOT NULL,
    key         text NOT NULL,
    promotion   uuid REFERENCES promotions (id) ON DELETE CASCADE,
    accepted_at timestamptz NOT NULL,
    fingerprint text,
    state       text,
    number      bigint,
    begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at     timestamptz,
    PRIMARY KEY (repository, key)
);
CREATE INDEX told_of_a_promotion ON told (promotion);
CREATE TABLE rests (
    repository text PRIMARY KEY,
    until      timestamptz NOT NULL,
    reason     text NOT NULL
);
ALTER TABLE promotions ADD COLUMN shown_at timestamptz;
CREATE INDEX promotions_to_be_shown ON promotions (accepted_at) WHERE shown_at IS NULL;
CREATE TABLE changes (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    service    text NOT NULL,
    repository text NOT NULL,
    number     integer NOT NULL,
    commit     text NOT NULL CHECK (commit ~ '^[0-9a-f]{40}$'),
    target     text NOT NULL,
    delivery   text,
    asked_by   text NOT NULL,
    arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at   timestamptz,
    tries      integer NOT NULL DEFAULT 0,
    flow_run   uuid,
    begun_at   timestamptz,
    ended_at   timestamptz,
    state      text,
    title      text,
    report     text,
    shown_at   timestamptz,
    UNIQUE (service, number, commit),
    UNIQUE (service, delivery)
);
"""
DOWN = """
DROP TABLE changes;
DROP INDEX promotions_to_be_shown;
ALTER TABLE promotions DROP COLUMN shown_at;
DROP TABLE rests;
DROP TABLE told;
"""


def upgrade() -> None:
    """Create the tables; what ended before is not told any more a day later."""
    op.execute(UP)


def downgrade() -> None:
    """Forget what was told: GitHub is told of it once more by a later version."""
    op.execute(DOWN)
