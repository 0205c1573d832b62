"""The environment's policy: which migration stops a promotion, which downgrade runs by itself, and the sentence about the way back."""

from dataclasses import replace
from typing import get_args

import pytest

from promoter.config import DatabaseRollback, UnsafeMigrations
from promoter.errors import SchemaError
from promoter.records import Hazard, PlannedRevision, Rehearsal, SchemaPlan, SchemaReview, Verdict
from promoter.schema import policy

FILE = "migrations/versions/two.py"
PROVED = Rehearsal(("one",), ("two",), "lossless", "Schema and rows came back.", old_release_compatible=True)
LOSSY = replace(PROVED, verdict="lossy", detail="Lost on the way back: notes.mood.", lost=("notes.mood",))
BROKEN = Rehearsal(("one",), ("two",), "fails", "The upgrade fails at revision two: NotNullViolation")
DROP = Hazard("destructive", ("notes.mood",), 14)
BREAK = Hazard("incompatible", ("TABLE notes: column mood is gone",), 14)


def planned(*hazards: Hazard, verdict: Verdict = "lossy") -> SchemaPlan:
    """Return a plan with one revision."""
    one = PlannedRevision("two", "forget the mood", FILE, 12, "", hazards=hazards, verdict=verdict)
    return SchemaPlan(("one",), ("two",), (one,), "yes")


@pytest.mark.parametrize(
    ("rule", "verdicts"),
    [("never", set()), ("if_lossless", {"lossless"}), ("always", {"lossless", "lossy", "unproved"})],
)
def test_a_downgrade_runs_by_itself_as_the_policy_says(rule: DatabaseRollback, verdicts: set[Verdict]) -> None:
    """One that fails or does nothing never does."""
    found = {one for one in get_args(Verdict) if policy.takes_back(rule, replace(PROVED, verdict=one), ("one",))}

    assert found == verdicts


@pytest.mark.parametrize("rehearsal", [None, replace(PROVED, before=("zero",))], ids=["never", "from elsewhere"])
def test_what_was_not_rehearsed_from_there_is_not_taken_back(rehearsal: Rehearsal | None) -> None:
    """Whatever the policy says."""
    assert not policy.takes_back("always", rehearsal, ("one",))


@pytest.mark.parametrize("hazard", [DROP, BREAK], ids=lambda one: one.kind)
def test_an_unacknowledged_hazard_stops_the_promotion(hazard: Hazard) -> None:
    """The refusal names file, line and revision, and the way round."""
    with pytest.raises(SchemaError) as refused:
        policy.review(planned(hazard), LOSSY, "stop")

    assert refused.value.message.startswith(f"{FILE}:14: revision two ")
    assert hazard.what[0] in refused.value.message
    assert "Expand and contract in two releases" in str(refused.value)
    assert f"`# promoter: acknowledge {hazard.kind}: REASON` in {FILE}" in str(refused.value)
    assert not refused.value.transient


def test_all_hazards_have_to_be_acknowledged() -> None:
    """One reason is not another's."""
    known = replace(DROP, acknowledged="nobody reads it")

    with pytest.raises(SchemaError) as refused:
        policy.review(planned(known, BREAK), LOSSY, "stop")

    assert "destroys" not in str(refused.value)
    assert policy.review(planned(known, replace(BREAK, acknowledged="it is off")), LOSSY, "stop") == SchemaReview()


def test_an_environment_may_only_warn() -> None:
    """The review says what another one would have refused."""
    reviewed = policy.review(planned(DROP), LOSSY, "warn")

    assert reviewed.warnings == (f"{FILE}:14: revision two destroys for good: notes.mood",)


@pytest.mark.parametrize("rule", ["stop", "warn"])
def test_a_migration_that_does_not_run_stops_always(rule: UnsafeMigrations) -> None:
    """Also where nothing else would."""
    with pytest.raises(SchemaError, match=rf"^{FILE}:12: revision two: the rehearsal fails on the way up"):
        policy.review(planned(verdict="fails"), BROKEN, rule)


def test_a_way_back_that_fails_does_not_stop_it() -> None:
    """The new release can go up; the schema stays if it fails."""
    back = replace(PROVED, verdict="fails", detail="The downgrade fails.")

    assert policy.review(planned(verdict="fails"), back, "stop") == SchemaReview()


@pytest.mark.parametrize(
    ("rule", "rehearsal", "sentence"),
    [
        ("if_lossless", replace(PROVED, before=("two",)), "yes"),
        ("if_lossless", PROVED, "yes"),
        ("always", LOSSY, f"yes, losing rows, values or a part of the schema ({LOSSY.detail})"),
        (
            "always",
            replace(PROVED, verdict="unproved", detail="No row."),
            "yes, losing what nobody could prove (No row.)",
        ),
        (
            "if_lossless",
            LOSSY,
            "yes, on the new schema, which stays (lossy: Lost on the way back: notes.mood.)",
        ),
        ("never", PROVED, "yes, on the new schema, which stays (this environment keeps its schema)"),
        (
            "if_lossless",
            replace(LOSSY, old_release_compatible=False, obstacles=("TABLE notes: column mood is gone",)),
            f"no, because the schema stays (lossy: {LOSSY.detail}) and the release before does not fit it ({BREAK.what[0]})",
        ),
        ("always", BROKEN, "no, because it cannot be applied. The upgrade fails at revision two: NotNullViolation"),
    ],
)
def test_the_sentence_about_the_way_back(rule: DatabaseRollback, rehearsal: Rehearsal, sentence: str) -> None:
    """Yes, yes and what it costs, or no and why."""
    assert policy.way_back(rule, rehearsal) == sentence
