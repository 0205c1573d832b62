"""`python -m deployments.sandbox.aws --folder DIR`: the sandbox's AWS on a port of loopback."""

import argparse
import sys
from pathlib import Path

from deployments.sandbox.aws.server import serve
from deployments.sandbox.aws.timing import DEFAULT_FACTOR
from promoter.errors import PromoterError


def main() -> int:
    """Serve until told to end, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deployments.sandbox.aws", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where images, tasks and ready.json are kept")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--time-scale", type=float, default=DEFAULT_FACTOR, help="seconds here for one second of ECS")
    parser.add_argument("--runtime", choices=["process", "container"], default="process", help="what a task runs as")
    parser.add_argument("--python", type=Path, help="the Python of images that have none")
    options = parser.parse_args()
    try:
        serve(options.folder, options.port, options.time_scale, options.runtime, options.python)
    except PromoterError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command speaks to its terminal
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
