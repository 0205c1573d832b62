"""JUnit and Cobertura files, good and hostile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from promoter import reports
from promoter.errors import ChecksError
from promoter.records import TestFailure

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="9" time="1.5">
  <testcase classname="tests.test_pay" name="test_adds" time="0.5" />
  <testcase classname="tests.test_pay" name="test_subtracts" time="0.5">
    <failure message="AssertionError: assert 1 == 2&#10;  +1">the whole traceback</failure>
  </testcase>
  <testcase classname="tests.test_pay" name="test_breaks"><error>RuntimeError: no
database</error><skipped/></testcase>
  <testcase classname="" name="test_waits"><skipped type="pytest.skip" message="later" /></testcase>
</testsuite></testsuites>
"""
LAUGHS = """<?xml version="1.0"?><!DOCTYPE testsuites [
<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<testsuites>&c;</testsuites>"""
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE testsuites [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuites>&x;</testsuites>'
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the report is."""
    return tmp_path / "report.xml"


def test_tests_are_counted_and_failures_named(file: Path) -> None:
    """The cases count, not the totals in the file; an error is a failure, whatever else the case says."""
    file.write_text(JUNIT)

    assert reports.read_junit(file) == reports.TestResults(
        passed=1,
        failed=2,
        skipped=1,
        failures=(
            TestFailure("tests.test_pay::test_subtracts", "AssertionError: assert 1 == 2\n  +1"),
            TestFailure("tests.test_pay::test_breaks", "RuntimeError: no\ndatabase"),
        ),
    )


def test_what_pytest_writes_is_read(tmp_path: Path, file: Path) -> None:
    """A test, a failure, an error in a fixture and a module that cannot be imported."""
    (tmp_path / "test_one.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 1 == 2, 'one is not two'\n"
        "@pytest.fixture\ndef broken(): raise OSError('no disk')\n"
        "def test_error(broken): pass\n"
    )
    (tmp_path / "test_two.py").write_text("import missing_module\n")
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--junit-xml={file}",
        f"--rootdir={tmp_path}",
        "-p",
        "no:cacheprovider",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    subprocess.run([*argv, "--continue-on-collection-errors"], cwd=tmp_path, env=environment, check=False)

    results = reports.read_junit(file)

    assert (results.passed, results.failed, results.skipped) == (1, 3, 0)
    assert {failure.name for failure in results.failures} == {"test_two", "test_one::test_bad", "test_one::test_error"}
    assert any("one is not two" in failure.message for failure in results.failures)


def test_a_long_message_is_cut(file: Path) -> None:
    """A person reads a few lines."""
    lines = "&#10;".join(f"line {number}" for number in range(500))
    file.write_text(f'<testsuite><testcase name="t"><failure message="{lines}"/></testcase></testsuite>')

    assert reports.read_junit(file).failures[0].message.splitlines()[-2:] == ["line 11", "…"]


def test_coverage_is_the_line_rate(file: Path) -> None:
    """0.875 is 87.5 %."""
    file.write_text('<?xml version="1.0" ?><coverage version="7.6" line-rate="0.875" branch-rate="0"></coverage>')

    assert reports.read_coverage(file) == 0.875


@pytest.mark.parametrize("rate", ["", "nan", "inf", "-0.1", "1.5", "half"])
def test_a_rate_that_is_none_is_refused(file: Path, rate: str) -> None:
    """A share is a number from 0 to 1."""
    file.write_text(f'<coverage line-rate="{rate}"/>')

    with pytest.raises(ChecksError, match="line-rate"):
        reports.read_coverage(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(LAUGHS, "document type declaration", id="billion laughs"),
        pytest.param(EXTERNAL, "document type declaration", id="external entity"),
        pytest.param(LAUGHS.replace("testsuites", "coverage").encode("utf-16"), "document type", id="utf-16"),
        pytest.param(JUNIT[:300], "no whole XML file", id="half"),
        pytest.param("", "no whole XML file", id="empty"),
        pytest.param("<html></html>", "begins with <html>", id="another kind"),
        pytest.param(b"\xff\xfe\x00<", "no whole XML file", id="bytes"),
        pytest.param('<?xml version="1.0" encoding="none-such"?><a/>', "no whole XML file", id="unknown encoding"),
    ],
)
def test_a_report_that_is_none_is_named_with_the_reason(file: Path, text: str | bytes, reason: str) -> None:
    """Nothing is expanded, fetched or guessed."""
    file.write_bytes(text.encode() if isinstance(text, str) else text)

    for read in (reports.read_junit, reports.read_coverage):
        with pytest.raises(ChecksError, match=f"{file}: .*{reason}"):
            read(file)


def test_a_missing_report_is_named_with_what_to_do(file: Path) -> None:
    """The test command did not write it."""
    with pytest.raises(ChecksError, match=rf"{file}: the report cannot be read: No such file") as raised:
        reports.read_junit(file)

    assert "[checks]" in str(raised.value.hint)


def test_nesting_is_no_danger(file: Path) -> None:
    """A hundred thousand suites in suites are read, not recursed into."""
    depth = 100_000
    file.write_text("<testsuite>" * depth + '<testcase name="t"/>' + "</testsuite>" * depth)

    assert reports.read_junit(file).passed == 1
