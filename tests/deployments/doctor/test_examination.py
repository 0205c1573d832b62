"""What comes of a check: what was found, what to do, or why there is nothing to check."""

from deployments.doctor.examination import Check, NotNeededError, Result, examine
from promoter.errors import ConfigurationError
from promoter.secrets import NOWHERE


def missing() -> str:
    """Find that something has to be done."""
    raise ConfigurationError("there is no pool", hint="Make one.")


def needless() -> str:
    """Find that nobody needs it."""
    raise NotNeededError("no service builds with it")


def broken() -> str:
    """Meet something that nobody thought of."""
    raise OSError("the disk is gone")


def test_each_check_has_one_result_in_their_order() -> None:
    """One that fails, in whatever way, hides no other."""
    checks = [Check("one", missing), Check("two", needless), Check("three", broken), Check("four", lambda: "fine")]

    found = list(examine(checks))

    assert found == [
        Result("one", "NG", "there is no pool", "Make one."),
        Result("two", "SKIP", "no service builds with it"),
        Result("three", "NG", "OSError: the disk is gone"),
        Result("four", "OK", "fine"),
    ]
    assert found[0].lines() == ["NG   one: there is no pool", "     → Make one."]


def test_what_was_found_is_shown_as_plain_text() -> None:
    """A server's answer writes no colours to the terminal."""
    (found,) = examine([Check("one", lambda: f"{NOWHERE.host}\x1b[31m red")])

    assert "\x1b" not in found.detail
