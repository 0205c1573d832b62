"""The zoo of migrations, let loose in a sandbox: each animal comes with a release that crashes, and has to be dealt with as it deserves."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from promoter.config import Migrations
from promoter.ledger.promotions import Outcome
from promoter.schema import migrations
from promoter.secrets import DatabaseCredentials
from tests.kill_matrix.invariants import Story
from tests.promoter.schema.version_files import version_file
from tests.promoter.schema.zoo import USERS, ZOO, Animal

KEEPER = "keeper"
"""Instead of an animal: the migration that makes the ground for all of them."""
ANIMALS: Mapping[str, Animal] = {animal.kind: animal for animal in ZOO}
GROUND = "users"
"""The keeper's revision."""
VERSIONS = Path("migrations", "versions")
ENVIRONMENT = Path("migrations", "env.py")
CONFIGURED = "target_metadata=Base.metadata)"


def write(kind: str, checkout: Path) -> None:
    """Write the version files of an animal, and how it wants them run; those of the keeper follow what the checkout has."""
    versions = checkout / VERSIONS
    if kind == KEEPER:
        head = migrations.script(checkout, Migrations()).heads[0]
        (versions / f"{GROUND}.py").write_text(version_file(GROUND, head, USERS, "raise NotImplementedError"))
        return
    animal = ANIMALS[kind]
    for one in animal.migrations:
        (versions / f"{one.name}.py").write_text(one.text())
    if animal.per_migration:
        path = checkout / ENVIRONMENT
        text = path.read_text()
        assert CONFIGURED in text
        path.write_text(text.replace(CONFIGURED, f"transaction_per_migration=True, {CONFIGURED}"))


def expected(animal: Animal) -> Outcome:
    """Return what becomes of a release that crashes on its schema.

    What cannot be applied is never begun, what was proved to come back does, and the rest stays: the old release runs on it.
    """
    if animal.detail.startswith("The upgrade fails"):
        return "rejected"
    return "rolled_back" if animal.verdict == "lossless" else "schema_kept"


def violations(kind: str, story: Story) -> Iterator[str]:
    """Say where the promotion did not deal with an animal as it deserves."""
    animal = ANIMALS[kind]
    outcome = story.promotion and story.promotion.outcome
    if outcome != expected(animal):
        yield f"zoo: {outcome}, and {expected(animal)} is right: {story.promotion and story.promotion.cause}"
    rehearsal = story.result("rehearse")
    verdict = rehearsal and rehearsal.verdict
    if verdict != animal.verdict:
        yield f"zoo: {verdict}, and {animal.verdict} is right: {rehearsal and rehearsal.detail}"


def restore(credentials: DatabaseCredentials, schema: str) -> None:
    """Make the database what it was when `pg_dump` wrote `schema`: rows are lost, and the keeper's revision is the head."""
    with psycopg.connect(**credentials.connection(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS _promoter_safety CASCADE")
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner")
        connection.execute(schema.encode())
        connection.execute("INSERT INTO public.alembic_version VALUES (%s)", [GROUND])
