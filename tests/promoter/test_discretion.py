"""What this process was told in confidence is in nothing that it says."""

import base64
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from promoter import discreet_logs, discretion
from promoter.discretion import discreet, is_telling, remember
from promoter.errors import SchemaError
from promoter.images import Login
from promoter.secrets import DatabaseCredentials
from promoter.settings import Settings
from promoter.text import printable

SECRET = "canary/p@ss w0rd+of the ledger"


@pytest.fixture(autouse=True)
def knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with a process that was told nothing."""
    monkeypatch.setattr(discretion, "_FORMS", {})


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return what a handler of somebody else writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("hunter", id="too short for a word"),
        pytest.param("a b", id="too short"),
        pytest.param("sandbox", id="a word"),
        pytest.param("Postgres", id="a name"),
        pytest.param("PRODUCTION", id="a loud word"),
        pytest.param("20251128", id="a number"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_any_text_may_contain_is_not_hidden_everywhere(secret: str) -> None:
    """It would take words out of everybody's mouth, and tell by that what it is."""
    remember(secret)

    assert not is_telling(secret)
    assert discreet(f"the {secret} is up") == f"the {secret} is up"


@pytest.mark.parametrize("secret", ["hunter2", "sand-box", "qwPzkf", "correcthorsebattery", "1234567890123456", SECRET])
def test_what_can_only_come_from_us_is_hidden_everywhere(secret: str) -> None:
    """A digit among letters, a mark, a capital inside, or enough of them."""
    remember(secret)

    assert discreet(f"the {secret} is up") == "the *** is up"


@pytest.mark.parametrize("before", ["", "a", "ab", "robot:"])
@pytest.mark.parametrize("after", ["", "z", "yz"])
def test_no_base64_hides_a_secret(before: str, after: str) -> None:
    """Wherever it begins; what is left are the characters that it shares with its neighbours."""
    remember(SECRET)
    text = (before + SECRET + after).encode()

    for encoded in (base64.b64encode(text).decode(), base64.urlsafe_b64encode(text).decode()):
        told = discreet(f"Authorization: Basic {encoded}")

        assert "***" in told
        assert len(told) < len("Authorization: Basic ***") + len(encoded) - len(SECRET)


def test_no_url_hides_a_secret() -> None:
    """Nor JSON, nor a Python literal."""
    remember(SECRET)

    assert discreet(f"postgresql://api:{quote(SECRET, safe='')}@db/api") == "postgresql://api:***@db/api"


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(lambda: DatabaseCredentials("db", 5432, "api", SecretStr(SECRET), "api"), id="a database's"),
        pytest.param(lambda: Login("robot", SecretStr(SECRET)), id="a registry's"),
        pytest.param(lambda: Settings(ledger_password=SecretStr(SECRET)), id="the ledger's"),
        pytest.param(lambda: Settings(registry_password=SecretStr(SECRET)), id="ours at the registry"),
    ],
)
def test_who_is_handed_a_secret_never_says_it(told: object) -> None:
    """From the moment on in which it is there."""
    assert callable(told)
    told()

    assert SECRET not in discreet(f"it is {SECRET}")


def test_an_error_tells_no_secret() -> None:
    """Nor does its hint, and so nor does the state of the run that it ends."""
    remember(SECRET)

    error = SchemaError(f"{SECRET} is refused", hint=f"Try another one than {SECRET}.")

    assert str(error) == "*** is refused\n→ Try another one than ***."
    assert error.args == ("*** is refused",)
    assert printable(f"it says {SECRET}") == "it says ***"


def test_no_log_line_of_anybody_tells_a_secret(log: io.StringIO) -> None:
    """Not in its message, not in its arguments; other lines are as they were."""
    remember(SECRET)
    logger = logging.getLogger("somebody.else")

    logger.warning("connecting as %s with %r", "api", SECRET)
    logger.warning("url %(url)s", {"url": f"https://{quote(SECRET)}@host"})
    logger.warning("%d of %d", 1, 2)

    assert log.getvalue().splitlines() == [
        "WARNING connecting as api with '***'",
        "WARNING url https://***@host",
        "WARNING 1 of 2",
    ]


def connect() -> None:
    """Fail as a driver does that tells what it was given."""
    try:
        Path(SECRET).read_text()
    except OSError as error:
        raise ValueError("no connection") from error


def test_no_traceback_tells_a_secret(log: io.StringIO) -> None:
    """Also not that of the error behind the error."""
    remember(SECRET)
    try:
        connect()
    except ValueError:
        logging.getLogger("somebody.else").exception("failed")

    assert SECRET not in log.getvalue()
    assert "directory: '***'" in log.getvalue()
    assert "ValueError: no connection" in log.getvalue()


def test_a_line_that_fits_no_arguments_is_left_to_its_writer(log: io.StringIO) -> None:
    """Python says where it was written; it is no business of ours."""
    remember(SECRET)
    record = logging.getLogRecordFactory()("name", logging.INFO, "file.py", 1, "%d", ("one",), None)

    assert (record.msg, record.args) == ("%d", ("one",))
    assert not log.getvalue()


def test_records_are_made_discreet_once() -> None:
    """However many secrets there are."""
    remember(SECRET, "another-0ne")
    first = logging.getLogRecordFactory()
    discreet_logs.install()

    assert logging.getLogRecordFactory() is first
