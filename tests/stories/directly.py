"""`python -m tests.stories.directly SENTENCE SERVICE BRANCH COMMIT` promotes in this process, as a worker's process does."""

import sys
from importlib import import_module


def main(sentence: str, service: str, branch: str, commit: str) -> None:
    """Run one flow to its end."""
    getattr(import_module("flows.promote"), sentence)(service, branch, commit)


if __name__ == "__main__":
    main(*sys.argv[1:])
