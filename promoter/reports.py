"""Reads what test commands report: JUnit's results and Cobertura's coverage, which are data from strangers."""

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from promoter.errors import ChecksError
from promoter.records import TestFailure

MESSAGE_LINES = 12
"""How many lines of a failure's message are kept."""
MESSAGE_CHARACTERS = 2000
LARGEST = 256 * 1024 * 1024
"""Size of the largest report that is read, in bytes."""


@dataclass(frozen=True)
class TestResults:
    """What one JUnit file says."""

    __test__ = False

    passed: int
    failed: int
    skipped: int
    failures: tuple[TestFailure, ...]


def read_junit(path: Path) -> TestResults:
    """Read the JUnit file `path`; its test cases are counted, whatever it says of their number.

    Raises ChecksError if it is missing, half written, another kind of file, or has a document type declaration.
    """
    cases = _parse(path, ("testsuites", "testsuite")).findall(".//testcase")
    failures = [_failure(case, problem) for case in cases if (problem := _problem(case)) is not None]
    skipped = sum(case.find("skipped") is not None and _problem(case) is None for case in cases)
    return TestResults(
        passed=len(cases) - len(failures) - skipped,
        failed=len(failures),
        skipped=skipped,
        failures=tuple(failures),
    )


def read_coverage(path: Path) -> float:
    """Return the share of covered lines, 0 to 1, of the Cobertura file `path`; raise ChecksError as `read_junit` does."""
    text = _parse(path, ("coverage",)).get("line-rate", "")
    try:
        rate = float(text)
    except ValueError:
        rate = -1
    if not 0 <= rate <= 1:
        raise ChecksError(f"{path}: line-rate is {text!r}, expected a number from 0 to 1")
    return rate


def _problem(case: Element) -> Element | None:
    failure = case.find("failure")
    return failure if failure is not None else case.find("error")


def _failure(case: Element, problem: Element) -> TestFailure:
    name = "::".join(filter(None, (case.get("classname"), case.get("name", "a test without a name"))))
    return TestFailure(name, _message(problem))


def _message(problem: Element) -> str:
    """Return the first lines of what the runner wrote: pytest's `message` has the assertion, the text its surroundings."""
    text = problem.get("message") or problem.text or problem.get("type") or "no message"
    lines = text.strip().splitlines()
    kept = lines[:MESSAGE_LINES] + (["…"] if len(lines) > MESSAGE_LINES else [])
    return "\n".join(kept)[:MESSAGE_CHARACTERS]


def _parse(path: Path, roots: tuple[str, ...]) -> Element:
    """Return the root element of the XML file `path`, one of `roots`.

    Entities, which can grow to gigabytes or name other files, live in a document type declaration: none is accepted.
    """
    try:
        root = _tree(_read(path))
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise ChecksError(f"{path}: is no whole XML file: {error}") from error
    except ChecksError as error:
        raise ChecksError(f"{path}: {error.message}", hint=error.hint) from error
    if root.tag not in roots:
        raise ChecksError(f"{path}: begins with <{root.tag}>, expected <{'> or <'.join(roots)}>")
    return root


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise ChecksError(
            f"the report cannot be read: {error.strerror}",
            hint="The test command has to write it; see [checks] in the service's file.",
        ) from error
    if len(text) > LARGEST:
        raise ChecksError(f"the report has more than {LARGEST} bytes")
    return text


def _tree(text: bytes) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(text, True)  # noqa: FBT003 - expat takes no keyword
    return builder.close()


def _refuse(*_: object) -> NoReturn:
    raise ChecksError("has a document type declaration, which no report needs")
