"""Made-up runs: bodies of the kinds and sizes that real runs have, and an answer in Markdown of any length."""

from __future__ import annotations

from collections.abc import Iterator

from engine import events as ev

MODEL = "smollm2:135m"
_NODES = ("router", "code", "math", "general", "check")
_ANSWER = (
    "The capital of France is **Paris**. It lies on the *Seine*, and has been the seat of government since 987, with "
    "few interruptions.\n\n- the Louvre\n- the Eiffel Tower\n- the `Métro`, opened in 1900\n\n"
    "```python\ndef capital(country: str) -> str:\n    return CAPITALS[country]\n```\n\n"
    "So the answer to the question is short, but the reasons for it are long and belong to another page.\n\n"
)
VISIT = 20
"""Events of one visit in `visit_bodies`."""


def answer_text(size: int) -> str:
    """Markdown of `size` characters: paragraphs, lists and code."""
    return (_ANSWER * (size // len(_ANSWER) + 1))[:size]


def visit_bodies(visit: int) -> list[ev.Body]:
    """One visit of a model node: what the engine emits from its start to the next node, `VISIT` events."""
    path = _NODES[visit % len(_NODES)]
    ordinal = visit // len(_NODES) + 1
    text = answer_text(12 * 25)
    bodies: list[ev.Body] = [
        ev.NodeStarted(path, ordinal, visit + 1, "router"),
        ev.ContextMeasured(f"{path} {MODEL}", 612, 2048, 7, {"system": 88, "question": 24, "history": 500}, 256),
        ev.ModelStarted(path, ordinal, 1, 1, MODEL, "embedded", "0" * 64, (("system", "Be brief."), ("user", "Why?"))),
        *(
            ev.ModelDelta(path, ordinal, 1, 1, 25 * n, text[25 * n : 25 * n + 25], tokens=6 * (n + 1))
            for n in range(12)
        ),
        ev.ModelFinished(path, ordinal, 1, 1, MODEL, text, "stop", 612, 72, True, 1200, 90),
        ev.NodeFinished(path, ordinal, "ok", visit + 2, text, {"answered_by": path, "model": MODEL}, {}, 1210),
        ev.EdgeTaken(path, "check", ordinal, visit + 2, "status == 'ok'", True, ordinal),
        ev.EdgeTaken(path, "answer", ordinal, visit + 2, "status != 'ok'", taken=False),
        ev.Checkpoint(visit + 1, 10 * visit, (ev.Activation(path, ordinal, visit + 1, "router"),)),
    ]
    assert len(bodies) == VISIT
    return bodies


def busy_bodies(first: int, count: int) -> Iterator[ev.Body]:
    """`count` bodies of a run in full swing, beginning with the one numbered `first`."""
    visit = -1
    bodies: list[ev.Body] = []
    for number in range(first, first + count):
        if number // VISIT != visit:
            visit = number // VISIT
            bodies = visit_bodies(visit)
        yield bodies[number % VISIT]


def storm_bodies(first: int, count: int) -> Iterator[ev.Body]:
    """`count` bodies of nodes that decide at once, in the graph `multi_domain`: what comes by the hundreds a second."""
    for number in range(first, first + count):
        visit, step = divmod(number, 8)
        path = ("router", "check")[visit % 2]
        ordinal = visit // 2 + 1
        if step == 0:
            yield ev.NodeStarted(path, ordinal, visit + 1, "start")
        elif step == 1:
            yield ev.OpStarted(path, ordinal, 1, "classify", "0" * 64)
        elif step == 2:
            yield ev.OpFinished(path, ordinal, 1, "classify", {"label": "general", "score": 0.9})
        elif step == 3:
            yield ev.ContextMeasured(f"{path} {MODEL}", 600 + visit % 400, 2048, 7, {"system": 88, "question": 600})
        elif step == 4:
            yield ev.NodeFinished(path, ordinal, "ok", visit + 2, "on it goes", {"route": "general"}, {}, 1)
        elif step == 5:
            yield ev.EdgeTaken(path, "general", ordinal, visit + 2, "", True, ordinal)
        elif step == 6:
            yield ev.EdgeTaken(path, "answer", ordinal, visit + 2, "status != 'ok'", taken=False)
        else:
            yield ev.Checkpoint(visit + 1, 8 * visit, (ev.Activation(path, ordinal, visit + 1, "start"),))
