"""The simulated outside: commits, the schema of one database, a registry, git tags, health; and what must never be seen in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from promoter.config import HealthAnswer
from promoter.errors import ImageError, PromoterError, RepositoryError, SchemaError
from promoter.health import Answer
from promoter.records import Rehearsal, SchemaChange, Verdict
from promoter.registry import Registry
from tests.state_machine.fleet import Fleet
from tests.state_machine.processes import Fault, Kind, Process, read, this

REPOSITORY = "registry.example/api"
FIRST = "v1.0.0"
"""The release that runs before the first promotion."""


@dataclass(frozen=True)
class Commit:
    """A commit on main; its place in the history is its number."""

    number: int
    behaviour: str
    """How its image behaves: good, sick, crashes or hangs."""
    head: int
    """The newest migration in it; each commit has those of all commits before it."""
    lossless: bool
    """Whether its migrations can be taken back."""
    compatible: bool
    """Whether an older release can run on its schema."""

    @property
    def hash(self) -> str:
        """40 hexadecimal digits."""
        return f"{self.number:040x}"


@dataclass
class Migration:
    """A migration at work."""

    owner: Process
    target: int


class InvariantError(AssertionError):
    """An invariant does not hold; its number is at the beginning of the message."""


@dataclass
class World:
    """Everything outside but the ledger."""

    commits: list[Commit]
    lingers: int
    """Steps that a task takes to stop."""
    holder: Callable[[], tuple[str, int]]
    """Asks the ledger who holds the environment: promotion and epoch."""
    verified: Callable[[str], bool]
    """Asks the ledger whether a commit was verified."""
    head: int = 0
    """The newest migration that the database has."""
    migration: Migration | None = None
    images: dict[str, str] = field(default_factory=dict)
    """Tag → digest."""
    built: dict[str, int] = field(default_factory=dict)
    """Digest → number of the commit."""
    tags: dict[str, str] = field(default_factory=dict)
    """Git tag → commit."""
    skew: float = 0.0
    """Seconds by which the clock on the wall is wrong."""
    violations: list[str] = field(default_factory=list)
    asked: int = 0
    """Questions that the load balancer has got."""

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.behaviour, self.lingers, lambda: self.changing("the service"))
        digest = self.build(self.commits[0])
        self.images = {FIRST: digest, "latest": digest}
        self.tags = {FIRST: self.commits[0].hash}
        self.fleet.begin(f"{REPOSITORY}:{FIRST}@{digest}")

    def commit(self, name: str) -> Commit:
        """Return the commit with this hash."""
        return self.commits[int(name, 16)]

    def commit_of(self, definition: str) -> Commit:
        """Return the commit whose image a definition runs."""
        return self.commits[self.built[self.fleet.image(definition).rpartition("@")[2]]]

    def behaviour(self, definition: str) -> str:
        """Return how the image of a definition behaves."""
        return self.commit_of(definition).behaviour

    def build(self, commit: Commit) -> str:
        """Build an image; another build of the same commit has another digest."""
        digest = f"sha256:{len(self.built) + 1:064x}"
        self.built[digest] = commit.number
        return digest

    def forbid(self, invariant: str, *, unless: bool, what: str) -> None:
        """Note that an invariant does not hold, unless it does."""
        if not unless:
            self.violations.append(f"{invariant}: {what}")

    def changing(self, what: str) -> Fault:
        """Return what becomes of a change; whoever makes it has passed the lease, and holds it."""
        process = this()
        self.forbid(
            "I3",
            unless=process.granted is not None and process.epoch == self.holder(),
            what=f"{process.name} changes {what} with epoch {process.epoch}, held is {self.holder()}",
        )
        fault, process.granted = process.granted or Fault.NONE, None
        return fault

    # The schema of the environment's database.

    def plan(self, commit: Commit, *_: object) -> SchemaChange:
        """Say which migrations a commit would run; what an orphan does is ended first."""
        refuse(read(), SchemaError, "the database")
        self.end_migration()
        if self.head > commit.head:
            raise SchemaError(f"the database is at {self.head}, which this commit does not know")
        return SchemaChange(revisions(self.head), revisions(commit.head))

    def heads(self, _credentials: object, **_: str) -> tuple[str, ...]:
        """Read the version table."""
        refuse(read(), SchemaError, "the database")
        return revisions(self.head)

    def end_orphans(self, _credentials: object) -> int:
        """End the migration of a process that is gone."""
        refuse(read(), SchemaError, "the database")
        self.end_migration()
        return 0

    def end_migration(self) -> None:
        """Take the migration lock: an orphan is ended, a living owner is not."""
        if self.migration is not None and self.migration.owner.lives:
            raise SchemaError("the migration lock is held", transient=True)
        self.migration = None

    def migrate(
        self, _runner: object, _credentials: object, target: tuple[str, ...], *_: object, **__: object
    ) -> SchemaChange:
        """Run the migrations up or down to `target`, as one transaction that takes its time."""
        fault, wanted, before = self.changing("the schema"), int(target[0]), self.head
        refuse(fault, SchemaError, "the migration")
        self.end_migration()
        self._no_downgrade_under_a_running_release(wanted)
        if wanted != before:
            self.migration = Migration(this(), wanted)
            refuse(this().stand(Kind.MIGRATING), SchemaError, "the migration", after=self.end_own_migration)
            self._no_downgrade_under_a_running_release(wanted)
            self.finish_migration()
        lose(fault, SchemaError, "the migration")
        return SchemaChange(revisions(before), target)

    def finish_migration(self) -> None:
        """Let the migration at work come to its end."""
        if self.migration is not None:
            self.head, self.migration = self.migration.target, None

    def end_own_migration(self) -> None:
        """Let the migration at work come to nothing."""
        self.migration = None

    def _no_downgrade_under_a_running_release(self, target: int) -> None:
        running = [task.definition for task in self.fleet.tasks if task.status != "STOPPED"]
        needs = max([self.commit_of(definition).head for definition in running], default=0)
        self.forbid(
            "I4", unless=target >= min(self.head, needs), what=f"the schema goes to {target}, a task needs {needs}"
        )

    def rehearse(self, commit: Commit) -> Rehearsal:
        """Say whether the migrations of a commit can be taken back."""
        verdict: Verdict = "lossless" if commit.lossless else "lossy"
        return Rehearsal(
            before=revisions(self.head),
            after=revisions(commit.head),
            verdict=verdict,
            detail="",
            old_release_compatible=commit.compatible,
        )

    # The health answer, by one task after the other.

    def answer(self, fields: HealthAnswer, accepted: frozenset[str] | None) -> Answer:
        """Answer as one of the tasks in service does."""
        tasks = self.fleet.in_service
        if read() is Fault.FAILS or not tasks:
            return Answer("no answer", "ConnectError")
        self.asked += 1
        definition = tasks[self.asked % len(tasks)].definition
        commit, tag = self.commit_of(definition), self.fleet.image(definition).partition("@")[0].rpartition(":")[2]
        if commit.behaviour == "sick":
            return Answer("status code", f"500, no {fields.status}")
        if commit.head > self.head:
            return Answer("database", "missing a table", tag)
        wrong = accepted is not None and tag not in accepted
        return Answer("version" if wrong else "right", tag, tag)

    # Git.

    def push_tag(self, _mirror: object, _url: str, tag: str, commit: str, _message: str, **_: str) -> None:
        """Push a tag; there already for the same commit is done."""
        fault = self.changing("the git tag")
        refuse(fault, RepositoryError, "the remote")
        self.forbid("I2", unless=self.verified(commit), what=f"{tag} is set on {commit}, which is not VERIFIED")
        there = self.tags.setdefault(tag, commit)
        self.forbid("I6", unless=there == commit, what=f"{tag} names {there} and {commit}")
        lose(fault, RepositoryError, "the remote")


class Images(Registry):
    """The registry of the world."""

    def __init__(self, world: World) -> None:
        self.repository = REPOSITORY
        self.world = world

    def close(self) -> None:
        """Close nothing."""

    def digest(self, reference: str) -> str | None:
        """Return what a tag names."""
        refuse(read(), ImageError, "the registry")
        return self.world.images.get(reference)

    def platforms(self, digest: str) -> tuple[str, ...]:
        """Return the platforms of an image."""
        return ("linux/amd64",) if digest else ()

    def tag(self, digest: str, tag: str) -> None:
        """Let a tag name a digest."""
        world = self.world
        if tag != "latest":
            refuse(fault := this().granted or Fault.NONE, ImageError, "the registry")
            there = world.images.get(tag, digest)
            world.forbid("I6", unless=there == digest, what=f"{tag} names {there} and {digest}")
            world.images[tag] = digest
            lose(fault, ImageError, "the registry")
            return
        refuse(fault := world.changing(":latest"), ImageError, "the registry")
        commit = world.commits[world.built[digest]].hash
        world.forbid("I2", unless=world.verified(commit), what=f":latest names {commit}, which is not VERIFIED")
        world.images[tag] = digest
        lose(fault, ImageError, "the registry")


def revisions(head: int) -> tuple[str, ...]:
    """Return the heads of a database whose newest migration is `head`."""
    return (str(head),)


def refuse(fault: Fault, error: type[PromoterError], what: str, *, after: Callable[[], None] = lambda: None) -> None:
    """Raise `error` where a call fails before it does anything."""
    if fault in {Fault.FAILS, Fault.BREAKS}:
        after()
        raise error(f"{what} does not answer", transient=fault is Fault.FAILS)


def lose(fault: Fault, error: type[PromoterError], what: str) -> None:
    """Raise `error` where the answer of a call is lost."""
    if fault is Fault.LOST:
        raise error(f"{what} was heard, and did not answer", transient=True)
