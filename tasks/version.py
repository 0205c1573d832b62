"""Gives a commit its number."""

from collections.abc import Mapping

from promoter import git, remotes, versions
from promoter.ledger import reservations
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Version
from promoter.settings import Settings
from tasks.stage import stage


@stage()
def compute_version(promotion: Promotion) -> Version:
    """Reserve the version of the promoted commit: its number for ever, also after a failure."""
    settings = Settings()
    push, rule = promotion.push, promotion.service.version
    mirror = remotes.mirror(push.repository, settings.cache)
    suffix = versions.suffix_of(push.branch, promotion.rule.suffix)
    conventional = rule.main_raises == "conventional"
    history = git.history(mirror, f"refs/heads/{rule.main}", push.commit, push.base, messages=conventional)

    def choose(taken: Mapping[str, str]) -> Version:
        return versions.number(
            history,
            branch=push.branch,
            commit=push.commit,
            suffix=suffix,
            raises=rule.main_raises,
            taken={**git.tags(git.references(mirror)), **taken},
        )

    with connect(settings) as ledger:
        return reservations.reserve(ledger, promotion.service.name, push.branch, push.commit, choose)
