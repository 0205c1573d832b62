"""What this process knows and never says: every secret that was handed out in it.

Errors, log lines, artifacts and the ledger's texts pass `discreet`. A value that any text may contain by chance would take the words
out of everybody's mouth, so it is not hidden everywhere: see `is_telling`. It stays an opaque value, and the tools that work with it
mask it in what they return.
"""

from promoter.masking import encodings, mask, spellings

SHORTEST = 6
"""Characters of the shortest value that is hidden."""
ONE_WORD = 16
"""Characters from which on a single word or a number is hidden too: no word of a text is that long by chance."""

_FORMS: dict[str, None] = {}
"""Every secret in all its spellings."""


def remember(*secrets: str) -> None:
    """Let none of `secrets` be seen in what this process says from now on, whoever says it."""
    new = [form for secret in secrets if is_telling(secret) for form in (*spellings(secret), *encodings(secret))]
    if not _FORMS.keys() >= set(new):
        _FORMS.update(dict.fromkeys(new))
        from promoter.discreet_logs import install  # noqa: PLC0415 - logging is half the start of a command that has no secrets

        install()


def discreet(text: str) -> str:
    """Return `text` with every secret that was handed out shown as `***`."""
    return mask(text, list(_FORMS))


def is_telling(secret: str) -> bool:
    """Say whether a text that contains `secret` can only have it from us.

    Not so for less than SHORTEST characters, and for one word (`sandbox`, `Postgres`) or number of less than ONE_WORD.
    """
    word = secret.isdigit() or (secret.isalpha() and secret in {secret.lower(), secret.upper(), secret.capitalize()})
    return len(secret.strip()) >= (ONE_WORD if word else SHORTEST)
