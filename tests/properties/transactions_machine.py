"""A state machine of transactions against a dictionary model: begin, operate, checkpoint, rewind, roll back, commit,
fork, prune, export, import, crash, reopen, in every order that Hypothesis finds.

The long form is `uv run python -m tests.properties.transactions_machine --examples 1000 --steps 60`.
"""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import HealthCheck, settings
from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.transactions_figures import Figures
from tests.properties.transactions_invariants import Invariants
from tests.properties.transactions_rules import Rules
from tests.properties.transactions_store_rules import StoreRules
from tests.properties.transactions_traces import Traces


class Transactions(Rules, StoreRules, Traces, Invariants):
    """All rules and invariants together."""


def measure(examples: int, steps: int, *, seed: int | None = None) -> Figures:
    """Let so many machines take up to so many steps each; a seed of None tries others each time.

    Raises:
        AssertionError: something is not as the model says; Hypothesis prints the shortest way there that it found.
    """
    began = time.monotonic()
    figures = Transactions.figures = Figures()
    if seed is not None:
        with_seed(seed)(Transactions)
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Transactions, settings=how)
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    print(measure(options.examples, options.steps, seed=options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
