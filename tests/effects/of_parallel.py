"""Cases of the fields of `fanout` and `join`."""

from __future__ import annotations

import itertools
from typing import Any

from engine import events as ev
from tests.effects.case import Case, Document, Seen, case
from tests.effects.documents import graph, says, upper, x
from tests.effects.sights import answer
from tests.graphs import node


def fanned(**fan: Any) -> Document:
    """entry -> JSON -> fan-out -> upper, lower -> join -> exit."""
    return graph(
        [
            node("start", "entry"),
            node("parse", "transform", operation="json_parse"),
            x("fanout", **{"targets": ["u"], **fan}),
            upper("u"),
            node("l", "transform", operation="lower"),
            node("j", "join", separator="|"),
            node("end", "exit"),
        ],
        [("start", "parse"), ("parse", "x"), ("u", "j"), ("l", "j"), ("j", "end"), ("parse", "l", "content == ''")],
    )


def joined(*texts: str | None, **join: Any) -> Document:
    """entry -> fan-out -> a branch for each text (None: it fails; JSON: its value is in the data) -> join -> exit."""
    names = [f"b{number}" for number in range(len(texts))]
    branches, edges = [], []
    for name, text in zip(names, texts, strict=True):
        way = [says(name, text or "no JSON")]
        if text is None or text.startswith("{"):
            way.append(node(f"{name}p", "transform", operation="json_parse"))
        branches += way
        edges += list(itertools.pairwise([*(each["id"] for each in way), "x"]))
    nodes = [node("start", "entry"), node("fan", "fanout", targets=names), *branches, x("join", **join)]
    return graph([*nodes, node("end", "exit")], [("start", "fan"), *edges, ("x", "end")])


def _cancelled(seen: Seen) -> tuple[int, ...]:
    """The branches that ended because the join did not need them."""
    return seen.ran.all(ev.JoinDecided)[0].cancelled


LISTS = '{"a": ["x", "y"], "b": ["z"]}'
SCORES = ('{"s": 1, "t": 2}', '{"s": 2, "t": 1}')
UNSATISFIED = "error join_unsatisfied"

CASES: tuple[Case, ...] = (
    case("fanout.targets", fanned(), (["u"], '"WHY?"'), (["u", "l"], '"WHY?"|"why?"'), see=answer, question='"Why?"'),
    case("fanout.over", fanned(), (None, LISTS.upper()), ("json.a", "X|Y"), ("json.b", "Z"),
         ("json.c", "error nothing_to_fan_out"), see=answer, question=LISTS),
    case("fanout.max_branches", fanned(over="json.a"), (1, "error too_many_branches"), (2, "X|Y"), see=answer,
         question=LISTS),
    case("join.mode", joined("x", "y", "y"), ("all", "x\n\ny\n\ny"), ("any", "x"), ("majority_vote", "y"), see=answer),
    case("join.mode (the first that is not empty)", joined(" ", "y", "z"), ("first_success", "y"), ("any", " "),
         see=answer),
    case("join.quorum", joined("x", "y", "z", mode="quorum"), (1, "x"), (2, "x\n\ny"), see=answer),
    case("join.on_dead", joined("x", None), ("fail", UNSATISFIED), ("degrade", "x"), see=answer),
    case("join.success", joined("x", "long", mode="first_success"), (None, "x"), ("len(content) > 1", "long"),
         ("content == 'z'", UNSATISFIED), see=answer),
    case("join.score", joined(*SCORES, mode="best_score"), ("json.s", SCORES[1]), ("json.t", SCORES[0]), see=answer),
    case("join.separator", joined("x", "y"), ("\n\n", "x\n\ny"), (" | ", "x | y"), see=answer),
    case("join.cancel_siblings", joined("x", '{"y": 1}', mode="any"), (True, (1,)), (False, ()), see=_cancelled),
)  # fmt: skip
