"""Programs that are heard line by line."""

import os
import sys
from collections.abc import Generator
from contextlib import closing

import pytest

from promoter import shell
from promoter.errors import CommandError
from promoter.shell import Output


def speak(script: str) -> Generator[str, None, Output]:
    """Return the lines of a Python program."""
    return shell.lines([sys.executable, "-u", "-c", script])


def is_gone(pid: int) -> bool:
    """Say whether a process is no more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_lines_come_while_the_program_runs() -> None:
    """Whoever has heard enough ends it, and it does not stay behind."""
    with closing(speak("import os, time; print(os.getpid()); time.sleep(60)")) as lines:
        pid = int(next(lines))
        assert not is_gone(pid)

    assert is_gone(pid)


def test_at_its_end_a_program_has_a_code_and_a_stderr() -> None:
    """However much it complains meanwhile, it is not held up."""
    lines = speak("import sys; print('one'); sys.stderr.write('x' * 200_000); print('two'); sys.exit(3)")
    heard = [next(lines), next(lines)]
    with pytest.raises(StopIteration) as ended:
        next(lines)
    output = ended.value.value

    assert heard == ["one", "two"]
    assert (output.code, output.stdout, len(output.stderr)) == (3, "", 200_000)


def test_a_program_that_is_missing_says_nothing() -> None:
    """The error comes with the first line that is asked for."""
    with pytest.raises(CommandError, match="cannot be started"):
        next(shell.lines(["no-such-program"]))
