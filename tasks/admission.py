"""Decides whether a push may go on, at the moment it is accepted: what may not ends before anything expensive is done."""

from itertools import takewhile

from psycopg import Connection
from psycopg.rows import DictRow

from promoter import git, remotes
from promoter.errors import LeaseError, PromoterError, RejectedError, SupersededError
from promoter.ledger import leases, promotions, steps, verifications
from promoter.ledger.promotions import Promotion
from promoter.recovery import changes
from promoter.settings import Settings
from tasks import precedence


def refuse(ledger: Connection[DictRow], promotion: Promotion) -> PromoterError | None:
    """Return why `promotion` may not go on, None where it may; then whatever waits behind it gives way.

    A refused one is ended, except where it is to be taken back first. One that was verified goes on in any case.
    """
    if promotion.ended_at is not None or promotion.verified_at is not None:
        return None
    error = interrupted(ledger, promotion)
    if error is not None:
        return error
    strayed = _strayed(ledger, promotion)
    if strayed is not None:
        promotions.end(ledger, promotion.id, "rejected", str(strayed))
        return strayed
    return None if promotion.rule.environment is None else _refuse_waiting(ledger, promotion)


def interrupted(ledger: Connection[DictRow], promotion: Promotion) -> RejectedError | None:
    """Return the error of a promotion or a rollback that was cut off while it changed its environment: only the way back goes on.

    Part of it may be taken back already, so it cannot be resumed; one that was verified can.
    """
    begun = [] if promotion.verified_at is not None else changes(steps.of(ledger, promotion.id))
    if not begun:
        return None
    return RejectedError(
        f"the promotion of {promotion.push.commit[:12]} was interrupted in {begun[0].stage}: it is taken back first",
        hint="Promote it again when it has ended.",
    )


def superseded(ledger: Connection[DictRow], promotion: Promotion) -> SupersededError | None:
    """End `promotion` if it must not replace what is there or waits, and return the error that says so.

    One that was verified stays, and so does a rollback: a person wishes it.
    """
    stays = promotion.verified_at is not None or promotion.rollback_to is not None
    other = None if stays else precedence.ahead(ledger, promotion)
    if other is None:
        return None
    cause = precedence.why(other)
    promotions.end(ledger, promotion.id, "superseded", cause)
    return SupersededError(
        f"{promotion.push.commit[:12]}: {cause}",
        hint="An older commit never replaces a newer one by itself; `promoter promote --force` lets it.",
    )


def _strayed(ledger: Connection[DictRow], promotion: Promotion) -> RejectedError | None:
    """Return the error of a commit that the remote's branch does not hold: what a webhook says of a branch is only a hint.

    One whose stages began goes on although its branch was pushed over meanwhile.
    """
    push = promotion.push
    if promotion.forced or steps.of(ledger, promotion.id):
        return None
    mirror = remotes.mirrored(push.repository, Settings().cache)
    head = git.references(mirror).get(f"refs/heads/{push.branch}")
    if head is not None and git.is_ancestor(mirror, push.commit, head):
        return None
    return RejectedError(
        f"{push.commit[:12]} is no commit of the branch {push.branch!r}, which is {'gone' if head is None else f'at {head[:12]}'}",
        hint="Push it there; or, if it is to be promoted all the same, `promoter promote --force`.",
    )


def _refuse_waiting(ledger: Connection[DictRow], promotion: Promotion) -> PromoterError | None:
    error = _frozen(ledger, promotion) or _held(ledger, promotion) or _doubted(ledger, promotion)
    if error is not None:
        promotions.end(ledger, promotion.id, "rejected", str(error))
        return error
    late = superseded(ledger, promotion)
    if late is None:
        precedence.overtake(ledger, promotion)
    return late


def _frozen(ledger: Connection[DictRow], promotion: Promotion) -> LeaseError | None:
    try:
        leases.refuse_frozen(ledger, promotion.service.name, promotion.environment_name)
    except LeaseError as error:
        return error
    return None


def _doubted(ledger: Connection[DictRow], promotion: Promotion) -> RejectedError | None:
    """Return the error of a commit that brings along a release which is unwell where it runs; a person gets past.

    What counts are the environments of the branch rules before the promotion's own: a sick production keeps no cure from staging.
    """
    service, push = promotion.service, promotion.push
    before = takewhile(lambda rule: rule != promotion.rule, service.branches)
    for name in dict.fromkeys(rule.environment for rule in before if rule.environment is not None):
        doubt = verifications.doubt(ledger, service.name, name)
        if doubt is None or promotion.forced:
            continue
        mirror = remotes.mirrored(push.repository, Settings().cache)
        if git.knows(mirror, doubt.commit) and git.is_ancestor(mirror, doubt.commit, push.commit):
            return RejectedError(
                f"{push.commit[:12]} brings along {doubt.commit[:12]}, which is unwell in {name} since "
                f"{doubt.since:%Y-%m-%d %H:%M:%S%z}: {doubt.reason}",
                hint=f"Mend {name}; `verify-health` lets it pass again. Or, if the release is not to blame, `promoter promote --force`.",
            )
    return None


def _held(ledger: Connection[DictRow], promotion: Promotion) -> RejectedError | None:
    """Return the error of a commit that was taken back here before; a newer one, or a person, gets past."""
    commit, place = promotion.push.commit, promotion.environment_name
    earlier = promotions.holding(ledger, promotion.service.name, place, commit)
    if earlier is None or promotion.forced:
        return None
    cause = (earlier.cause or "no cause is known").splitlines()[0]
    ended = f"{earlier.ended_at:%Y-%m-%d %H:%M:%S%z}"
    return RejectedError(
        f"{commit[:12]} is held: its promotion {earlier.id} to {place} ended as {earlier.outcome} at {ended}: {cause}",
        hint="Push a commit that mends it; or, if the commit is not to blame, `promoter promote --force`.",
    )
