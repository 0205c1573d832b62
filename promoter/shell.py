"""The one door to other programs: argument lists in, `Output` out, secrets masked, no shell."""

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from promoter.errors import CommandError
from promoter.inheritance import inherited
from promoter.masking import mask

KEPT_LINES = 40
"""How many of the last output lines an error shows."""


@dataclass(frozen=True)
class Output:
    """What a program said and how it ended."""

    argv: tuple[str, ...]
    """The command, secrets masked."""
    code: int
    """Exit code; negative is the signal that ended it."""
    stdout: str
    stderr: str
    seconds: float
    """Wall time, in seconds."""


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    secrets: Sequence[str] = (),
    check: bool = True,
    input_text: str | None = None,
    user: int | None = None,
    group: int | None = None,
) -> Output:
    """Run `argv` in a process group of its own and wait for its end.

    `env` is added to what `inheritance` lets through of this process's environment; a value of "" removes the name.
    `timeout` is in seconds, None waits for ever; at its end, and on any exception here, the whole group is killed. Each of
    `secrets` is shown as `***`. `user` and `group` are the ids that the program runs under, with no further groups; None keeps
    this process's own.

    Raises CommandError if the program is missing, ends with another code than 0 (unless `check` is False), or times out.
    """
    command = [str(part) for part in argv]
    started = time.monotonic()
    process = _start(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if input_text is None else subprocess.PIPE,
        stderr=subprocess.PIPE,
        user=user,
        group=group,
        secrets=secrets,
    )
    try:
        stdout, stderr = process.communicate(input_text, timeout)
    except subprocess.TimeoutExpired as error:
        _kill_group(process)
        raise CommandError(f"`{_shown(command, secrets)}` was ended after {timeout:g} s", transient=True) from error
    except BaseException:
        _kill_group(process)
        raise
    output = Output(
        argv=tuple(mask(part, secrets) for part in command),
        code=process.returncode,
        stdout=mask(stdout, secrets),
        stderr=mask(stderr, secrets),
        seconds=time.monotonic() - started,
    )
    if check and output.code != 0:
        raise CommandError(failure(output))
    return output


def lines(
    argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Generator[str, None, Output]:
    """Yield the lines of stdout while `argv` runs, and at its end return its Output without them, whatever its exit code.

    Whoever has read enough closes it, which kills the whole process group. `env` is as in `run`.

    Raises CommandError if the program is missing.
    """
    command = [str(part) for part in argv]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        process = _start(command, cwd=cwd, env=env, stderr=stderr)
        try:
            for line in process.stdout or ():
                yield line.removesuffix("\n")
            process.communicate()
        except BaseException:
            _kill_group(process)
            raise
        stderr.seek(0)
        return Output(tuple(command), process.returncode, "", stderr.read(), time.monotonic() - started)


def failure(output: Output) -> str:
    """Return `output` as a person reads it: command, exit code, last lines of both streams."""
    parts = [f"`{shlex.join(output.argv)}` ended with exit code {output.code}"]
    for name, text in (("stdout", output.stdout), ("stderr", output.stderr)):
        lines = text.strip().splitlines()
        if lines:
            parts.append(f"{name}:\n" + "\n".join(f"    {line}" for line in lines[-KEPT_LINES:]))
    return "\n".join(parts)


def _start(
    command: Sequence[str],
    *,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: int = subprocess.DEVNULL,
    stderr: int | IO[str],
    user: int | None = None,
    group: int | None = None,
    secrets: Sequence[str] = (),
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=_environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
    except OSError as error:
        raise CommandError(f"`{_shown(command, secrets)}` cannot be started: {error}") from error


def _shown(command: Sequence[str], secrets: Sequence[str]) -> str:
    return mask(shlex.join(command), secrets)


def _environment(added: Mapping[str, str] | None) -> dict[str, str]:
    merged = {**inherited(), **(added or {})}
    return {name: value for name, value in merged.items() if value != ""}


def _kill_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
