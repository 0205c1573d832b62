"""Which release a rollback chooses, and what it says of the schema before anything moves."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from promoter import rollbacks
from promoter.config import DatabaseRollback
from promoter.errors import ConfigurationError, RejectedError, SchemaError
from promoter.ledger.releases import Migrated, Verified
from promoter.records import Image, Rehearsal, RollbackPlan, SchemaChange, Verdict, Version

COMMIT = "c" * 40
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def verified(number: int, *heads: str) -> Verified:
    """Return the release `v1.0.<number>`, verified on the schema `heads`."""
    tag = f"v1.0.{number}"
    version = Version(tag, tag[1:], "v1.0.0", COMMIT, "main", "because")
    image = Image("registry.example/api", tag, f"sha256:{number:064x}", ("linux/amd64",))
    return Verified(uuid4(), version, image, f"arn:aws:ecs:::task-definition/api:{number}", heads, FIRST)


def migrated(
    number: int, before: str, after: str, *obstacles: str, compatible: bool | None = True, verdict: Verdict = "lossless"
) -> Migrated:
    """Return the schema change of `v1.0.<number>`."""
    rehearsal = Rehearsal(
        (before,), (after,), verdict, "its detail", old_release_compatible=compatible, obstacles=obstacles
    )
    change = SchemaChange((before,), (after,), catalogue={f"TABLE {before}": "digest"})
    return Migrated(f"v1.0.{number}", f"{number}" * 40, change, rehearsal)


HISTORY = [verified(4, "d"), verified(3, "c"), verified(2, "b"), verified(1, "a")]
CHANGES = [migrated(4, "c", "d"), migrated(3, "b", "c"), migrated(2, "a", "b")]


def plan(
    to: Verified,
    changes: list[Migrated],
    live: str = "d",
    *,
    with_downgrade: bool = False,
    rule: DatabaseRollback = "if_lossless",
) -> RollbackPlan:
    """Return the plan of a rollback from the newest release of HISTORY."""
    legs = rollbacks.path(changes, (live,), to)
    return rollbacks.plan(
        to, leaves="v1.0.4", live=(live,), legs=legs, history=HISTORY, with_downgrade=with_downgrade, rule=rule
    )


RAN = [one.promotion for one in HISTORY]


@pytest.mark.parametrize(
    ("ran", "chosen"),
    [
        pytest.param("4321", "v1.0.3", id="no rollback yet"),
        pytest.param("34321", "v1.0.2", id="after a rollback it goes further back, never forward again"),
        pytest.param("2434321", "v1.0.1", id="after several of them too"),
        pytest.param(
            "4121", "v1.0.1", id="what was left by a rollback is skipped: it ran before, but not right before"
        ),
        pytest.param("4431", "v1.0.3", id="a release that was verified twice is one release"),
    ],
)
def test_without_a_wish_it_is_what_ran_before_the_release_that_runs(ran: str, chosen: str) -> None:
    """`ran` are the releases of HISTORY in the order in which they ran, the newest first."""
    found = rollbacks.choose(HISTORY, [RAN[4 - int(number)] for number in ran], None, "api/production")

    assert found.version.tag == chosen


def test_any_verified_version_can_be_wished_for() -> None:
    """Older or newer than the one that runs."""
    assert rollbacks.choose(HISTORY, [RAN[3]], "v1.0.3", "api/production") is HISTORY[1]


def test_where_nothing_was_verified_there_is_nothing_to_go_back_to() -> None:
    """Said before anything is asked of the environment."""
    with pytest.raises(RejectedError, match="nothing was ever verified"):
        rollbacks.choose([], [], None, "api/production")


def test_the_first_release_has_none_before_it() -> None:
    """It was promoted twice: still the same release."""
    twice = [HISTORY[3], verified(1, "a")]

    with pytest.raises(RejectedError, match=r"before v1\.0\.1: nothing to go back to"):
        rollbacks.choose(twice, [one.promotion for one in twice], None, "api/production")


def test_an_unknown_version_is_named_with_the_nearest_known_one() -> None:
    """A version that was built but never verified here is unknown too."""
    with pytest.raises(ConfigurationError, match=r"'v1\.0\.33' was never verified") as raised:
        rollbacks.choose(HISTORY, RAN, "v1.0.33", "api/production")

    assert "v1.0.3" in str(raised.value.hint)


def test_the_release_that_runs_is_no_target() -> None:
    """Nothing would change."""
    with pytest.raises(RejectedError, match="verified there last"):
        rollbacks.choose(HISTORY, RAN, "v1.0.4", "api/production")


def test_a_schema_that_only_grew_stays() -> None:
    """The older release does not see what was added."""
    found = plan(HISTORY[2], CHANGES)

    assert found.downgrade is None
    assert found.reason == "2 schema changes since v1.0.2, none of which takes anything away from it."


def test_a_release_that_cannot_run_on_the_live_schema_is_refused_with_the_boundary() -> None:
    """Named: what changed it, and the nearest release that can run."""
    changes = [CHANGES[0], migrated(3, "b", "c", "TABLE notes: column colour is gone", compatible=False), CHANGES[2]]

    with pytest.raises(SchemaError, match=r"v1\.0\.2 cannot run .* v1\.0\.3 changed it, TABLE notes: column") as raised:
        plan(HISTORY[2], changes)

    assert "--to v1.0.3" in str(raised.value.hint)
    assert "--with-downgrade" in str(raised.value.hint)


def test_what_was_never_proved_is_not_taken_for_granted() -> None:
    """A change without a rehearsal is a boundary too."""
    with pytest.raises(SchemaError, match="never proved"):
        plan(HISTORY[1], [Migrated("v1.0.4", COMMIT, SchemaChange(("c",), ("d",)), None)])


def test_a_wished_downgrade_takes_the_schema_to_what_the_release_was_verified_on() -> None:
    """With the newest scripts: the older ones do not know the way down."""
    found = plan(HISTORY[3], CHANGES, with_downgrade=True)

    assert found.downgrade is not None
    assert (found.downgrade.before, found.downgrade.after) == (("d",), ("a",))
    assert found.downgrade.commit == "4" * 40
    assert "take the schema from d down to a" in "\n".join(rollbacks.describe(found, "production"))


def test_a_downgrade_that_loses_something_is_refused() -> None:
    """Nobody loses a row by an option; the release and the reason are named."""
    changes = [CHANGES[0], migrated(3, "b", "c", verdict="lossy"), CHANGES[2]]

    with pytest.raises(SchemaError, match=r"v1\.0\.3, lossy: its detail"):
        plan(HISTORY[2], changes, with_downgrade=True)


def test_a_schema_of_unknown_origin_is_refused() -> None:
    """Somebody changed it by hand: no guess is made."""
    with pytest.raises(SchemaError, match="not on record"):
        plan(HISTORY[2], CHANGES, live="x")


def test_an_environment_may_always_take_its_schema_back() -> None:
    """Also with a loss, which the plan names; never by a downgrade that does nothing."""
    lossy = [migrated(4, "c", "d", verdict="lossy"), *CHANGES[1:]]
    empty = [migrated(4, "c", "d", verdict="no-op"), *CHANGES[1:]]

    found = plan(HISTORY[2], lossy, with_downgrade=True, rule="always")

    assert found.downgrade is not None
    assert found.reason.endswith("which loses rows, values or a part of the schema (its detail).")
    with pytest.raises(SchemaError, match=r"v1\.0\.4, no-op: its detail"):
        plan(HISTORY[2], empty, with_downgrade=True, rule="always")


def test_an_environment_may_never_take_its_schema_back() -> None:
    """Not even on a person's wish, and where nothing would be lost."""
    with pytest.raises(SchemaError, match=r'database_rollback = "never"'):
        plan(HISTORY[2], CHANGES, with_downgrade=True, rule="never")
