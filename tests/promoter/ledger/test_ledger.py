"""The ledger on a real PostgreSQL: what it promises to the way back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from promoter import versions
from promoter.config import Service
from promoter.errors import LeaseError, LedgerError, VersionError
from promoter.ledger import leases, promotions, reservations, schema, steps
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Rollout, SchemaChange, Version
from promoter.settings import Settings

A, B = "a" * 40, "b" * 40
PUSH = Push(repository="https://git.example/api.git", branch="test", commit=A, base="v1.0.2")


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """Return the service that is promoted."""
    return make_service()


def accept(settings: Settings, service: Service, push: Push = PUSH, flow_run: UUID | None = None) -> Promotion:
    """Accept a push in a transaction of its own."""
    with connect(settings) as ledger:
        return promotions.accept(ledger, service, push, flow_run=flow_run)


def take(settings: Settings, promotion: Promotion, driver: str = "one", seconds: float = 30) -> leases.Lease:
    """Take the environment in a transaction of its own."""
    with connect(settings) as ledger:
        return leases.take(ledger, promotion, driver=driver, seconds=seconds)


def end(settings: Settings, promotion: Promotion, outcome: promotions.Outcome) -> bool:
    """End a promotion in a transaction of its own."""
    with connect(settings) as ledger:
        return promotions.end(ledger, promotion.id, outcome, "because")


def test_a_push_that_is_under_way_is_resumed(settings: Settings, service: Service) -> None:
    """The same commit on the same branch is the same promotion until that has ended."""
    first, second = accept(settings, service), accept(settings, service, flow_run=uuid4())

    assert second.id == first.id


def test_the_base_is_fixed_when_the_push_is_accepted(settings: Settings, service: Service) -> None:
    """A tag that appears later changes no number."""
    accept(settings, service)

    assert accept(settings, service, replace(PUSH, base="v9.9.9")).push.base == "v1.0.2"


def test_a_released_push_is_not_promoted_again(settings: Settings, service: Service) -> None:
    """A duplicate delivery after the release finds the release."""
    first = accept(settings, service)
    with connect(settings) as ledger:
        promotions.verify(ledger, first.id)
        promotions.end(ledger, first.id, "released")

    assert accept(settings, service).id == first.id


def test_a_push_that_was_rolled_back_can_be_tried_again(settings: Settings, service: Service) -> None:
    """A new promotion begins; the old one keeps its story."""
    first = accept(settings, service)
    end(settings, first, "rolled_back")

    again = accept(settings, service)

    assert again.id != first.id
    assert again.outcome is None


def test_a_promotion_ends_once(settings: Settings, service: Service) -> None:
    """The first outcome stands."""
    promotion = accept(settings, service)

    assert end(settings, promotion, "rolled_back")
    assert not end(settings, promotion, "frozen")
    with connect(settings) as ledger:
        assert promotions.get(ledger, promotion.id).outcome == "rolled_back"


def test_nothing_is_released_to_an_environment_without_being_verified(settings: Settings, service: Service) -> None:
    """The ledger itself refuses it."""
    promotion = accept(settings, service)

    with pytest.raises(psycopg.errors.CheckViolation):
        end(settings, promotion, "released")


def test_the_configuration_is_the_one_of_the_start(settings: Settings, make_service: Callable[..., Service]) -> None:
    """A file that changes in the middle changes nothing under way."""
    first = accept(settings, make_service())

    again = accept(settings, make_service(image={"repository": "registry.example/other"}))

    assert again.service == first.service


def test_the_first_intent_stands(settings: Settings, service: Service) -> None:
    """A second try never takes a half-changed world for the state before."""
    promotion = accept(settings, service)
    with connect(settings) as ledger:
        steps.begin(ledger, promotion.id, "migrate", "SchemaChange")
        steps.intend(ledger, promotion.id, "migrate", SchemaChange(("one",), ("two",)))

        second = steps.intend(ledger, promotion.id, "migrate", SchemaChange(("half",), ("two",)))

    assert second == SchemaChange(("one",), ("two",))


def test_records_come_back_as_they_were(settings: Settings, service: Service) -> None:
    """A record survives the ledger, field by field."""
    promotion = accept(settings, service)
    rollout = Rollout(before="arn:1", after="arn:2", deployment="ecs-svc/7", seconds=1.5)
    with connect(settings) as ledger:
        steps.begin(ledger, promotion.id, "roll_out", "Rollout")
        steps.finish(ledger, promotion.id, "roll_out", rollout)

        found = steps.find(ledger, promotion.id, "roll_out")

    assert found is not None
    assert found.result == rollout


def test_one_promotion_at_a_time_holds_an_environment(settings: Settings, service: Service) -> None:
    """The second waits until the first has ended (I3)."""
    first, second = accept(settings, service), accept(settings, service, replace(PUSH, commit=B))
    take(settings, first)

    with pytest.raises(LeaseError) as refused:
        take(settings, second)
    end(settings, first, "rolled_back")

    assert refused.value.transient
    assert take(settings, second).epoch == 2


def test_a_holder_without_a_driver_is_not_replaced_by_another_promotion(settings: Settings, service: Service) -> None:
    """A half-changed environment is brought to an end before anybody else may have it."""
    first, second = accept(settings, service), accept(settings, service, replace(PUSH, commit=B))
    take(settings, first, seconds=0)

    with pytest.raises(LeaseError):
        take(settings, second)


def test_a_living_driver_is_left_alone(settings: Settings, service: Service) -> None:
    """Nobody takes a promotion over from somebody who gives signs of life."""
    promotion = accept(settings, service)
    take(settings, promotion)

    with pytest.raises(LeaseError):
        take(settings, promotion, driver="another")


def test_a_driver_that_wakes_up_too_late_is_refused(settings: Settings, service: Service) -> None:
    """The epoch grows when another takes over, and never goes back."""
    promotion = accept(settings, service)
    old = take(settings, promotion, seconds=0)
    new = take(settings, promotion, driver="another")

    with pytest.raises(LeaseError), connect(settings) as ledger:
        leases.renew(ledger, old, 30)

    assert new.epoch == old.epoch + 1


def test_signs_of_life_are_given_while_a_block_runs(settings: Settings, service: Service) -> None:
    """A long stage keeps its promotion."""
    promotion = accept(settings, service)
    short = settings.model_copy(update={"lease_seconds": 0.3})

    with leases.alive(promotion.id, "one", short):
        first = expiry(settings, promotion)
        while expiry(settings, promotion) == first:
            pass
        with pytest.raises(LeaseError):
            take(settings, promotion, driver="another")


def test_a_frozen_environment_takes_no_promotion(settings: Settings, service: Service) -> None:
    """The refusal says who froze it and why, and is final until it is unfrozen."""
    promotion = accept(settings, service)
    with connect(settings) as ledger:
        leases.freeze(ledger, "api", "staging", reason="fire drill", by="ann")

    with pytest.raises(LeaseError, match="by ann: fire drill") as refused:
        take(settings, promotion)
    with connect(settings) as ledger:
        leases.unfreeze(ledger, "api", "staging")

    assert not refused.value.transient
    assert take(settings, promotion).environment == "staging"


def test_a_number_names_one_commit_for_ever(settings: Settings) -> None:
    """A second commit gets another number, the first one its own again."""
    with connect(settings) as ledger:
        first = reservations.reserve(ledger, "api", "test", A, numbering(A))
        second = reservations.reserve(ledger, "api", "test", B, numbering(B))
        again = reservations.reserve(ledger, "api", "test", A, numbering(A))

    assert (first.tag, second.tag, again.tag) == ("v0.0.1", "v0.0.2", "v0.0.1")


def test_two_branches_of_one_suffix_do_not_share_a_number(settings: Settings) -> None:
    """`test` and `cicd/test` on one commit are two images, so they get two numbers."""
    with connect(settings) as ledger:
        first = reservations.reserve(ledger, "api", "test", A, next_free(A))
        second = reservations.reserve(ledger, "api", "cicd/test", A, next_free(A))

    assert (first.tag, second.tag) == ("v0.0.1", "v0.0.2")


def test_a_number_names_one_digest_for_ever(settings: Settings) -> None:
    """A rebuild that comes out differently is refused."""
    with connect(settings) as ledger:
        reservations.reserve(ledger, "api", "test", A, numbering(A))
        reservations.pin(ledger, "api", "v0.0.1", "sha256:" + "1" * 64)
        with pytest.raises(VersionError, match="one digest"):
            reservations.pin(ledger, "api", "v0.0.1", "sha256:" + "2" * 64)


def test_an_unreachable_ledger_is_a_clear_transient_error(settings: Settings) -> None:
    """It says where it looked and that nothing was changed."""
    lost = settings.model_copy(update={"ledger_url": "postgresql://promoter@127.0.0.1:1/promoter"})

    with pytest.raises(LedgerError, match="cannot be reached") as error, connect(lost):
        pass

    assert error.value.transient


def test_the_ledger_goes_down_and_up_again_without_losing_a_promotion(settings: Settings, service: Service) -> None:
    """Every migration has its way back; what an older schema does not know is forgotten."""
    promotion = accept(settings, service)
    before = schema.head()

    with schema_config(settings) as config:
        command.downgrade(config, "0001")
    assert schema.upgrade(settings) == before

    with connect(settings) as ledger:
        assert promotions.get(ledger, promotion.id) == promotion


def test_a_newer_ledger_is_refused(settings: Settings) -> None:
    """An old program never works on a schema that it does not know."""
    with connect(settings) as ledger:
        ledger.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(LedgerError, match="newer Promoter"):
        schema.upgrade(settings)
    with connect(settings) as ledger, pytest.raises(LedgerError, match="newer Promoter"):
        schema.check(ledger)


@contextmanager
def schema_config(settings: Settings) -> Iterator[Config]:
    """Yield what Alembic needs to migrate the ledger, in one transaction."""
    engine = create_engine(schema._url(settings), poolclass=NullPool)
    with engine.begin() as connection:
        yield schema._config(connection)
    engine.dispose()


def expiry(settings: Settings, promotion: Promotion) -> datetime:
    """Return until when the driver of a promotion counts as alive."""
    with connect(settings) as ledger:
        row = ledger.execute("SELECT alive_until FROM promotions WHERE id = %s", [promotion.id]).fetchone()
    assert row is not None
    return row["alive_until"] or datetime.min.replace(tzinfo=UTC)


def numbering(commit: str) -> Callable[[Mapping[str, str]], Version]:
    """Return a rule that takes the next free patch."""

    def choose(taken: Mapping[str, str]) -> Version:
        number = len(taken) + 1
        return Version(f"v0.0.{number}", f"0.0.{number}", "v0.0.0", commit, "test", "the next free one")

    return choose


def next_free(commit: str) -> Callable[[Mapping[str, str]], Version]:
    """Return the rule of `promoter.versions`: a number that names something else is skipped."""
    candidate = Version("v0.0.1", "0.0.1", "v0.0.0", commit, "test", "the first one")
    return lambda taken: versions.choose(candidate, taken)
