"""`python -m deployments.sandbox.registry --folder DIR [--port P]` serves a registry and writes DIR/ready.json."""

import argparse
from pathlib import Path

from deployments.sandbox.registry.server import run


def main() -> None:
    """Read the options and serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m deployments.sandbox.registry", description=run.__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the registry keeps everything")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes any free one")
    options = parser.parse_args()
    run(options.folder, options.port)


if __name__ == "__main__":
    main()
