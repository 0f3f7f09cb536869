"""`python -m tests.faults [--long] [--only NAME] [--seed N] [--write]`: the fault suites, one after the other."""

from __future__ import annotations

import argparse
import sys

from tests.faults.report import PAGE, Record, lines, measured, page, records_in
from tests.faults.suites import BY_NAME


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Try to break what is promised.")
    parser.add_argument("--long", action="store_true", help="the long forms: hours")
    parser.add_argument("--only", action="append", choices=BY_NAME, metavar="NAME", help=", ".join(BY_NAME))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md; what is not run is kept")
    parser.add_argument("--render", action="store_true", help="run nothing; make docs/reliability.md anew from itself")
    options = parser.parse_args()
    violations = 0
    for name in [] if options.render else options.only or BY_NAME:
        suite = BY_NAME[name]
        print(f"-- {suite.title}", flush=True)
        record = measured(suite, "long" if options.long else "short", options.seed)
        print("\n".join(lines(record)), flush=True)
        violations += record.violations
        if options.write:  # after each: who ends it early keeps what there is
            _write({name: record})
    if options.render:
        _write({})
    return 1 if violations else 0


def _write(new: dict[str, Record]) -> None:
    known = records_in(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    PAGE.write_text(page(known | new), "utf-8")
    print(f"written: docs/{PAGE.name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
