"""Check a change before it is merged, and show the report. The flow runs where the Prefect worker is; nothing is changed by it."""

from argparse import ArgumentParser

from rich.console import Console
from rich.markdown import Markdown

from deployments import runs
from promoter import config
from promoter.errors import ChecksError, PromoterError
from promoter.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("service", help="the service, as its file is called")
    parser.add_argument("branch", help="the change's own branch, for example feat/x")
    parser.add_argument("--commit", metavar="SHA", help="a commit of it (its head)")
    parser.add_argument("--into", default="dev", metavar="BRANCH", help="the branch that it is to be merged into (dev)")


def run(*, service: str, branch: str, commit: str | None, into: str) -> None:
    """Start the check, wait for its end and print its report; raise ChecksError if the change failed in any part."""
    found = config.find(service, Settings().services)
    flow_run = runs.check(found, branch, commit, into)
    ended = runs.wait(flow_run)
    report = runs.report(flow_run)
    Console().print(Markdown(report))
    if ended["type"] == "FAILED" and report:
        raise ChecksError(f"{branch} is not fit to be merged into {into}", hint="The report says why.")
    if ended["type"] != "COMPLETED":
        raise PromoterError(f"the check ended as {ended['name']}: {ended['message']}")
