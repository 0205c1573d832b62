"""`promoter version` against `git describe` and `git rev-list --count`, on 100,000 commits and 10,000 tags."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from statistics import median

from deployments.bench.result import Result
from promoter import shell

COMMITS = 100_000
TAGS = 10_000
AHEAD = 50
"""Commits of the branch since main. Main has as many since the last of its tags, or more: with the numbers above 10,000."""
RUNS = 15
LIMIT = 2.0
CLEAN = ("--match=v[0-9]*.[0-9]*.[0-9]*", "--exclude=*[!0-9.v]*")


def measure(commits: int = COMMITS, tags: int = TAGS, runs: int = RUNS) -> Result:
    """Build the repository, run all four processes in turn `runs` times, compare medians."""
    with tempfile.TemporaryDirectory(prefix="promoter-bench-") as folder:
        repository = build(Path(folder, "repository"), commits, tags)
        bytecode = {"PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode")), "PYTHONDONTWRITEBYTECODE": ""}
        commands: dict[str, list[str | Path]] = {
            "promoter version": [
                Path(sys.executable).with_name("promoter"),
                "version",
                f"--repo={repository}",
                "--branch=feature",
            ],
            "python's own start": [sys.executable, "-c", "pass"],
            "git describe": ["git", "-C", repository, "describe", "--tags", "--abbrev=0", *CLEAN, "main"],
            "git rev-list --count": ["git", "-C", repository, "rev-list", "--count", "--no-merges", "main..feature"],
        }
        times = _medians(commands, runs, bytecode)
    ours = times["promoter version"] - times["python's own start"]
    git = times["git describe"] + times["git rev-list --count"]
    return Result(f"promoter version, {commits:,} commits and {tags:,} tags", ours / git, LIMIT, times)


def build(repository: Path, commits: int, tags: int) -> Path:
    """Make a bare repository with `commits` on main, a branch `feature` that is AHEAD of it, and annotated release tags."""
    shell.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", repository])
    lines = chain.from_iterable(_history(commits, tags))
    shell.run(["git", "-C", repository, "fast-import", "--quiet"], input_text="".join(lines))
    shell.run(["git", "-C", repository, "pack-refs", "--all"])
    return repository


def _history(commits: int, tags: int) -> Iterator[Sequence[str]]:
    every = (commits - AHEAD) // tags
    for n in range(1, commits + AHEAD + 1):
        by = f"Bench <bench@localhost> {1_500_000_000 + n * 60} +0000"
        branch = "main" if n <= commits else "feature"
        parent = f"from :{n - 1}\n" if n > 1 else ""
        yield (
            f"commit refs/heads/{branch}\nmark :{n}\ncommitter {by}\n{_data(f'fix: change {n}')}",
            f"{parent}M 100644 inline file{n % 100}\n{_data(str(n))}\n",
        )
        number, rest = divmod(n, every)
        if rest == 0 and number <= tags:
            yield (
                f"tag v{number // 1000}.{number // 10 % 100}.{number % 10}\nfrom :{n}\ntagger {by}\n{_data('release')}",
            )


def _data(text: str) -> str:
    return f"data {len(text)}\n{text}\n"


def _medians(commands: dict[str, list[str | Path]], runs: int, env: dict[str, str]) -> dict[str, float]:
    """Return the median time of each command in seconds; they take turns, and a first turn warms caches."""
    root = Path(__file__).parents[2]
    seconds = [
        {name: shell.run(argv, cwd=root, env=env).seconds for name, argv in commands.items()} for _ in range(runs + 1)
    ]
    return {name: median(turn[name] for turn in seconds[1:]) for name in commands}
