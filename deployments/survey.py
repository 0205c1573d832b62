"""How an environment is: what the ledger knows of it, and what can be seen there. What cannot be reached is said, not fatal."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from deployments.documents import as_entry, plain
from deployments.tables import when
from promoter.config import Service
from promoter.ledger import environments, schema
from promoter.ledger.connection import connect
from promoter.ledger.environments import Holder, Standing
from promoter.ledger.history import Entry
from promoter.text import printable
from tasks.observation import Glance, attempt, glance

T = TypeVar("T")


@dataclass(frozen=True)
class Survey:
    """One environment at one moment; each part is what was found, or why it could not be reached."""

    service: str
    environment: str
    standing: Standing | Exception
    glance: Glance

    @property
    def release(self) -> Entry | None:
        """The promotion that brought what runs, None where something else runs or nobody knows."""
        known, running = _found(self.standing), _found(self.glance.ecs)
        release = None if known is None else known.release
        elsewhere = release is not None and running is not None and running.digest != release.digest
        return None if elsewhere else release

    @property
    def errors(self) -> dict[str, str]:
        """What could not be reached, and why."""
        parts = {"ledger": self.standing, **vars(self.glance)}
        return {name: printable(str(part), 400) for name, part in parts.items() if isinstance(part, Exception)}


def survey(service: Service, names: Sequence[str]) -> list[Survey]:
    """Look at several environments at once."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(partial(_survey, service), names))


def as_json(found: Survey) -> dict[str, Any]:
    """Return it as JSON's own types.

    `version`, `digest`, `task_definition`, `schema` and `health` are as seen there; `commit`, `branch`, `promotion`, `since` and `by` tell, by
    the ledger, how that came there; `lease`, `freeze`, `hold` and `doubt` are null where there is none. What could not be reached is null too,
    and `errors` says why, by part: `ledger`, `health`, `ecs`, `database`.
    """
    known, release = _found(found.standing), found.release
    health, running = _found(found.glance.health), _found(found.glance.ecs)
    told = {
        "service": found.service,
        "environment": found.environment,
        "version": health and health.version,
        "commit": release and release.commit,
        "branch": release and release.branch,
        "digest": running and running.digest,
        "task_definition": running and running.definition,
        "schema": _found(found.glance.database),
        "health": health and {"ok": health.kind == "right", "detail": health.detail},
        "promotion": release and release.promotion,
        "since": release and release.verified,
        "by": release and release.by,
        "lease": known and known.holder and vars(known.holder),
        "freeze": known and known.freeze and vars(known.freeze),
        "hold": known and known.hold and as_entry(known.hold),
        "doubt": known and known.doubt and {"since": known.doubt.since, "reason": known.doubt.reason},
        "errors": found.errors,
    }
    return plain(told)


def as_facts(found: Survey) -> dict[str, str]:
    """Return it as words, by the name of the fact."""
    seen, release = found.glance, found.release
    return {
        "version": _tell(seen.health, lambda answer: answer.version or "not told"),
        "commit": f"{release.commit[:12]} on {release.branch}" if release else "unknown",
        "digest": _tell(seen.ecs, lambda running: (running.digest or "not pinned").removeprefix("sha256:")[:12]),
        "task definition": _tell(seen.ecs, lambda running: running.definition),
        "schema": _tell(seen.database, lambda heads: ", ".join(heads) or "empty"),
        "health": _tell(seen.health, lambda answer: answer.detail),
        "since": f"{when(release.verified)} by {release.by}" if release else "unknown",
        "lease": _tell(found.standing, lambda known: _lease(known.holder) if known.holder else "free"),
        "freeze": _tell(found.standing, _freeze),
        "hold": _tell(found.standing, _hold),
        "doubt": _tell(found.standing, _doubt),
    }


def _survey(service: Service, name: str) -> Survey:
    return Survey(service.name, name, attempt(partial(_standing, service.name, name)), glance(service, name))


def _standing(service: str, name: str) -> Standing:
    with connect() as ledger:
        schema.check(ledger)
        return environments.standing(ledger, service, name)


def _lease(holder: Holder) -> str:
    life = f"alive until {when(holder.alive_until)}" if holder.alive else "no sign of life: `promoter recover` ends it"
    who = f"driven by {holder.driver}" if holder.driver else "driven by nobody now"
    return f"{holder.version or holder.commit[:12]} since {when(holder.since)}, {who}, {life}"


def _freeze(known: Standing) -> str:
    freeze = known.freeze
    return f"frozen since {when(freeze.since)} by {freeze.by}: {freeze.reason}" if freeze else "none"


def _hold(known: Standing) -> str:
    hold = known.hold
    return f"{hold.version or hold.commit[:12]}, {hold.outcome} {when(hold.ended)}" if hold else "none"


def _doubt(known: Standing) -> str:
    return f"not promoted further since {when(known.doubt.since)}: {known.doubt.reason}" if known.doubt else "none"


def _tell(part: T | Exception, tell: Callable[[T], str]) -> str:
    return f"not reached: {part}" if isinstance(part, Exception) else tell(part)


def _found(part: T | Exception) -> T | None:
    return None if isinstance(part, Exception) else part
