"""Leads every door of the product to the simulated outside; the ledger, the stages, their inverses and `recover` stay the real ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import psycopg
import pytest
from prefect import Task
from prefect.states import Failed

import tasks.rollback
from flows import hooks, promote, recover, rollback
from promoter import config, git, images, pace, probe, remotes, versions
from promoter.config import HealthAnswer, Service
from promoter.ecs import rollouts, task_definitions, watch
from promoter.errors import PromoterError
from promoter.health import Answer
from promoter.images import BuildPlan, Built, is_pushed
from promoter.ledger import connection, leases
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.pace import Pace
from promoter.records import Image, Rehearsal, SchemaPlan, TestReport, Version
from promoter.schema import catalogues, migrations, safety
from promoter.settings import Settings
from tasks import acceptance, clients, migration, release, report, services
from tasks.stage import carry_out
from tests.state_machine.processes import Buried, Fault, Kind, here, this
from tests.state_machine.world import FIRST, Images, World


class Ledger:
    """The one connection that every transaction takes; none is open while a process stands still."""

    def __init__(self, opened: psycopg.Connection[Any]) -> None:
        self.opened = opened
        self.lost = self.closed = False

    def connect(self, *_: object, **__: object) -> Self:
        """Begin a transaction, if the ledger can be reached."""
        if self.closed:
            raise Buried
        process = here()
        fault = Fault.NONE if process is None or process.passing else process.stand(Kind.LEDGER)
        if fault in {Fault.FAILS, Fault.BREAKS}:
            raise psycopg.OperationalError("connection refused")
        self.lost = fault is Fault.LOST
        return self

    def execute(self, *arguments: Any) -> psycopg.Cursor[Any]:
        """Run one statement."""
        return self.opened.execute(*arguments)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return what a question to the ledger finds, in a transaction of its own."""
        found = self.opened.execute(statement, values or None).fetchall()
        self.opened.commit()
        return [dict(row) for row in found]

    def close(self) -> None:
        """Let nobody in any more."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lost, self.lost = self.lost, False
        if kind is not None or self.closed:
            self.opened.rollback()
            return
        self.opened.commit()
        if lost:
            raise psycopg.OperationalError("server closed the connection unexpectedly")


class Local:
    """A Prefect task that runs without Prefect, with the retries that it was given."""

    def __init__(self, name: str, function: Callable[..., Any], retries: int = 0) -> None:
        self.name, self.function, self.retries = name, function, retries

    def __call__(self, *records: object, **wishes: object) -> Any:
        """Run it, again while its error is transient."""
        for _ in range(self.retries):
            try:
                return self.function(*records, **wishes)
            except PromoterError as error:
                if not error.transient:
                    raise
            this().stand(Kind.SLEEP)
        return self.function(*records, **wishes)

    def submit(self, *arguments: object) -> SimpleNamespace:
        """Run it now, and keep its error for whoever asks for the result."""
        try:
            answer = self(*[one.result() if hasattr(one, "result") else one for one in arguments])
        except PromoterError as error:
            return SimpleNamespace(result=partial(_raise, error))
        return SimpleNamespace(result=lambda: answer)


class Builder:
    """Builds and pushes in the world; the same commit built again gives another digest."""

    def __init__(self, world: World) -> None:
        self.world = world

    def build(self, plan: BuildPlan) -> Built:
        """Build, unless the registry has the tag."""
        digest = Images(self.world).digest(plan.tag)
        return Built(digest=digest or self.world.build(self.world.commit(plan.commit)))

    def push(self, plan: BuildPlan, built: Built) -> Image:
        """Push, unless it is there; that look and the name it gives are one moment."""
        this().granted = this().stand(Kind.CHANGE)
        registry, digest = Images(self.world), str(built.digest)
        if not is_pushed(registry, plan.tag, digest):
            registry.tag(digest, plan.tag)
        return Image(registry.repository, plan.tag, digest, registry.platforms(digest))


class Asker:
    """Asks the simulated service for its health; made as the product's own."""

    def __init__(
        self, world: World, _url: str, fields: HealthAnswer, accepted: frozenset[str] | None, _: object
    ) -> None:
        self.answer = partial(world.answer, fields, accepted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def ask(self, _timeout: float) -> Answer:
        """Ask once."""
        return self.answer()


def open_doors(patch: pytest.MonkeyPatch, world: World, ledger: Ledger, settings: Settings, service: Service) -> None:
    """Lead every door of the product to `world` and `ledger`."""
    known = settings.__getstate__()
    patch.setattr(Settings, "__init__", lambda fresh: fresh.__setstate__(known))
    names = {name: getattr(psycopg, name) for name in ("Connection", "OperationalError")}
    patch.setattr(connection, "psycopg", SimpleNamespace(connect=ledger.connect, **names))
    _source_and_image(patch, world, service)
    _environment(patch, world)
    _time(patch, world)
    _prefect(patch, world)


def _source_and_image(patch: pytest.MonkeyPatch, world: World, service: Service) -> None:
    patch.setattr(config, "find", lambda *_: service)
    patch.setattr(remotes, "mirror", lambda *_: None)
    patch.setattr(git, "resolve", lambda _, reference: reference)
    patch.setattr(git, "base_tag", lambda *_: FIRST)
    patch.setattr(git, "is_ancestor", lambda _, older, newer: int(older, 16) <= int(newer, 16))
    patch.setattr(git, "checkout", lambda *_: nullcontext(Path()))
    patch.setattr(git, "commit_time", lambda *_: datetime.fromtimestamp(0, UTC))
    patch.setattr(git, "history", lambda *_, **__: None)
    patch.setattr(git, "references", lambda *_: {"refs/heads/main": world.commits[-1].hash})
    patch.setattr(git, "tags", lambda *_: world.tags)
    patch.setattr(remotes, "push_tag", world.push_tag)
    patch.setattr(versions, "number", number)
    patch.setattr(images, "builder_for", lambda *_: Builder(world))
    patch.setattr(clients, "login", lambda _: None)
    patch.setattr(images, "refuse_root", lambda *_: None)
    patch.setattr(clients, "registry", lambda _: Images(world))


def _environment(patch: pytest.MonkeyPatch, world: World) -> None:
    for name in ("database", "logs"):
        patch.setattr(clients, name, lambda *_: None)
    patch.setattr(clients, "hidden_values", lambda *_: [])
    patch.setattr(clients, "ecs", lambda *_: world.fleet)
    patch.setattr(task_definitions, "fields", lambda _: frozenset({"family", "containerDefinitions", "tags"}))
    patch.setattr(watch, "account", lambda *_: "")
    patch.setattr(probe, "_Asker", partial(Asker, world))
    patch.setattr(probe, "asyncio", SimpleNamespace(Runner=nullcontext))
    for name in ("plan", "heads", "end_orphans"):
        patch.setattr(migrations, name, getattr(world, name))
    patch.setattr(safety, "expire", lambda *_: None)
    patch.setattr(catalogues, "capture", lambda *_, **__: None)
    for name in ("upgrade", "downgrade"):
        patch.setattr(migrations, name, world.migrate)
    patch.setattr(migrations, "exclusive", lambda *_: nullcontext())
    patch.setattr(migration, "runner_of", lambda _promotion, _lease, commit, _: nullcontext(world.commit(commit)))
    for module in (migration, release, services):
        patch.setattr(module, "fence", fence)


def _time(patch: pytest.MonkeyPatch, world: World) -> None:
    def sleep(kind: Kind, seconds: float) -> None:
        this().clock += seconds
        this().stand(kind)
        world.fleet.step()

    kinds = {pace: Kind.SLEEP, recover: Kind.SLEEP, acceptance: Kind.WAIT}
    for module, kind in kinds.items():
        patch.setattr(module, "time", SimpleNamespace(sleep=partial(sleep, kind), monotonic=lambda: this().clock))
    on_the_wall = time.time
    patch.setattr(time, "time", lambda: on_the_wall() + world.skew)
    for module in (rollouts, probe):
        patch.setattr(module, "Pace", lambda *limits: replace(Pace(*limits), started=this().clock))


def _prefect(patch: pytest.MonkeyPatch, world: World) -> None:
    simulated = {one.name: one for one in stages_of(world)}
    for flow in (promote, rollback):
        for name, task in vars(flow).copy().items():
            if isinstance(task, Task):
                patch.setattr(flow, name, simulated.get(name, Local(name, task.fn, task.retries)))
    patch.setattr(promote, "promote_main", partial(run_flow, promote.promote_main.fn))
    patch.setattr(rollback, "rollback", partial(run_flow, rollback.rollback.fn))
    for module in (acceptance, tasks.rollback):
        patch.setattr(module, "flow_run", SimpleNamespace(get_id=lambda: this().run))
    patch.setattr(recover, "os", SimpleNamespace(getpid=lambda: this().number))
    patch.setattr(recover, "socket", SimpleNamespace(gethostname=lambda: "here"))
    patch.setattr(report, "publish_report", lambda *_: None)
    for module in (hooks, recover):
        patch.setattr(module, "tell", lambda *_: None)


def stages_of(world: World) -> list[Local]:
    """Return the stages whose work is simulated whole: they change nothing."""

    def run_checks(_promotion: Promotion, _version: Version) -> TestReport:
        return TestReport(passed=1, failed=0, skipped=0, seconds=0)

    def rehearse(promotion: Promotion, _version: Version) -> Rehearsal:
        return world.rehearse(world.commit(promotion.push.commit))

    def plan_schema(_promotion: Promotion, rehearsal: Rehearsal) -> SchemaPlan:
        return SchemaPlan(rehearsal.before, rehearsal.after, (), "")

    def carried_out(simulated: Callable[..., object]) -> Local:
        return Local(
            simulated.__name__, lambda promotion, *records: carry_out(simulated, promotion, records), retries=3
        )

    looks = [Local(name, lambda *_: None) for name in ("check_environment", "name_run")]
    return [carried_out(run_checks), carried_out(rehearse), carried_out(plan_schema), *looks]


def run_flow(sentence: Callable[..., object], *push: object, **wishes: object) -> object:
    """Run a flow as Prefect does: as a flow run of its own, with the hook that follows a failure."""
    process, run = this(), str(uuid4())
    outer, process.run, process.forward = (process.run, process.forward), run, True
    process.names.add(run)
    try:
        return sentence(*push, **wishes)
    except Exception:
        process.forward = False
        run_hook(run)
        raise
    finally:
        process.run, process.forward = outer


def run_hook(run: str) -> None:
    """Run the hook of a flow run that failed or was cancelled; Prefect only logs what it raises."""
    this().names.add(run)
    flow, flow_run = SimpleNamespace(name="promote-main"), SimpleNamespace(id=UUID(run), name=run)
    with suppress(Exception):
        hooks.on_failure(flow=flow, flow_run=flow_run, state=Failed(message="it failed"))  # type: ignore[arg-type]


def fence(lease: Lease, settings: Settings | None = None) -> None:
    """Pass the lease as the product does; what becomes of the change after it is known then."""
    process = this()
    fault = process.stand(Kind.CHANGE)
    process.passing = True
    try:
        leases.fence(lease, settings)
    finally:
        process.passing = False
    process.granted, process.epoch = fault, (str(lease.promotion), lease.epoch)


def number(_history: object, *, branch: str, commit: str, taken: Mapping[str, str], **_: object) -> Version:
    """Return the next free number, by the product's own rule."""
    return versions.choose(Version("v1.0.1", "1.0.1", FIRST, commit, branch, "the next one"), taken)


def _raise(error: Exception) -> None:
    raise error
