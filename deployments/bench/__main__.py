"""`python -m deployments.bench [NAME …]`: run the named benchmarks, all without a name; exit code 1 if a limit is missed."""

import sys
from importlib import import_module

BENCHMARKS = ("version", "rehearsal", "promotion")
"""Each is a module beside this one with a function `measure() -> Result`."""


def main() -> int:
    """Run the benchmarks and print each as it ends."""
    results = []
    for name in sys.argv[1:] or BENCHMARKS:
        result = import_module(f"deployments.bench.{name}").measure()
        print(result, flush=True)  # noqa: T201
        results.append(result)
    return 0 if all(result.held for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
