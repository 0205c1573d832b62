"""What sessions of roles asked of the sandbox's AWS and what came of it, a line each: its CloudTrail.

The owner of the account and its users are not in it.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "trail.jsonl"


@dataclass(frozen=True)
class Entry:
    """One permission that a call needed."""

    session: str
    """ARN of the session, for example `arn:aws:sts::123456789012:assumed-role/promoter-deployer-staging/promoter-deploy-…`."""
    action: str
    resource: str
    denied: str = ""
    """Which kind of policy denied it, and how; "" where it was allowed."""
    allowed_by: tuple[str, ...] = ()
    """The Sids of the role's own statements that allow it."""

    @property
    def role(self) -> str:
        """The name of the role."""
        return self.session.split("/")[1]

    @property
    def subject(self) -> str:
        """The name of the session."""
        return self.session.split("/")[2]

    def __str__(self) -> str:
        return f"{self.subject} as {self.role}: {self.action} on {self.resource} {self.denied}".strip()


class Trail:
    """Writes entries to `trail.jsonl` of a folder, whole lines from any thread."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / NAME).open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def note(self, entry: Entry) -> None:
        """Write one entry."""
        line = json.dumps(asdict(entry)) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Take no more."""
        with self._lock:
            self._file.close()


def read(folder: Path) -> Iterator[Entry]:
    """Yield what the trail of a folder has so far."""
    for line in (folder / NAME).read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        yield Entry(**{**values, "allowed_by": tuple(values["allowed_by"])})
