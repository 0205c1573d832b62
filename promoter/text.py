"""Makes text that came from outside safe to show: one line, no control characters, no password of a URL, no secret of ours, short."""

import re

from promoter.discretion import discreet

ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
URL_PASSWORD = re.compile(r"(?<=://)([^\s/@:]*):\S+(?=@)")


def printable(text: str, limit: int = 200) -> str:
    """Return `text` on one line of at most `limit` characters.

    Terminal escapes are dropped, white space and characters that do not print become one space, and the password in
    `scheme://user:password@` and every secret that was handed out in this process become `***`.
    """
    seen = (character if character.isprintable() else " " for character in ESCAPES.sub("", discreet(text)[: limit * 8]))
    line = " ".join("".join(seen).split())
    line = URL_PASSWORD.sub(r"\1:***", line)
    return line if len(line) <= limit else line[: limit - 1] + "…"
