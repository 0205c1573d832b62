"""`python -m deployments.demo [--exit] [--report FILE] [--folder DIR]`: what `make demo` runs."""

import argparse
import json
import logging
import os
import signal
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console

from deployments import display
from deployments.demo import story
from deployments.demo.story import Result
from deployments.sandbox import sandbox
from deployments.sandbox.sample.repository import SampleRepository
from promoter import config
from promoter.settings import Settings
from tasks.observation import observe


def main() -> int:
    """Bring the sandbox up, tell the story, take everything down again; 0 only if every step did what the story says."""
    options = _options()
    console = Console() if sys.stdout.isatty() else Console(width=140)
    logging.getLogger("prefect").setLevel(logging.WARNING)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with console.status("bringing the sandbox up …"):
            running = sandbox.up(options.folder)
        os.environ.update(running.variables)
        console.print(f"sandbox up in {time.monotonic() - started:.1f} s · Prefect UI: [link]{running.ui}[/link]")
        results = _tell(console, running)
        if options.report:
            options.report.write_text(json.dumps([{**asdict(one), "ok": one.ok} for one in results], indent=2))
        if not options.exit:
            console.print(f"The Prefect UI stays up at {running.ui} until Ctrl-C.")
            signal.pause()
    except KeyboardInterrupt:
        return 130
    finally:
        with console.status("taking the sandbox down …"):
            sandbox.down(options.folder)
    return 0 if all(one.ok for one in results) else 1


def _tell(console: Console, running: sandbox.Sandbox) -> list[Result]:
    service = config.find("sample-api", Settings().services)
    repository = SampleRepository.create(running.remote, running.folder / "sample")
    sandbox.promote_pushes(running)
    began = time.monotonic()
    results = []
    for number, chapter in enumerate(story.CHAPTERS, 1):
        console.print(f"\n[bold]{number}. {chapter.title}[/bold]")
        results.append(story.tell(chapter, service, repository, partial(display.watch, console)))
        _verdict(console, results[-1])
    console.print()
    display.environments(console, [observe(service, name) for name in service.environments])
    console.print(f"the story took {time.monotonic() - began:.1f} s")
    return results


def _verdict(console: Console, result: Result) -> None:
    """Print whether a step did what the story says, and what differs."""
    console.print("  [green]as expected[/]" if result.ok else "  [bold red]not as expected[/]")
    for name, value in result.expected.items():
        if result.seen.get(name) != value:
            console.print(f"    {name}: expected {value!r}, seen {result.seen.get(name)!r}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end at once instead of leaving the Prefect UI up")
    parser.add_argument("--report", type=Path, help="write every step, expected and seen, as JSON")
    parser.add_argument("--folder", type=Path, default=Path(".sandbox"), help="where the sandbox lives (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
