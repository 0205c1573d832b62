"""What the ledger keeps of the last look at an environment, and which release is doubted since."""

from collections.abc import Callable

import pytest

from promoter.config import Service
from promoter.ledger import leases, promotions, steps, verifications
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Image, Push, SchemaChange, Version
from promoter.settings import Settings
from promoter.verification import Finding

PLACE = ("api", "staging")
SICK, UNSEEN = Finding("sick", "health: status 500"), Finding("unseen", "heads: refused")
Release = Callable[[int], Promotion]


@pytest.fixture
def release(settings: Settings, make_service: Callable[..., Service]) -> Release:
    """Return a way to verify a commit, named by one digit, in staging."""

    def make(digit: int) -> Promotion:
        commit, tag = f"{digit}" * 40, f"v1.0.{digit}-test"
        push = Push(repository="https://git.example/api.git", branch="test", commit=commit, base="v1.0.2")
        records = {
            "compute_version": Version(tag, tag[1:], "v1.0.2", commit, "test", "because"),
            "publish_image": Image("registry.example/api", tag, f"sha256:{digit:064x}", ("linux/amd64",)),
            "migrate": SchemaChange(("a",), ("b",)),
        }
        with connect(settings) as ledger:
            promotion = promotions.accept(ledger, make_service(), push)
            for stage, record in records.items():
                steps.begin(ledger, promotion.id, stage, type(record).__name__)
                steps.finish(ledger, promotion.id, stage, record)
            promotions.verify(ledger, promotion.id)
            promotions.end(ledger, promotion.id, "released")
        return promotion

    return make


def note(promotion: Promotion, *findings: Finding) -> bool:
    """Write what a look found."""
    with connect() as ledger:
        return verifications.note(ledger, *PLACE, promotion.id, findings)


def doubted() -> str | None:
    """Return why what runs is doubted."""
    with connect() as ledger:
        doubt = verifications.doubt(ledger, *PLACE)
    return None if doubt is None else doubt.reason


def test_a_release_is_doubted_until_it_is_well_again(release: Release) -> None:
    """Whoever wants to know is told when that changes, not at every look."""
    promotion = release(3)

    assert [note(promotion, *found) for found in [(), (SICK,), (SICK, UNSEEN)]] == [False, True, False]
    assert doubted() == "health: status 500"
    assert [note(promotion), doubted(), note(promotion)] == [True, None, False]


def test_it_is_doubted_since_the_first_of_the_looks_that_found_it_so(release: Release) -> None:
    """The time is the ledger's."""
    promotion = release(3)
    note(promotion, SICK)
    with connect() as ledger:
        first = verifications.doubt(ledger, *PLACE)

    note(promotion, SICK, UNSEEN)

    with connect() as ledger:
        later = verifications.doubt(ledger, *PLACE)
    assert first is not None
    assert later is not None
    assert (later.since, later.commit) == (first.since, "3" * 40)


def test_what_could_not_be_looked_at_is_no_doubt(release: Release) -> None:
    """It is written down all the same."""
    assert note(release(3), UNSEEN) is False
    assert doubted() is None


def test_a_newer_release_is_not_doubted_for_the_older_one(release: Release) -> None:
    """It was verified itself."""
    note(release(3), SICK)

    release(4)

    assert doubted() is None


def test_what_is_expected_is_what_was_released_last(release: Release) -> None:
    """By its own records."""
    with connect() as ledger:
        assert verifications.expected(ledger, *PLACE) is None

    release(3)
    promotion = release(4)

    with connect() as ledger:
        found = verifications.expected(ledger, *PLACE)
    assert found is not None
    assert (found.promotion, found.version.tag, found.heads, found.latest) == (
        promotion.id,
        "v1.0.4-test",
        ("b",),
        False,
    )


def test_a_schema_that_a_failed_promotion_left_is_expected(
    release: Release, settings: Settings, make_service: Callable[..., Service]
) -> None:
    """The old release runs on it, and that is no drift."""
    release(3)
    push = Push(repository="https://git.example/api.git", branch="test", commit="5" * 40, base="v1.0.2")
    with connect(settings) as ledger:
        failed = promotions.accept(ledger, make_service(), push)
        steps.begin(ledger, failed.id, "migrate", "SchemaChange")
        steps.intend(ledger, failed.id, "migrate", SchemaChange(("b",), ("c",)))
        promotions.end(ledger, failed.id, "schema_kept", "it crashed")

        found = verifications.expected(ledger, *PLACE)

    assert found is not None
    assert found.heads == ("c",)


def test_an_environment_that_somebody_holds_is_moving(
    release: Release, settings: Settings, make_service: Callable[..., Service]
) -> None:
    """Nothing is judged while it is being changed."""
    release(3)
    push = Push(repository="https://git.example/api.git", branch="test", commit="5" * 40, base="v1.0.2")
    with connect(settings) as ledger:
        assert not verifications.is_moving(ledger, *PLACE)

        leases.take(ledger, promotions.accept(ledger, make_service(), push), driver="worker", seconds=30)

        assert verifications.is_moving(ledger, *PLACE)
