"""Which service and which environment a command is about; the service may be left out where there is only one."""

from argparse import ArgumentParser
from typing import Literal

from promoter import config
from promoter.config import Service
from promoter.errors import ConfigurationError
from promoter.settings import Settings


def arguments(parser: ArgumentParser, *, environments: Literal["one", "any"] = "one") -> None:
    """Declare both; where `any` number of environments will do, none is all."""
    number = "?" if environments == "any" else None
    text = "the environment (all)" if environments == "any" else "the environment, as the service's file calls it"
    parser.add_argument("environment", nargs=number, metavar="ENV", help=text)
    parser.add_argument("--service", metavar="NAME", help="the service, as its file is called (the only one)")


def find(service: str | None, environment: str | None) -> Service:
    """Return the service called so (None: the only one), or raise ConfigurationError, also where it has no such environment."""
    folder = Settings().services
    found = config.find(service or _only([path.stem for path in folder.glob("*.toml")], str(folder)), folder)
    if environment is not None:
        found.environment(environment)
    return found


def _only(names: list[str], folder: str) -> str:
    if len(names) != 1:
        raise ConfigurationError(
            f"which service? In {folder} there are: {', '.join(sorted(names)) or 'none'}",
            hint="Name it with --service NAME; PROMOTER_SERVICES says which folder.",
        )
    return names[0]
