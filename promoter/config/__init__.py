"""What should happen: one TOML file per service, read into frozen models."""

from promoter.config.files import find, load, load_all
from promoter.config.models import (
    SENTENCES,
    BranchRule,
    Checks,
    Codecov,
    Database,
    DatabaseKeys,
    Dependencies,
    Environment,
    GitHub,
    HealthAnswer,
    ImageRule,
    Layers,
    Migrations,
    Service,
)

__all__ = [
    "SENTENCES",
    "BranchRule",
    "Checks",
    "Codecov",
    "Database",
    "DatabaseKeys",
    "Dependencies",
    "Environment",
    "GitHub",
    "HealthAnswer",
    "ImageRule",
    "Layers",
    "Migrations",
    "Service",
    "find",
    "load",
    "load_all",
]
