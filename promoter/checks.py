"""Runs a service's checks: locked dependencies, migrations from empty, code quality, tests, on a database of their own."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from promoter import dependencies, postgres, reports
from promoter.config import Service
from promoter.errors import ChecksError, CommandError
from promoter.masking import mask
from promoter.records import TestFailure, TestReport, Version
from promoter.secrets import DatabaseCredentials
from promoter.shell import Output, failure, run

DATABASE = "test"
SHOWN = 20
"""How many failing tests an error names; its report has them all."""


class FailedChecksError(ChecksError):
    """Checks that ran and found something; `report` has all of it."""

    def __init__(self, message: str, report: TestReport) -> None:
        super().__init__(message, hint="Mend it and push again; nothing was changed.")
        self.report = report


@dataclass(frozen=True)
class Bench:
    """What the commands of one run of checks have in common."""

    checkout: Path
    service: Service
    environment: dependencies.Environment
    credentials: DatabaseCredentials
    """Of the database that the tests may do with as they like."""

    def run(self, argv: Sequence[str], directory: str, timeout: float) -> Output:
        """Run `argv` in a folder of the checkout; raise ChecksError if it is missing or takes too long."""
        folder = self.checkout / directory
        if not folder.is_dir():
            raise ChecksError(
                f"{directory} is no folder of the repository", hint="Mend the directory in the service's file."
            )
        try:
            return run(argv, cwd=folder, env=self.variables(folder), timeout=timeout, secrets=self.secrets, check=False)
        except CommandError as error:
            raise ChecksError(f"{self.service.name}: {error.message}", hint=error.hint) from error

    def variables(self, folder: Path) -> Mapping[str, str]:
        """Return the environment of a command; the database is always the one that was made for this run."""
        return {
            **self.environment.variables(folder),
            **self.service.checks.variables,
            **self.credentials.variables(self.service.database.variables),
        }

    @property
    def secrets(self) -> list[str]:
        """What no output may show."""
        return [self.credentials.password.get_secret_value()]


def run_checks(checkout: Path, service: Service, *, cache: Path, version: Version | None = None) -> TestReport:
    """Run all checks of `service` on the sources in `checkout`, and return what the tests reported.

    `version` only names the release in errors. Raises ChecksError where the checks cannot run, and FailedChecksError, which
    has the report, where a migration, the code quality or a test fails, or where no test ran.
    """
    name = service.name if version is None else f"{service.name} {version.tag}"
    dependencies.check_lock(checkout, service.dependencies, cache=cache)
    groups = service.dependencies.groups
    environment = dependencies.environment(checkout, service.dependencies, cache=cache, groups=groups)
    with postgres.temporary_server() as server:
        bench = Bench(checkout, service, environment, postgres.create_database(server, DATABASE))
        _migrate(bench, name)
        for command in service.checks.quality:
            _require(bench.run(command, service.checks.directory, service.checks.timeout), name)
        return _test(bench, name)


def _migrate(bench: Bench, name: str) -> None:
    """Take the empty database to all heads, as the very first deployment would."""
    rule = bench.service.migrations
    argv = [str(bench.environment.python), "-m", "alembic", "-c", rule.config, "upgrade", "heads"]
    _require(bench.run(argv, rule.directory, rule.timeout), f"{name}: the migrations do not run on an empty database")


def _require(output: Output, name: str) -> None:
    if output.code != 0:
        report = TestReport(0, 1, 0, output.seconds, (TestFailure(" ".join(output.argv), failure(output)),))
        raise FailedChecksError(f"{name}: {failure(output)}", report)


def _test(bench: Bench, name: str) -> TestReport:
    rule = bench.service.checks
    folder = bench.checkout / rule.directory
    _forget([folder / file for file in (rule.junit, rule.coverage) if file is not None])
    output = bench.run(rule.test, rule.directory, rule.timeout)
    report = _report(bench, folder, output)
    if report.failed or output.code != 0:
        raise FailedChecksError(f"{name}: {_story(report, output)}", report)
    if rule.junit is not None and report.passed == 0:
        raise FailedChecksError(f"{name}: no test ran, {report.skipped} were skipped: {failure(output)}", report)
    return report


def _forget(files: Sequence[Path]) -> None:
    """Remove reports of an earlier run, or of the repository: they are not this run's."""
    for file in files:
        file.unlink(missing_ok=True)


def _report(bench: Bench, folder: Path, output: Output) -> TestReport:
    """Return what the test command wrote; what is missing after a failure is not asked for."""
    rule = bench.service.checks
    results, coverage = reports.TestResults(0, 0, 0, ()), None
    with suppress(*([ChecksError] if output.code != 0 else [])):
        results = reports.read_junit(folder / rule.junit) if rule.junit else results
        coverage = reports.read_coverage(folder / rule.coverage) if rule.coverage else None
    failures = tuple(TestFailure(found.name, mask(found.message, bench.secrets)) for found in results.failures)
    return TestReport(results.passed, results.failed, results.skipped, output.seconds, failures, coverage)


def _story(report: TestReport, output: Output) -> str:
    """Return the failing tests with their messages, or what the command said where it named none."""
    if not report.failures:
        return f"the test command fails: {failure(output)}"
    lines = [f"{report.failed} of {report.passed + report.failed} tests fail:"]
    for found in report.failures[:SHOWN]:
        lines += [f"  {found.name}", *(f"    {line}" for line in found.message.splitlines())]
    if report.failed > SHOWN:
        lines.append(f"  … and {report.failed - SHOWN} more")
    return "\n".join(lines)
