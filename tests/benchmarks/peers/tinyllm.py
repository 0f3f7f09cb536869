"""This engine, as its own benchmarks run it: every step an event, with one subscriber."""

from __future__ import annotations

from engine.bus import EventBus
from engine.run.plan import Plan
from engine.store.log import EventLog
from tests.benchmarks.chains import execute, plan_of
from tests.benchmarks.fanout import fan_plan
from tests.benchmarks.peers.contender import QUESTION, Contender, Once, Scenario

HOW = "every step an event, checkpoints every 5 visits, one subscriber, no store"


def contenders(label: str, scenario: Scenario) -> list[Contender]:
    make = plan_of if scenario.kind == "chain" else fan_plan
    plans = {tasks: make(scenario.size, tasks=tasks) for tasks in (False, True)}
    return [
        Contender(label, "as task" if tasks else "inline", HOW, tasks, scenario, _Runs(plan))
        for tasks, plan in plans.items()
    ]


class _Runs:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def __call__(self, _times: int) -> Once:
        """A log of its own for each sample, so that no sample holds another one's events."""
        bus = EventBus()
        log = EventLog(bus, None)
        number = 0

        async def once() -> str:
            nonlocal number
            number += 1
            subscription = bus.subscribe(tx=f"tx{number}")
            answer = await execute(self._plan, log, f"tx{number}", question=QUESTION)
            subscription.close()
            return answer

        return once
