"""A change that asks to be merged: a commit on a branch of its own, and the branch that it is meant for."""

from dataclasses import dataclass
from uuid import UUID

from promoter.config import BranchRule, Service
from promoter.records import Push


@dataclass(frozen=True)
class Change:
    """One commit before its merge; the ledger notes at most what was found, for there is nothing to come back from."""

    service: Service
    push: Push
    """The commit, on its own branch."""
    target: str
    """The branch that it is to be merged into."""
    onto: str
    """The commit at the head of `target`, 40 hexadecimal digits."""
    fork: str
    """The commit at which the change left `target`."""
    asked: UUID | None = None
    """What the ledger calls this head of a pull request; None where somebody wants to know it of a branch."""

    @property
    def rule(self) -> BranchRule:
        """The branch rule that holds once it is merged."""
        return self.service.rule(self.target)
