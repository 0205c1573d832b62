"""Gives a commit its number, or says which one it would get."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from promoter import git, remotes, versions
from promoter.config import Service
from promoter.ledger import reservations, schema
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Version
from promoter.settings import Settings
from tasks.stage import stage


@stage()
def compute_version(promotion: Promotion) -> Version:
    """Reserve the version of the promoted commit: its number for ever, also after a failure."""
    push, service = promotion.push, promotion.service
    choose = _chooser(service, push)
    with connect() as ledger:
        return reservations.reserve(ledger, service.name, push.branch, push.commit, choose)


def preview(service: Service, push: Push, *, target: str, onto: str) -> Version:
    """Return the version that the branch `target`, whose head is `onto`, would give once `push` is merged; reserve nothing.

    Raises UnknownBranchError if no rule holds for `target`, VersionError where no number can be said, LedgerError.
    """
    choose = _chooser(service, replace(push, branch=target), onto=onto)
    with connect() as ledger:
        schema.check(ledger)
        return choose(reservations.taken(ledger, service.name, target))


def _chooser(service: Service, push: Push, *, onto: str | None = None) -> Callable[[Mapping[str, str]], Version]:
    """Return what makes the push's number of the taken ones (tag → commit), to which the repository's tags are added."""
    rule, mirror = service.version, remotes.mirror(push.repository, Settings().cache)
    conventional = rule.main_raises == "conventional"
    main = f"refs/heads/{rule.main}"
    history = git.history(mirror, main, push.commit, push.base, messages=conventional, onto=onto)

    def choose(taken: Mapping[str, str]) -> Version:
        return versions.number(
            history,
            branch=push.branch,
            commit=push.commit,
            suffix=versions.suffix_of(push.branch, service.rule(push.branch).suffix),
            raises=rule.main_raises,
            taken={**git.tags(git.references(mirror)), **taken},
        )

    return choose
