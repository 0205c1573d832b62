"""A migration by us against plain `alembic upgrade heads` on 25 migrations; and how long rehearsals of 25 and of 250 take."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median

from deployments.bench.result import Result
from promoter import postgres, shell
from promoter.config import Migrations
from promoter.errors import PromoterError
from promoter.postgres import Server
from promoter.schema import migrations
from promoter.schema.rehearsal import rehearse_with
from promoter.schema.runners import SubprocessRunner, standing

SHORT, LONG = 25, 250
"""Migrations of a history."""
RUNS = 5
ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine("postgresql+psycopg://", poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
VERSION = """
from alembic import op

revision = {id!r}
down_revision = {down!r}

def upgrade():
    op.execute({up!r})

def downgrade():
    op.execute({back!r})
"""
TURNS = (
    (
        "CREATE TABLE t{n} (id serial PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now())",
        "DROP TABLE t{n}",
    ),
    ("ALTER TABLE t{last} ADD COLUMN c{n} text", "ALTER TABLE t{last} DROP COLUMN c{n}"),
    ("CREATE INDEX i{n} ON t{last} (name)", "DROP INDEX i{n}"),
    ("ALTER TABLE t{last} ADD CONSTRAINT k{n} CHECK (name <> 'never')", "ALTER TABLE t{last} DROP CONSTRAINT k{n}"),
    ("ALTER TABLE t{last} ADD COLUMN r{n} int REFERENCES t1 (id)", "ALTER TABLE t{last} DROP COLUMN r{n}"),
)
"""What one migration after the other does, and how it is taken back; `last` is the table that was made last."""


def measure(short: int = SHORT, long: int = LONG, runs: int = RUNS) -> Result:
    """Upgrade empty databases by both ways in turn `runs` times, compare medians; then rehearse both histories once."""
    with tempfile.TemporaryDirectory(prefix="promoter-bench-") as folder, postgres.temporary_server() as server:
        few, many = write(Path(folder, "short"), short), write(Path(folder, "long"), long)
        times = dict(_upgrades(few, server, runs))
        ratio = times["promoter"] / times["alembic upgrade heads"]
        times[f"rehearsal of {short}"] = _rehearse(few, server)
        times[f"rehearsal of {long}"] = _rehearse(many, server)
    return Result(f"upgrade by {short} migrations ÷ plain Alembic", ratio, None, times)


def write(checkout: Path, number: int) -> Path:
    """Make a checkout with `number` migrations in a row, all of which can be taken back; return it."""
    (checkout / "alembic" / "versions").mkdir(parents=True)
    (checkout / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
    (checkout / "alembic" / "env.py").write_text(ENVIRONMENT)
    for n in range(1, number + 1):
        turn = (n - 1) % len(TURNS)
        up, back = (text.format(n=n, last=n - turn) for text in TURNS[turn])
        text = VERSION.format(id=f"r{n}", down=f"r{n - 1}" if n > 1 else None, up=up, back=back)
        (checkout / "alembic" / "versions" / f"r{n}.py").write_text(text)
    return checkout


def _upgrades(checkout: Path, server: Server, runs: int) -> Iterator[tuple[str, float]]:
    """Yield both ways and their median times in seconds; a first turn warms caches."""
    runner = SubprocessRunner(Path(sys.executable), checkout, Migrations())
    alembic = [sys.executable, "-m", "alembic", "upgrade", "heads"]
    ways: Mapping[str, Callable[[str], object]] = {
        "promoter": lambda name: migrations.upgrade(runner, server.credentials(name)),
        "alembic upgrade heads": lambda name: shell.run(
            alembic, cwd=checkout, env=server.credentials(name).variables()
        ),
    }
    turns = [[_timed(way, server) for way in ways.values()] for _ in range(runs + 1)]
    for name, seconds in zip(ways, zip(*turns[1:], strict=True), strict=True):
        yield name, median(seconds)


def _timed(way: Callable[[str], object], server: Server) -> float:
    postgres.create_database(server, "bench")
    try:
        began = time.monotonic()
        way("bench")
        return time.monotonic() - began
    finally:
        postgres.drop_database(server, "bench")


def _rehearse(checkout: Path, server: Server) -> float:
    began = time.monotonic()
    with standing(Path(sys.executable), {}) as launch:
        found = rehearse_with(SubprocessRunner(Path(sys.executable), checkout, Migrations(), launch=launch), server, ())
    if {found.verdict, *(one.verdict for one in found.revisions)} != {"lossless"}:
        raise PromoterError(f"the rehearsal to be measured says {found.verdict}: {found.detail}")
    return time.monotonic() - began
