"""Pushes, versions, promotions, steps and environments."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE versions (
    service      text NOT NULL,
    tag          text NOT NULL,
    branch       text NOT NULL,
    commit       text NOT NULL CHECK (commit ~ '^[0-9a-f]{40}$'),
    record       jsonb NOT NULL,
    digest       text CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
    reserved_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, tag),
    UNIQUE (service, branch, commit)
);
CREATE TABLE pushes (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    service      text NOT NULL,
    repository   text NOT NULL,
    branch       text NOT NULL,
    commit       text NOT NULL CHECK (commit ~ '^[0-9a-f]{40}$'),
    base         text,
    delivery     text UNIQUE,
    received_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (service, repository, branch, commit)
);
CREATE TABLE promotions (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    push           uuid NOT NULL REFERENCES pushes,
    service        text NOT NULL,
    configuration  jsonb NOT NULL,
    environment    text,
    flow_run       uuid,
    driver         text,
    alive_until    timestamptz,
    accepted_at    timestamptz NOT NULL DEFAULT now(),
    verified_at    timestamptz,
    ended_at       timestamptz,
    outcome        text CHECK (outcome IN ('released', 'rolled_back', 'schema_kept', 'frozen', 'superseded', 'rejected')),
    cause          text,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK (outcome <> 'released' OR environment IS NULL OR verified_at IS NOT NULL)
);
CREATE INDEX promotions_of_a_push ON promotions (push, accepted_at DESC);
CREATE INDEX promotions_of_a_flow_run ON promotions (flow_run);
CREATE TABLE steps (
    promotion    uuid NOT NULL REFERENCES promotions ON DELETE CASCADE,
    stage        text NOT NULL,
    record_type  text NOT NULL,
    intent       jsonb,
    result       jsonb,
    error        text,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    undone       text,
    PRIMARY KEY (promotion, stage)
);
CREATE TABLE environments (
    service        text NOT NULL,
    environment    text NOT NULL,
    epoch          bigint NOT NULL DEFAULT 0,
    holder         uuid REFERENCES promotions,
    frozen_reason  text,
    frozen_by      text,
    frozen_at      timestamptz,
    PRIMARY KEY (service, environment)
);
"""


def upgrade() -> None:
    """Create the ledger."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the ledger."""
    op.execute("DROP TABLE environments, steps, promotions, pushes, versions")
