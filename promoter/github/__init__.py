"""What GitHub shows of a promotion: described here from the ledger, and told over its REST API.

`client` alone imports PyGithub, and is imported only where something is told.
"""

from promoter.github.credentials import Credentials, credentials
from promoter.github.notices import Comment, Deployment, Notice, Release, Status, fingerprint, of_change, of_promotion

__all__ = [
    "Comment",
    "Credentials",
    "Deployment",
    "Notice",
    "Release",
    "Status",
    "credentials",
    "fingerprint",
    "of_change",
    "of_promotion",
]
