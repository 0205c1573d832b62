"""The version benchmark, on a small repository."""

from pathlib import Path

from deployments.bench import version
from deployments.bench.result import Result
from promoter import git


def test_the_benchmark_measures_four_processes() -> None:
    """Python's own start is shown, and taken off."""
    result = version.measure(commits=100, tags=5, runs=1)

    times = result.times
    ours = times["promoter version"] - times["python's own start"]
    assert result.ratio == ours / (times["git describe"] + times["git rev-list --count"])
    assert "python's own start" in str(result)


def test_the_repository_is_as_described(tmp_path: Path) -> None:
    """Commits, tags, and a branch ahead of main."""
    repository = version.build(tmp_path / "repository", commits=100, tags=5)

    references = git.references(repository)
    assert len(git.tags(references)) == 5
    assert git.base_tag(repository, "refs/heads/main") == "v0.0.5"
    assert git.counted_commits(repository, "refs/heads/main", references["refs/heads/feature"]) == version.AHEAD


def test_a_missed_limit_is_said() -> None:
    """In words and as a value."""
    slow, fast = (Result("x", ratio, 2, {"a": 0.1}) for ratio in (2.1, 2.0))

    assert (slow.held, fast.held) == (False, True)
    assert str(slow) == "x: ratio 2.10, limit 2: TOO SLOW\n  a    100.0 ms"
