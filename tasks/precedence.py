"""Who goes first where two promotions want one environment.

The push that came later takes the place of the earlier one, unless the earlier one contains it: an older commit never replaces a newer
one, and ancestry tells which is older, not time. So of two histories that went apart, as after a force-push, the later push wins.
Where a person forces the later one, it wins in any case, and so does a rollback, which gives way to nobody.
"""

from pathlib import Path

from psycopg import Connection
from psycopg.rows import DictRow

from promoter import git, remotes
from promoter.ledger import leases, promotions
from promoter.ledger.promotions import Promotion
from promoter.settings import Settings


def ahead(ledger: Connection[DictRow], promotion: Promotion) -> Promotion | None:
    """Return what `promotion` must not replace: what runs in its environment, or one that waits for it; None where nothing is ahead."""
    place = promotion.service.name, promotion.environment_name
    others = [promotions.released(ledger, *place), *promotions.waiting(ledger, *place)]
    return next((other for other in others if other is not None and goes_before(other, promotion)), None)


def overtake(ledger: Connection[DictRow], promotion: Promotion) -> None:
    """End those that wait for the environment behind `promotion` as superseded; what holds the environment goes on to its end."""
    for other in promotions.waiting(ledger, promotion.service.name, promotion.environment_name):
        if other.rollback_to is None and goes_before(promotion, other):
            leases.give_way(ledger, other.id, why(promotion))


def goes_before(one: Promotion, other: Promotion) -> bool:
    """Say whether `one` takes the place of `other`; none takes its own."""
    if one.id == other.id:
        return False
    earlier, later = sorted((one, other), key=lambda promotion: promotion.accepted_at)
    wished = later.forced or later.rollback_to is not None
    return one is (later if wished or not _is_older(later, earlier) else earlier)


def why(promotion: Promotion) -> str:
    """Return the cause of whatever gives way to `promotion`."""
    claim = "is brought back" if promotion.rollback_to else "is forced" if promotion.forced else "is newer"
    state = "runs there" if promotion.verified_at else "is on its way there"
    return f"commit {promotion.push.commit[:12]} on {promotion.push.branch} {claim}, and {state}"


def _is_older(one: Promotion, other: Promotion) -> bool:
    """Say whether the history of `other` goes on from `one`; a commit that is in the repository no more belongs to no history."""
    older, newer = one.push.commit, other.push.commit
    mirror = _mirror(one, older, newer)
    return (
        older != newer
        and all(git.knows(mirror, commit) for commit in (older, newer))
        and git.is_ancestor(mirror, older, newer)
    )


def _mirror(promotion: Promotion, *commits: str) -> Path:
    """Return the mirror of the repository; it is brought up to date where a commit is missing, for another worker may have seen more."""
    cache = Settings().cache
    mirror = remotes.mirrored(promotion.push.repository, cache)
    known = mirror.is_dir() and all(git.knows(mirror, commit) for commit in commits)
    return mirror if known else remotes.mirror(promotion.push.repository, cache)
