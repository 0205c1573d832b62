"""Who asked for a promotion and whether it was forced, since when an environment is held, one delivery for several services."""

from alembic import op

revision = "0002"
down_revision = "0001"

UP = """
ALTER TABLE promotions
    ADD COLUMN asked_by text NOT NULL DEFAULT 'Prefect',
    ADD COLUMN forced boolean NOT NULL DEFAULT false,
    ALTER COLUMN accepted_at SET DEFAULT clock_timestamp();
CREATE INDEX promotions_to_an_environment ON promotions (service, environment, accepted_at DESC);
ALTER TABLE environments ADD COLUMN held_since timestamptz;
ALTER TABLE pushes DROP CONSTRAINT pushes_delivery_key, ADD CONSTRAINT pushes_service_delivery_key UNIQUE (service, delivery);
"""
DOWN = """
ALTER TABLE pushes DROP CONSTRAINT pushes_service_delivery_key, ADD CONSTRAINT pushes_delivery_key UNIQUE (delivery);
ALTER TABLE environments DROP COLUMN held_since;
DROP INDEX promotions_to_an_environment;
ALTER TABLE promotions DROP COLUMN asked_by, DROP COLUMN forced, ALTER COLUMN accepted_at SET DEFAULT now();
"""


def upgrade() -> None:
    """Add the columns; what is there was asked for by Prefect, and not forced."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them."""
    op.execute(DOWN)
