"""What a checkout says of itself where no service file does: the tool of its lock file, where Alembic is, which Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from promoter.config import Database, Dependencies, Migrations, Service
from promoter.dependencies import LOCKS
from promoter.errors import ConfigurationError

INI = "alembic.ini"


@dataclass(frozen=True)
class Rules:
    """As much of a service as its migrations need."""

    dependencies: Dependencies
    migrations: Migrations
    templates: Mapping[str, str]
    """`database.variables` of the service: variables that the credentials are filled into."""
    variables: Mapping[str, str]
    """Further environment variables of the migrations."""


def of_service(service: Service) -> Rules:
    """Return the rules of a service file; its migrations get the variables of the tests, for no environment is asked."""
    return Rules(service.dependencies, service.migrations, service.database.variables, service.checks.variables)


def of_checkout(checkout: Path) -> Rules:
    """Read the rules off the files of `checkout`; raise ConfigurationError where they are not plain."""
    return Rules(_dependencies(checkout), Migrations(directory=_alembic(checkout)), Database().variables, {})


def _dependencies(checkout: Path) -> Dependencies:
    for tool, lock in LOCKS.items():
        if (checkout / lock).is_file():
            return Dependencies.model_validate({"tool": tool, **_python(checkout)})
    raise ConfigurationError(
        f"{checkout} has no lock file: neither {' nor '.join(LOCKS.values())}",
        hint="Migrations run with locked dependencies only: lock them, or name the service file with --service NAME.",
    )


def _python(checkout: Path) -> dict[str, str]:
    """Return what `.python-version` asks for, nothing without one."""
    file = checkout / ".python-version"
    wanted = file.read_text(encoding="utf-8").split() if file.is_file() else []
    return {"python": wanted[0]} if wanted else {}


def _alembic(checkout: Path) -> str:
    """Return the folder of `alembic.ini`: the checkout itself, or the only one below it that has one."""
    found = [checkout / INI] if (checkout / INI).is_file() else sorted(checkout.glob(f"*/{INI}"))
    if len(found) != 1:
        several = ", ".join(str(path.relative_to(checkout)) for path in found)
        raise ConfigurationError(
            f"{checkout} has several {INI}: {several}" if found else f"{checkout} has no {INI}",
            hint="Name the service file with --service NAME: its [migrations] says where Alembic is.",
        )
    return str(found[0].parent.relative_to(checkout))
