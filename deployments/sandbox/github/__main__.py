"""`python -m deployments.sandbox.github --folder DIR --repository OWNER/NAME [--port P]` serves GitHub and writes DIR/ready.json."""

import argparse
from pathlib import Path

from deployments.sandbox.github.server import application
from deployments.sandbox.registry.server import serve_for_ever


def main() -> None:
    """Read the options and serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m deployments.sandbox.github", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps everything")
    parser.add_argument("--repository", required=True, help="OWNER/NAME of the one repository that it knows")
    parser.add_argument("--number", type=int, default=1, help="the number of that repository")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes any free one")
    options = parser.parse_args()
    serve_for_ever(application(options.folder, options.repository, options.number), options.folder, options.port)


if __name__ == "__main__":
    main()
