"""The rehearsal benchmark, on two short histories."""

from deployments.bench import rehearsal


def test_the_benchmark_compares_upgrades_and_times_rehearsals() -> None:
    """Every turn of a history is in it; nothing is asked of the ratio."""
    result = rehearsal.measure(short=1, long=len(rehearsal.TURNS), runs=1)

    times = result.times
    assert list(times) == ["promoter", "alembic upgrade heads", "rehearsal of 1", "rehearsal of 5"]
    assert result.ratio == times["promoter"] / times["alembic upgrade heads"]
    assert result.held
    assert "no limit" in str(result)
