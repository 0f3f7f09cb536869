"""Failures that are answered with one more, changed request: whole runs of a graph against the hostile server."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import engine
from engine.config import EngineConfig
from engine.errors import ErrorClass
from engine.events import AttemptFailed, ContextPruned
from engine.run.engine import Engine
from tests.faults.hostile_dialects import PIECES, WINDOW, Dialect, good
from tests.faults.hostile_server import HostileServer, Step, whole
from tests.graphs import one_model
from tests.running import Ran, run_in
from tests.waiting import until

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
QUESTIONS = ("Was ist ein Fluß? " * 8, "Und ein Bach? " * 8)
"""Asked before, so that there is something to prune."""


@dataclass
class Found:
    runs: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Once:
    """A first answer that is not accepted."""

    name: str
    first: Sequence[Step]
    second: Sequence[Step]
    error: ErrorClass
    schema: dict[str, Any] | None = None


def play_list(say: Dialect) -> list[Once]:
    """Every case."""
    fine = good(say, ('{"n": ', "7}"))
    too_long = say.refusal("the input length exceeds the context length", code="context_length_exceeded")
    return [
        Once("empty answer", good(say, ()), good(say), ErrorClass.INVALID_OUTPUT),
        Once("no JSON", good(say), fine, ErrorClass.INVALID_OUTPUT, SCHEMA),
        Once("schema violated", good(say, ('{"n": "', 'seven"}')), fine, ErrorClass.INVALID_OUTPUT, SCHEMA),
        Once("too long", (whole(400, too_long),), good(say), ErrorClass.CONTEXT_OVERFLOW),
        Once("count at the window", good(say, prompt=WINDOW), good(say), ErrorClass.CONTEXT_OVERFLOW),
    ]


async def play(say: Dialect, rng: random.Random) -> Found:
    """Play every case, with a server that recovers and with one that does not."""
    found = Found()
    plays = [(case, lasts) for case in play_list(say) for lasts in (False, True)]
    rng.shuffle(plays)
    async with HostileServer(say.path, say.others) as server:
        config = EngineConfig.model_validate(say.config(server.address))
        async with engine.open(None, config=config) as eng:
            for case, lasts in plays:
                wrong = await _play(eng, server, say, case, lasts)
                found.runs += 1
                found.problems += [f"{say.name}: {case.name}{' (lasting)' if lasts else ''}: {each}" for each in wrong]
        with suppress(TimeoutError):
            await until(lambda: server.open == 0, 5.0)
        found.problems += [f"{server.open} connections left"] * bool(server.open)
    return found


async def _play(eng: Engine, server: HostileServer, say: Dialect, case: Once, lasts: bool) -> list[str]:
    # a graph of its own: what lasted in earlier cases has opened no breaker of its node
    own = {"id": f"graph.{case.name.replace(' ', '_').lower()}{'_lasting' if lasts else ''}"}
    graph = one_model(**({"output_schema": case.schema} if case.schema else {})).model_copy(update=own)
    session = (await eng.create_session("a")).id
    server.script = [good(say)]
    for question in QUESTIONS if case.error is ErrorClass.CONTEXT_OVERFLOW else ():
        await run_in(eng, graph, question, session=session)
    server.requests.clear()
    server.script = [case.first] if lasts else [case.first, case.second]
    ran = await run_in(eng, graph, "Wie lang?", session=session)
    return _compare(case, lasts, ran, server.requests)


def _compare(case: Once, lasts: bool, ran: Ran, requests: Sequence[dict[str, Any]]) -> list[str]:
    wrong = []
    if len(requests) != 2:
        return [f"{len(requests)} requests"]
    first, second = (json.dumps(request["messages"], ensure_ascii=False) for request in requests)
    if case.error is ErrorClass.INVALID_OUTPUT:
        if "not usable" in first or "not usable" not in second:
            wrong.append("the reason is not in the second prompt alone")
    elif not (len(second) < len(first) and ran.all(ContextPruned)):
        wrong.append("the second prompt is no shorter")
    if lasts:
        error = ran.result.error
        if error is None or error.error_class is not case.error:
            wrong.append(f"ended with {error}")
    elif ran.result.error is not None or not ran.result.text:
        wrong.append(f"ended with {ran.result}")
    if case.schema is None and not lasts and ran.all(AttemptFailed)[0].error.error_class is not case.error:
        wrong.append("the attempt is no event")
    if not lasts and case.schema is None and ran.result.text != "".join(PIECES):
        wrong.append(f"answered {ran.result.text!r}")
    return wrong
