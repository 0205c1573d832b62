"""`python -m deployments.bench [NAME …] [--seconds N]`: run the named benchmarks, all without a name; exit code 1 if a promise is missed."""

import argparse
import sys
from importlib import import_module

BENCHMARKS = ("version", "rehearsal", "promotion", "webhooks", "endpoints")
"""Each is a module beside this one with a function `measure() -> Result`."""


def main() -> int:
    """Run the benchmarks and print each as it ends."""
    options = _options()
    results = []
    for name in options.names or BENCHMARKS:
        further = {"seconds": options.seconds} if name == "webhooks" and options.seconds else {}
        result = import_module(f"deployments.bench.{name}").measure(**further)
        print(result, flush=True)  # noqa: T201
        results.append(result)
    return 0 if all(result.held for result in results) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--seconds", type=float, metavar="N", help="webhooks: how long pushes are sent (60)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
