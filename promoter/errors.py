"""Everything that can go wrong, as one tree; each class has an exit code of its own.

PromoterError                    1
├── ConfigurationError           2   a file, an option or a name is wrong
├── UnknownBranchError           3   no branch rule: this branch is not promoted
├── RepositoryError              4   git: no repository, no such commit, a remote that refuses
├── VersionError                 5   no version can be said for this commit
├── ChecksError                  6   lock file, tests or code quality stop the promotion
├── ImageError                   7   build, registry or image policy
├── SchemaError                  8   database or migration
├── RolloutError                 9   ECS
├── HealthError                 10   the release does not answer as it must
├── ReleaseError                11   git tag or `:latest`
├── LedgerError                 12   the ledger is unreachable or does not fit
│   └── LeaseError              13   somebody else holds the environment
├── SecretError                 14   a secret or a key in it is missing
├── CommandError                15   a program ended with an error
├── GitHubError                 16   GitHub does not answer, or refuses what it is to show
└── OutcomeError                     a promotion ended, but not as a release
    ├── RolledBackError         20
    ├── SchemaKeptError         21
    ├── FrozenError             22
    ├── SupersededError         23
    └── RejectedError           24
"""

from typing import ClassVar

from promoter.discretion import discreet


class PromoterError(Exception):
    """The root: what went wrong and where, and in `hint` what to do next.

    No secret that was handed out in this process is told. `transient` says that the same call may well succeed later; only such errors
    are retried.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        self.message = discreet(message)
        super().__init__(self.message)
        self.hint = None if hint is None else discreet(hint)
        self.transient = transient

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n→ {self.hint}"


class ConfigurationError(PromoterError):
    """A file, an option or a name is wrong."""

    exit_code = 2


class UnknownBranchError(PromoterError):
    """No branch rule matches: this branch is not promoted."""

    exit_code = 3


class RepositoryError(PromoterError):
    """Git has no such repository or commit, or the remote refuses."""

    exit_code = 4


class VersionError(PromoterError):
    """No version can be said for this commit."""

    exit_code = 5


class ChecksError(PromoterError):
    """The lock file, a test or the code quality stops the promotion."""

    exit_code = 6


class ImageError(PromoterError):
    """The image cannot be built, pushed or trusted."""

    exit_code = 7


class SchemaError(PromoterError):
    """The database or one of its migrations fails."""

    exit_code = 8


class RolloutError(PromoterError):
    """ECS cannot run the new task definition."""

    exit_code = 9


class HealthError(PromoterError):
    """The release does not answer as it must."""

    exit_code = 10


class ReleaseError(PromoterError):
    """The git tag or `:latest` cannot be set."""

    exit_code = 11


class LedgerError(PromoterError):
    """The ledger is unreachable, or its schema does not fit this program."""

    exit_code = 12


class LeaseError(LedgerError):
    """Somebody else holds the environment."""

    exit_code = 13


class SecretError(PromoterError):
    """A secret, or a key in it, is missing."""

    exit_code = 14


class CommandError(PromoterError):
    """A program ended with an error; the message holds its command, exit code and output."""

    exit_code = 15


class GitHubError(PromoterError):
    """GitHub does not answer, or refuses what it is to show; no promotion fails with it."""

    exit_code = 16


class BusyError(GitHubError):
    """GitHub wants to be left alone for some `seconds`; always transient."""

    def __init__(self, message: str, *, seconds: float = 60, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, transient=True)
        self.seconds = seconds


class OutcomeError(PromoterError):
    """A promotion came to its end, but not as a release."""


class RolledBackError(OutcomeError):
    """The old release serves again, on its old schema."""

    exit_code = 20


class SchemaKeptError(OutcomeError):
    """The old release serves again, on the new schema."""

    exit_code = 21


class FrozenError(OutcomeError):
    """A person is needed; the environment takes no promotion until it is unfrozen."""

    exit_code = 22


class SupersededError(OutcomeError):
    """A newer push took this one's place before anything changed."""

    exit_code = 23


class RejectedError(OutcomeError):
    """The promotion was stopped before anything changed."""

    exit_code = 24
