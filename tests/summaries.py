"""A session whose next question prunes, with a model beside it that writes summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest
from engine.run.engine import Engine
from tests.graphs import one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, Step, model, system_of

SUMMARY = "They spoke of eight questions; the eighth is open."
GRAPH = one_model(model="small", max_tokens=100)


def with_summariser(scripted: ScriptedBackend, *, window: int = 700, own_window: int = 4096) -> None:
    """A small model that answers, and one that is large enough to write summaries."""
    scripted.installed = [
        model("small", window=window, parameters_b=0.5),
        model("large", window=own_window, parameters_b=3),
    ]
    scripted.script = writes([SUMMARY])


def is_summary(request: ChatRequest) -> bool:
    return system_of(request).startswith("Summarise the conversation")


def writes(steps: Sequence[Step] | Callable[[ChatRequest], Sequence[Step]]) -> Callable[[ChatRequest], Sequence[Step]]:
    """A script: summaries as given, every other answer long."""

    def script(request: ChatRequest) -> Sequence[Step]:
        if is_summary(request):
            return steps(request) if callable(steps) else steps
        return [f"answer {len(request.messages)} " + "blah " * 60]

    return script


def summaries_asked(scripted: ScriptedBackend) -> list[ChatRequest]:
    return [request for request in scripted.requests if is_summary(request)]


async def talked(eng: Engine, turns: int = 8, graph: GraphSpec = GRAPH) -> str:
    """The id of a session of so many turns."""
    session = (await eng.create_session()).id
    for turn in range(turns):
        await run_in(eng, graph, f"question {turn}?", session=session)
    return session
