"""`make bench`: every measurement, or those named: `make bench ARGS="kernel startup sip"`; `--quick` for a short run.

Each prints what it measured beside what it was measured against in the same run. Figures that stand alone depend on the
machine; ratios do not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import traceback

BENCHES = (
    "sip",
    "voyloml",
    "startup",
    "calls",
    "flow",
    "gather",
    "api",
    "webhooks",
    "flood",
    "kernel",
    "media",
    "conference",
    "streams",
    "beside",
    "crowded",
    "speech",
    "billing",
)


def main() -> int:
    """Runs the named benches in order; exit status 1 when one misses its target."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="short runs: good for a look, not for a claim")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout at the end")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench named {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    results: dict[str, dict[str, object]] = {}
    for name in arguments.names or BENCHES:
        print(f"== {name}", file=sys.stderr if arguments.json else sys.stdout, flush=True)
        try:
            results[name] = importlib.import_module(f"bench.{name}").run(quick=arguments.quick)
        except Exception as error:
            traceback.print_exc()
            results[name] = {"missed": [f"{type(error).__name__}: {error}"]}
    if arguments.json:
        print(json.dumps(results, indent=2))
    missed = [name for name, result in results.items() if result.get("missed")]
    if missed:
        print(f"targets missed in: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
