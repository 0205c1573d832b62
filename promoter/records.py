"""What did happen: one frozen record per stage; each stage asks for the record before it.

`Push → Version → TestReport → Image → SchemaChange → TaskDefinition → Rollout → HealthReport → Release`

A record that can be undone holds `before` and `after`: its inverse is a swap. Records are JSON in the ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Verdict = Literal["lossless", "lossy", "no-op", "fails", "unproved"]
HazardKind = Literal["destructive", "incompatible"]


@dataclass(frozen=True)
class Push:
    """A commit that arrived on a branch."""

    repository: str
    """URL of the remote."""
    branch: str
    commit: str
    """40 hexadecimal digits."""
    base: str | None
    """The last clean tag reachable from main when the push was accepted, for example `v1.0.2`; None before the first."""


@dataclass(frozen=True)
class Version:
    """The number of one commit on one branch, for ever."""

    tag: str
    """`v1.0.3-test`."""
    version: str
    """`1.0.3-test`."""
    base: str
    """The clean tag it counts from, `v0.0.0` where there is none."""
    commit: str
    branch: str
    reason: str
    """One sentence: how the number came about."""


@dataclass(frozen=True)
class TestFailure:
    """A test that did not pass."""

    __test__ = False

    name: str
    message: str
    """The assertion or the error, as the test runner wrote it."""


@dataclass(frozen=True)
class TestReport:
    """What the checks found."""

    __test__ = False

    passed: int
    failed: int
    skipped: int
    seconds: float
    failures: tuple[TestFailure, ...] = ()
    coverage: float | None = None
    """Covered lines, 0 to 1; None where nothing was measured."""
    coverage_upload: Literal["confirmed", "not confirmed", "off"] = "off"
    coverage_detail: str | None = None
    """Why the upload is not confirmed."""


@dataclass(frozen=True)
class RevisionRehearsal:
    """What one pending migration did to a throwaway database, upwards and back."""

    revision: str
    verdict: Verdict
    detail: str
    """One sentence for a person."""
    lost: tuple[str, ...] = ()
    """What it destroys for good: `table` where rows go, `table.column` where only values do."""
    obstacles: tuple[str, ...] = ()
    """What a release made for the schema before it would run against."""


@dataclass(frozen=True)
class WrittenRevision:
    """The SQL of one pending migration, as it is before anything ran."""

    revision: str
    sql: str | None
    """None where it cannot be written down without a database."""
    error: str | None = None
    """Why there is none."""


@dataclass(frozen=True)
class Rehearsal:
    """What the pending migrations did to a throwaway database, upwards and back."""

    before: tuple[str, ...]
    """The heads it started from."""
    after: tuple[str, ...]
    """The heads it reached."""
    verdict: Verdict
    """Of the whole way back."""
    detail: str
    """One sentence for a person."""
    revisions: tuple[RevisionRehearsal, ...] = ()
    """Of each pending migration on its own, oldest first; up to the first one that fails."""
    old_release_compatible: bool | None = None
    """Whether the release before can run on the new schema; None where the upgrade never got there."""
    obstacles: tuple[str, ...] = ()
    """What it would run against: `TABLE notes: column colour is gone`."""
    lost: tuple[str, ...] = ()
    """What the way up destroys and the way back does not restore: `table` or `table.column`."""
    written: tuple[WrittenRevision, ...] = ()
    """Every pending migration as SQL, oldest first."""


@dataclass(frozen=True)
class LintFinding:
    """What a linter says of the SQL of one revision."""

    revision: str
    file: str
    """The migration, from the repository's root."""
    line: int
    """Of that file: the nearest statement of its `upgrade`."""
    rule: str
    """As the linter calls it: `ban-drop-column`."""
    message: str
    level: str
    """`warning` or `error`."""


@dataclass(frozen=True)
class TableLock:
    """A lock that a statement holds until the end of its transaction."""

    table: str
    """The table, or the index where the statement names nothing else."""
    mode: str
    """As PostgreSQL calls it: `ACCESS EXCLUSIVE`."""


@dataclass(frozen=True)
class Hazard:
    """What a revision does that cannot be mended by going back."""

    kind: HazardKind
    what: tuple[str, ...]
    """The tables and columns, or what the release before would run against."""
    line: int
    """Where the migration's file does it, as near as its source tells."""
    acknowledged: str | None = None
    """The reason given in the file; None where nobody took it upon himself."""


@dataclass(frozen=True)
class PlannedRevision:
    """One pending migration, before it runs."""

    revision: str
    message: str
    file: str
    """From the repository's root."""
    line: int
    """Where `upgrade` begins."""
    sql: str | None
    """What it will run; None where that cannot be written down without a database."""
    unwritten: str | None = None
    """Why there is no SQL."""
    locks: tuple[TableLock, ...] = ()
    findings: tuple[LintFinding, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    verdict: Verdict | None = None
    """Of its rehearsal; None where the rehearsal never came to it."""
    detail: str = ""


@dataclass(frozen=True)
class SchemaPlan:
    """What a release will do to the schema of its environment."""

    start: tuple[str, ...]
    """The heads it starts from."""
    end: tuple[str, ...]
    """The heads it leads to."""
    revisions: tuple[PlannedRevision, ...]
    """Oldest first."""
    way_back: str
    """Completes the sentence `this release can be rolled back: …`."""


@dataclass(frozen=True)
class SchemaReview:
    """The promotion may change the schema as planned."""

    warnings: tuple[str, ...] = ()
    """What an environment with `unsafe_migrations = "stop"` would have refused."""


@dataclass(frozen=True)
class Image:
    """An image in the registry."""

    repository: str
    """`ghcr.io/owner/name`."""
    tag: str
    """`v1.0.3-test`."""
    digest: str
    """`sha256:…` of the index, read back from the registry."""
    platforms: tuple[str, ...]
    """`linux/amd64`, …"""

    @property
    def reference(self) -> str:
        """`repository:tag@sha256:…`: a name for people, pinned for machines."""
        return f"{self.repository}:{self.tag}@{self.digest}"


@dataclass(frozen=True)
class Approval:
    """A person let a release go on."""

    by: str
    reason: str
    """As the person gave it; "" for none."""


@dataclass(frozen=True)
class TriedImage:
    """An image that could be built, and lies nowhere."""

    digest: str
    """`sha256:…` that the index would have."""
    platforms: tuple[str, ...]


@dataclass(frozen=True)
class SafetyCopy:
    """A table or a column that is copied before a migration destroys it."""

    of: str
    """`table` or `table.column`."""
    table: str
    """The copy, as SQL names it, schema included."""
    select: str
    """The SQL query whose answer it holds."""
    restore: str
    """The SQL command that puts it back, once the way back has made its place again."""


@dataclass(frozen=True)
class SchemaChange:
    """The schema revisions of an environment's database; undoing it swaps them."""

    before: tuple[str, ...]
    """All heads before, sorted."""
    after: tuple[str, ...]
    """All heads after, sorted."""
    copies: tuple[SafetyCopy, ...] = ()
    """What was copied before it was destroyed."""
    catalogue: Mapping[str, str] | None = None
    """Digest of each object's definition before, by type and name; None where nothing was pending, or it could not be read."""


@dataclass(frozen=True)
class TaskDefinition:
    """A registered task definition, and the one that the service ran when it was derived."""

    before: str
    """ARN that the service ran."""
    after: str
    """ARN of the new one."""


@dataclass(frozen=True)
class Rollout:
    """A rolling deployment of a service; undoing it swaps the definitions."""

    before: str
    """ARN of the task definition that the service ran."""
    after: str
    """ARN of the task definition that it is to run."""
    deployment: str | None = None
    """Id of the ECS deployment, `ecs-svc/…`; None until UpdateService answered."""
    seconds: float = 0.0


@dataclass(frozen=True)
class HealthReport:
    """What the release answered."""

    url: str
    version: str
    """The version as it stood in the answer."""
    answers: int
    """Consecutive right answers."""
    tries: int
    """Requests in all."""
    seconds: float


@dataclass(frozen=True)
class Release:
    """A verified image with its permanent names."""

    tag: str
    commit: str
    digest: str
    latest_before: str | None = None
    """Digest that `:latest` named before; None where it did not exist or was not moved."""
    latest: str | None = None
    """Digest that `:latest` names now; None where the branch does not move it."""


@dataclass(frozen=True)
class SchemaDowngrade:
    """A schema that a rollback takes down to an older release's revisions; undoing it is the upgrade."""

    before: tuple[str, ...]
    """All heads before, sorted."""
    after: tuple[str, ...]
    """All heads after, sorted."""
    commit: str
    """The commit whose scripts know both ways."""
    catalogue: Mapping[str, str] | None = None
    """What the schema has to be again, as the first of the changes that are taken back recorded it; None where that cannot be asked."""


@dataclass(frozen=True)
class RollbackPlan:
    """How an environment goes back to a release that was verified in it, decided before anything moves."""

    version: Version
    """Of the release to go back to."""
    image: Image
    definition: str
    """ARN of the task definition that was verified with it."""
    leaves: str
    """Tag of the release that runs until then."""
    heads: tuple[str, ...]
    """Revisions of the live schema, sorted."""
    downgrade: SchemaDowngrade | None
    """What happens to the schema once the older release serves; None where it stays."""
    reason: str
    """One sentence: why the older release can run on the live schema, or what it needs."""


@dataclass(frozen=True)
class StageTime:
    """How long a stage took."""

    stage: str
    started: datetime
    seconds: float
