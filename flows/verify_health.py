"""What the clock asks every few minutes: whether every environment still runs what was released there, and is well."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parameters import AnyService
from promoter import config
from promoter.settings import Settings
from tasks.verification import Verification, tell, verify_environments


@flow
def verify_health(service: AnyService = None) -> State[list[Verification]]:
    """Compare every environment with the ledger: health, exact version, image, tasks, schema, git tag and `:latest`.

    A release that is not well, or not what was released, is not promoted further until a look finds it well again. The run
    is Completed in any case, under the name `Well` or `Unwell`: it did what it is for.
    """
    services = config.load_all(Settings().services) if service is None else [config.find(service, Settings().services)]
    found = verify_environments(services)
    tell(found)
    unwell = [one.place for one in found if one.state == "unwell"]
    message = f"{len(found)} looked at; unwell: {', '.join(unwell) or 'none'}"
    return Completed(data=found, name="Unwell" if unwell else "Well", message=message)
