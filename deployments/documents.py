"""What the command line prints as JSON: times in UTC by ISO 8601, ids as text, null for what is not there."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from promoter.ledger.history import Entry


def as_entry(entry: Entry) -> dict[str, Any]:
    """Return one promotion: the fields of `Entry`, and `seconds`; `outcome`, `ended` and `seconds` are null while it is under way."""
    return plain({**vars(entry), "seconds": entry.seconds})


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return `document` in JSON's own types."""
    read: dict[str, Any] = json.loads(json.dumps(document, default=_plain))
    return read


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
