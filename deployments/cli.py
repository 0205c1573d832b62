"""The `promoter` command: finds the verb, loads it and nothing else, and turns every error into words and an exit code."""

import gc
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol, cast

from promoter.discretion import discreet
from promoter.errors import PromoterError

COMMANDS = {
    "promote": "promote the head of a branch and show how it goes",
    "plan": "say what a promotion would do to the schema, and whether there is a way back",
    "check": "say what a change would be, and whether it is fit to be merged",
    "recover": "bring promotions that nobody drives any more to their end",
    "rollback": "bring an environment back to a version that was verified in it",
    "watch": "recover again and again, beside the workers",
    "status": "show what runs where, since when and by whom",
    "history": "show every promotion to an environment",
    "freeze": "let an environment take no promotion",
    "unfreeze": "let an environment take promotions again",
    "version": "say which version a commit gets",
    "verify": "look now whether every environment is well and runs what was released there",
    "doctor": "look at everything that a promotion needs, and say what to mend",
    "gateway": "take GitHub's webhooks",
    "rehearse": "try the migrations of a checkout on a throwaway database, and their way back",
    "worker": "run the flows of the work pool, without a wait for their imports",
    "pool": "choose on which kind of infrastructure flows run, and make the work pool so",
    "ledger": "bring the ledger's own schema up to date",
    "sandbox": "bring the embedded sandbox up or down",
}
"""Every verb and what it is for. To add one, add its line here and its file to deployments/commands/."""

INTERRUPTED = 130
"""128 + SIGINT, as a shell says it."""
FAULT = 70
"""EX_SOFTWARE of sysexits.h: promoter itself is at fault. Outside the tree of promoter/errors.py."""


class Command(Protocol):
    """What a file in deployments/commands/ holds; its docstring is its help."""

    __doc__: str | None

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare what the verb takes."""

    run: Callable[..., int | None]
    """Does it: one keyword argument per argument, an exit code back (None is 0)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `arguments` is None for those of this process.

    A PromoterError ends with the code of its class, Ctrl-C with 130, a fault of promoter itself with 70.
    """
    try:
        return _run(sys.argv[1:] if arguments is None else list(arguments))
    except PromoterError as error:
        return _say(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last place that can say anything
        return _say(_report(error), FAULT)


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name == "--version":
        print(_version())  # noqa: T201 - a command line speaks
        return 0
    if name not in COMMANDS:
        _overview().parse_args([name])
        return 0
    command = _load(name)
    parser = ArgumentParser(
        prog=f"promoter {name}", description=command.__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    command.arguments(parser)
    return command.run(**vars(parser.parse_args(arguments[1:]))) or 0


def _load(name: str) -> Command:
    """Import one verb. Python's collector is paused meanwhile: it finds nothing in fresh modules and costs a tenth of the start."""
    gc.disable()
    try:
        return cast("Command", import_module(f"deployments.commands.{name}"))
    finally:
        gc.freeze()
        gc.enable()


def _overview() -> ArgumentParser:
    """Return the parser of the bare command, which only helps and refuses."""
    width = max(map(len, COMMANDS))
    verbs = "\n".join(f"  {name:{width}}  {purpose}" for name, purpose in COMMANDS.items())
    parser = ArgumentParser(
        prog="promoter",
        usage="promoter COMMAND [--help] …",
        description="Carries a commit of a containerised service through its branches into AWS ECS, schema included, and back.",
        epilog=f"commands:\n{verbs}\n\n`promoter COMMAND --help` says what a command takes.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="say which promoter this is")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    return parser


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - costs as much as the rest of the start

    return f"promoter {version('promoter')}"


def _say(text: str, code: int) -> int:
    print(f"promoter: {discreet(text)}", file=sys.stderr)  # noqa: T201
    return code


def _report(error: Exception) -> str:
    """Return what a person can paste into an issue: the error and the places it went through, no values."""
    import platform  # noqa: PLC0415 - only a fault asks for it
    import traceback  # noqa: PLC0415

    from promoter.text import printable  # noqa: PLC0415

    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = "\n".join(f"    {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
    return (
        f"a fault in promoter itself: {type(error).__name__}: {printable(str(error))}\n"
        f"{places}\n    {_version()}, Python {platform.python_version()}, {platform.platform()}\n"
        "→ Report these lines. What was promoted is recorded: `promoter status` shows it."
    )


if __name__ == "__main__":
    sys.exit(main())
