"""Make Prefect's work pool, or bring it in line: on which kind of infrastructure flows run is this one choice.

process: processes of their worker. docker: containers beside it. ecs: tasks of ECS. What a kind asks for is in deployments/pools/.
"""

import os
from argparse import ArgumentParser

from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from deployments import pools
from deployments.pools import Pool
from promoter.errors import ConfigurationError


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("kind", choices=pools.WORKERS, help="the kind of infrastructure")


def run(*, kind: str) -> None:
    """Make it as its file says; a pool of another kind is refused, for its runs could not go on."""
    pool, name = pools.describe(kind, os.environ), pools.name()
    secrets = {block: _value(pools.SECRETS[block]) for block in pool.secrets}
    for block, value in secrets.items():
        Secret(value=value).save(block, overwrite=True)
    print(f"work pool {name!r}: {_make(name, pool)}, of type {kind}")  # noqa: T201


def _make(name: str, pool: Pool) -> str:
    with get_client(sync_client=True) as client:
        try:
            found = client.read_work_pool(name)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=name, type=pool.kind, base_job_template=pool.template))
            return "made"
        if found.type != pool.kind:
            raise ConfigurationError(
                f"there is a work pool {name!r} of type {found.type}",
                hint=f"When no promotion runs: `prefect work-pool delete {name}`, this again, then `prefect deploy --all`.",
            )
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=pool.template))
        return "brought in line"


def _value(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise ConfigurationError(f"the jobs of this pool need {variable}, and it is not set here")
    return value
