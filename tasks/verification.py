"""Looks whether every environment still runs what was released there, and tells whoever wants to know when that changes."""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from prefect import get_client, task
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.actions import ArtifactCreate
from prefect.events import emit_event

from promoter import images, probe, remotes
from promoter.config import Service
from promoter.discretion import discreet
from promoter.ecs import EcsService, task_definitions
from promoter.health import accepted_versions
from promoter.ledger import verifications
from promoter.ledger.connection import connect
from promoter.settings import Settings
from promoter.verification import Expectation, Finding, Seen, compare, is_trusted
from tasks import clients
from tasks.observation import attempt, read_heads

logger = logging.getLogger(__name__)

AT_ONCE = 32
"""Environments that are looked at side by side; each look mostly waits for somebody's answer."""
EVENT = "promoter.environment"
"""`promoter.environment.unwell` and `promoter.environment.well` are sent when the one turns into the other."""


@dataclass(frozen=True)
class Verification:
    """One environment at one moment, by what it should be."""

    service: str
    environment: str
    version: str | None
    """What the ledger says that it runs; None before the first release."""
    findings: tuple[Finding, ...]
    moving: bool = False
    """Whether a promotion was changing it: nothing was judged then."""
    changed: bool = False
    """Whether the last look had another answer."""

    @property
    def state(self) -> str:
        """One word: moving, well or unwell."""
        return "moving" if self.moving else "well" if is_trusted(self.findings) else "unwell"

    @property
    def place(self) -> str:
        """`service/environment`."""
        return f"{self.service}/{self.environment}"


@task(cache_policy=NO_CACHE)
def verify_environments(services: Sequence[Service]) -> list[Verification]:
    """Look at every environment of `services` at once, and write what was found into the ledger.

    What cannot be reached is a finding of its own and hides no other. Raises LedgerError (transient).
    """
    places = [(service, name) for service in services for name in service.environments]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(lambda place: verify_environment(*place), places))


def verify_environment(service: Service, name: str) -> Verification:
    """Look at one environment, and write down what was found unless a promotion is changing it."""
    with connect() as ledger:
        expected = verifications.expected(ledger, service.name, name)
        moving = verifications.is_moving(ledger, service.name, name)
    version = None if expected is None else expected.version.tag
    if moving:
        return Verification(service.name, name, version, (), moving=True)
    findings = compare(expected, look(service, name, expected))
    with connect() as ledger:
        if verifications.is_moving(ledger, service.name, name):
            return Verification(service.name, name, version, (), moving=True)
        promotion = None if expected is None else expected.promotion
        changed = verifications.note(ledger, service.name, name, promotion, findings)
    return Verification(service.name, name, version, findings, changed=changed)


def look(service: Service, name: str, expected: Expectation | None) -> Seen:
    """Ask everybody who knows something of the environment; nothing is changed."""
    environment = service.environment(name)
    ecs = EcsService(clients.ecs(environment), clients.logs(environment), environment)
    definition = attempt(lambda: ecs.describe().task_definition)
    accepted = None if expected is None else accepted_versions(expected.version.tag, expected.branch)
    return Seen(
        health=attempt(partial(probe.ask, environment.health_url, service.health, accepted)),
        image=definition if isinstance(definition, Exception) else attempt(partial(_image, ecs, definition)),
        fleet=None if isinstance(definition, Exception) else attempt(partial(ecs.fleet, definition)),
        heads=attempt(partial(read_heads, service, environment)),
        tag=attempt(partial(remotes.tagged, service.repository, expected.version.tag))
        if expected is not None and expected.tagged
        else None,
        latest=attempt(partial(_latest, service)) if expected is not None and expected.latest else None,
    )


def tell(found: Sequence[Verification]) -> None:
    """Publish the table of all environments, and an event and a notification for each that became well or unwell."""
    rows = [
        {
            "environment": one.place,
            "version": one.version or "",
            "state": one.state,
            "findings": discreet("; ".join(f"{finding.kind}: {finding.what}" for finding in one.findings)),
        }
        for one in found
    ]
    with get_client(sync_client=True) as client:
        client.create_artifact(
            ArtifactCreate(key="verify-health", type="table", description="Every environment", data=json.dumps(rows))
        )
    for one in found:
        if one.changed:
            _announce(one)


def _announce(one: Verification) -> None:
    said = discreet("; ".join(finding.what for finding in one.findings)) or "all is as it was released"
    logger.warning("%s (%s) is %s: %s", one.place, one.version, one.state, said)
    emit_event(
        f"{EVENT}.{one.state}",
        resource={
            "prefect.resource.id": f"{EVENT}.{one.service}.{one.environment}",
            "promoter.service": one.service,
            "promoter.environment": one.environment,
        },
        payload={"version": one.version, "findings": said},
    )
    _notify(f"{one.place} is {one.state}", f"{one.version or 'no release'}: {said}")


def _notify(subject: str, text: str) -> None:
    """Send it over the notification block that is set; one that fails keeps nobody from looking again."""
    name = Settings().notification_block
    if name is None:
        return
    try:
        Block.load(name).notify(text, subject)  # type: ignore[union-attr]
    except Exception as error:  # noqa: BLE001 - whatever the block's service answers, the look was taken
        logger.warning(
            "block %s did not take the notification: %s: %s", name, type(error).__name__, discreet(str(error))
        )


def _image(ecs: EcsService, definition: str) -> str:
    return task_definitions.image(ecs.definition(definition), ecs.environment.container)


def _latest(service: Service) -> str | None:
    with clients.registry(service.image) as registry:
        return registry.digest(images.LATEST)
