"""What should happen: one TOML file per service, read into frozen models."""

from promoter.config.files import find, load, load_all
from promoter.config.migrations import MigrationRunner, Migrations
from promoter.config.models import (
    SENTENCES,
    BranchRule,
    Checks,
    Codecov,
    Database,
    DatabaseKeys,
    DatabaseRollback,
    Dependencies,
    Environment,
    GitHub,
    HealthAnswer,
    ImageRule,
    Layers,
    Service,
    UnsafeMigrations,
)

__all__ = [
    "SENTENCES",
    "BranchRule",
    "Checks",
    "Codecov",
    "Database",
    "DatabaseKeys",
    "DatabaseRollback",
    "Dependencies",
    "Environment",
    "GitHub",
    "HealthAnswer",
    "ImageRule",
    "Layers",
    "MigrationRunner",
    "Migrations",
    "Service",
    "UnsafeMigrations",
    "find",
    "load",
    "load_all",
]
