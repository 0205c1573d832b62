"""The work pool that prefect.yaml names: on which kind of infrastructure flows run is one choice, and each choice is one file here.

A file says what differs from the base job template of Prefect's own worker class: defaults of its variables, and parts of its job
configuration. `$NAME` stands for a variable of the environment in which the pool is made.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from string import Template
from typing import Any

from prefect.utilities.schema_tools.validation import ValidationError, validate
from prefect.utilities.templating import find_placeholders
from ruamel.yaml import YAML

from promoter.errors import ConfigurationError

WORKERS = {
    "process": "prefect.workers.process:ProcessWorker",
    "docker": "prefect_docker.worker:DockerWorker",
    "ecs": "prefect_aws.workers:ECSWorker",
}
"""The worker class of each kind, whose variables and job configuration a file has to fit."""
HERE = Path(__file__).parent
DEPLOYMENTS = HERE.parents[1] / "prefect.yaml"
SECRETS = {
    "promoter-ledger-password": "PROMOTER_LEDGER_PASSWORD",
    "promoter-registry-password": "PROMOTER_REGISTRY_PASSWORD",
}
"""Prefect's `secret` blocks that a file may name, and the variable whose value each is made with."""


@dataclass(frozen=True)
class Pool:
    """A work pool as it should be."""

    kind: str
    template: dict[str, Any]
    """Its base job template."""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the `secret` blocks that its jobs read."""
        named = (one.name for one in find_placeholders(_defaults(self.template)))
        return frozenset(name.rpartition(".")[2] for name in named if name.startswith("prefect.blocks.secret."))


def name() -> str:
    """Return the name of the pool, as prefect.yaml has it."""
    return str(YAML(typ="safe").load(DEPLOYMENTS)["definitions"]["work_pool"]["name"])


def describe(kind: str, variables: Mapping[str, str], folder: Path = HERE) -> Pool:
    """Return the pool of a kind, filled in from the environment `variables`.

    Raises ConfigurationError where the environment lacks something, or the file does not fit the worker's class.
    """
    wanted = _read(folder / f"{kind}.yaml", variables)
    template: dict[str, Any] = deepcopy(resolve_name(WORKERS[kind]).get_default_base_job_template())
    known = template["variables"]["properties"]
    for variable, value in wanted.get("variables", {}).items():
        if variable not in known:
            raise ConfigurationError(f"{kind}.yaml: Prefect's {kind} worker has no variable {variable!r}")
        known[variable]["default"] = value
    try:
        validate(wanted.get("variables", {}), template["variables"], raise_on_error=True)
    except ValidationError as error:
        raise ConfigurationError(f"{kind}.yaml: {error}") from error
    for place, part in wanted.get("job_configuration", {}).items():
        if place not in template["job_configuration"]:
            raise ConfigurationError(f"{kind}.yaml: Prefect's {kind} worker has no {place!r} in its job configuration")
        template["job_configuration"][place].update(part)
    return Pool(kind, template)


def differences(pool: Pool, template: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a server's base job template is not that of `pool`."""
    found = _defaults(template)
    for variable, value in _defaults(pool.template).items():
        if found.get(variable) != value:
            yield variable
    if template.get("job_configuration") != pool.template["job_configuration"]:
        yield "job_configuration"


def _read(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    missing = sorted({one for one in Template(file.read_text()).get_identifiers() if not variables.get(one)})
    if missing:
        raise ConfigurationError(
            f"{file.name} asks for {', '.join(missing)}", hint="Set what is missing, and try again."
        )
    return dict(_filled(YAML(typ="safe").load(file), variables))


def _filled(part: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - any part of a YAML document
    """Return `part` with its variables filled in; a variable that is all of a list's element may stand for several, with commas."""
    if isinstance(part, dict):
        return {name: _filled(value, variables) for name, value in part.items()}
    if isinstance(part, list):
        return [one for value in part for one in _elements(value, variables)]
    return Template(part).substitute(variables) if isinstance(part, str) else part


def _elements(value: Any, variables: Mapping[str, str]) -> list[Any]:  # noqa: ANN401
    filled = _filled(value, variables)
    alone = isinstance(value, str) and value.startswith("$") and value[1:].isidentifier()
    return [one.strip() for one in filled.split(",")] if alone else [filled]


def _defaults(template: Mapping[str, Any]) -> dict[str, Any]:
    properties = template.get("variables", {}).get("properties", {})
    return {name: of["default"] for name, of in properties.items() if "default" in of}
