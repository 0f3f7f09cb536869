"""Valid graphs commit when nothing fails, and the marker of the question reaches every node whose wiring carries it."""

from __future__ import annotations

from hypothesis import example, given, settings

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.models.protocol import ChatRequest
from tests.properties.generated import INPUTS, MARKER, QUESTION, Again, Built, build, sequences
from tests.properties.generated import Sequence as Parts
from tests.properties.generated import Step as Node
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, Step, system_of, text_of

CONFIG = EngineConfig(max_steps=5000)


def answer(request: ChatRequest) -> list[Step]:
    """What the model of a node says: whether it saw the marker, or nothing of it."""
    if system_of(request).startswith("mute"):
        return ["I say ", "nothing."]
    return ["I saw ", MARKER] if MARKER in text_of(request) else ["I saw nothing."]


def received(ran: Ran) -> dict[str, set[bool]]:
    """Node -> whether the messages that it got had the marker."""
    texts = {1: QUESTION}
    found: dict[str, set[bool]] = {}
    for event in ran.events:
        match event.body:
            case ev.NodeFinished(message=number, content=content) if number:
                texts[number] = content
            case ev.MessageAdded(message=number, content=content):
                texts[number] = content
            case ev.SubgraphOpened(message=number, question=question):
                texts[number] = question
            case ev.NodeStarted(path=path, message=number):
                found.setdefault(path.rpartition("/")[2], set()).add(MARKER in texts[number])
            case _:
                pass
    return found


GATE_IN_A_GATE = (Again((Again((Node("echo"),), 1),), 1),)


@settings(max_examples=120)
@example(parts=GATE_IN_A_GATE)
@given(parts=sequences)
async def test_a_valid_graph_commits_and_the_marker_reaches_every_node_whose_wiring_carries_it(
    parts: Parts, scripted: ScriptedBackend
) -> None:
    built = build(parts)
    scripted.script = answer
    async with engine.open(config=CONFIG) as eng:
        ran = await run_in(eng, built.graph, QUESTION, inputs=INPUTS)
    assert (ran.result.status, ran.result.exit, ran.result.error) == ("committed", "success", None)
    assert sum(isinstance(event.body, ev.TERMINAL) for event in ran.events) == 1
    assert scripted.open_streams == 0
    check_messages(built, ran)


def check_messages(built: Built, ran: Ran) -> None:
    """Every node got messages with the marker, or without it, as the wiring says."""
    seen = received(ran)
    assert {name for name, expected in built.nodes.items() if expected.sure} <= set(seen)
    for name, marked in seen.items():
        assert marked <= built.nodes[name].received, name
