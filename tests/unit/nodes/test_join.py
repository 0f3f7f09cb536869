"""Join: every mode and every field gives another run for another value."""

from __future__ import annotations

from typing import Any

import pytest

from engine import events as ev
from engine.errors import ErrorClass
from engine.graph.spec import FanoutConfig, GraphSpec, JoinConfig
from tests.graphs import chain, make_graph, node
from tests.running import Ran, ask


def joined(*says: str | None, **join: Any) -> GraphSpec:
    """entry -> fan-out -> a branch per text (None: it fails; JSON: its value is in `data.json`) -> join -> exit."""
    names = [f"b{number}" for number in range(len(says))]
    inner, edges = [], []
    for name, text in zip(names, says, strict=True):
        inner.append(node(name, "transform", operation="template", template=text or "no JSON"))
        if text is None or text.startswith("{"):
            inner.append(node(f"{name}p", "transform", operation="json_parse"))
            edges += [(name, f"{name}p"), (f"{name}p", "join")]
        else:
            edges.append((name, "join"))
    return make_graph(
        [node("start", "entry"), node("fan", "fanout", targets=names), *inner, node("join", "join", **join),
         node("end", "exit")],
        [("start", "fan"), *edges, ("join", "end")],
    )  # fmt: skip


async def text_of(*says: str | None, **join: Any) -> str:
    """The answer, or the code of the error."""
    ran = await ask(joined(*says, **join))
    return ran.result.text if ran.result.error is None else f"error {ran.result.error.code}"


def decided(ran: Ran) -> ev.JoinDecided:
    (body,) = ran.all(ev.JoinDecided)
    return body


FAILED = "error join_unsatisfied"


@pytest.mark.parametrize(
    ("mode", "more", "says", "answer"),
    [
        ("all", {}, ("x", "y", "y"), "x\n\ny\n\ny"),
        ("all", {}, ("x", None, "y"), FAILED),
        ("any", {}, ("x", "y", "y"), "x"),
        ("any", {}, (None, "y", "z"), "y"),
        ("any", {}, (None, None), FAILED),
        ("quorum", {"quorum": 2}, ("x", "y", "z"), "x\n\ny"),
        ("quorum", {"quorum": 2}, (None, "y", "z"), "y\n\nz"),
        ("quorum", {"quorum": 2}, (None, None, "z"), FAILED),
        ("first_success", {}, (" ", "y", "z"), "y"),
        ("first_success", {}, (" ", "  "), FAILED),
        ("majority_vote", {}, ("x", "y", "y"), "y"),
        ("majority_vote", {}, ("x", "y"), "x"),
        ("majority_vote", {}, ("x", "Y  y", "y y"), "Y  y"),
        ("best_score", {"score": "json.s"}, ('{"s": 1}', '{"s": 3}', '{"s": 2}'), '{"s": 3}'),
        ("best_score", {"score": "json.s"}, ('{"s": 1, "n": 1}', '{"s": 1}'), '{"s": 1, "n": 1}'),
    ],
)  # fmt: skip
async def test_every_mode(mode: str, more: dict[str, Any], says: tuple[str | None, ...], answer: str) -> None:
    assert await text_of(*says, mode=mode, **more) == answer


async def test_the_default_is_to_wait_for_all() -> None:
    assert JoinConfig().mode == "all"
    assert await text_of("x", "y") == "x\n\ny"


async def test_quorum_says_how_many_must_arrive() -> None:
    assert await text_of("x", "y", "z", mode="quorum", quorum=1) == "x"
    assert await text_of("x", "y", "z", mode="quorum", quorum=3) == "x\n\ny\n\nz"


@pytest.mark.parametrize(
    ("mode", "more", "says", "answer"),
    [
        ("all", {}, ("x", None, "y"), "x\n\ny"),
        ("majority_vote", {}, ("x", None, "y", "y"), "y"),
        ("best_score", {"score": "json.s"}, ('{"s": 1}', None), '{"s": 1}'),
    ],
)
async def test_on_dead_says_what_a_failed_branch_means(
    mode: str, more: dict[str, Any], says: tuple[str | None, ...], answer: str
) -> None:
    assert await text_of(*says, mode=mode, on_dead="fail", **more) == FAILED
    ran = await ask(joined(*says, mode=mode, on_dead="degrade", **more))
    assert (ran.result.text, ran.result.data["partial"], ran.result.data["dead"]) == (answer, True, 1)


async def test_a_dead_branch_makes_the_answer_partial_only_where_all_were_wanted() -> None:
    ran = await ask(joined(None, '{"y": 1}', '{"z": 1}', mode="quorum", quorum=2))
    assert (ran.result.data["partial"], ran.result.data["dead"], ran.result.data["joined"]) == (False, 1, 2)
    ran = await ask(joined("x", "y", on_dead="degrade"))
    assert (ran.result.data["partial"], ran.result.data["dead"]) == (False, 0)


async def test_success_says_which_arrival_will_do() -> None:
    assert await text_of("short", "longer", mode="first_success", success="len(content) > 5") == "longer"
    assert await text_of("short", "longer", mode="first_success", success="content == 'short'") == "short"
    assert await text_of("short", "longer", mode="first_success", success="content == 'x'") == FAILED


async def test_success_sees_the_payload() -> None:
    says = ('{"ok": false}', '{"ok": true}')
    assert await text_of(*says, mode="first_success", success="data.json.ok") == says[1]


async def test_a_success_that_cannot_be_evaluated_is_an_error_of_the_join() -> None:
    ran = await ask(joined("x", "y", mode="first_success", success="data.missing > 1"))
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("condition_failed", "join")


async def test_score_says_where_the_number_is() -> None:
    says = ('{"a": 1, "b": 2}', '{"a": 2, "b": 1}')
    assert await text_of(*says, mode="best_score", score="json.a") == says[1]
    assert await text_of(*says, mode="best_score", score="json.b") == says[0]


async def test_an_arrival_without_a_number_is_never_the_best_and_none_at_all_is_an_error() -> None:
    says = ('{"s": "9"}', '{"s": true}', '{"s": -5}', '{"s": null}', "{}")
    assert await text_of(*says, mode="best_score", score="json.s") == '{"s": -5}'
    assert await text_of('{"s": "9"}', "{}", mode="best_score", score="json.s") == "error no_score"
    huge = '{"s": 1' + "0" * 400 + "}"
    assert await text_of('{"s": 1.5e308}', huge, mode="best_score", score="json.s") == huge


async def test_separator_stands_between_the_texts() -> None:
    assert await text_of("x", "y", separator=" | ") == "x | y"
    assert await text_of("x", "y", separator="") == "xy"
    assert await text_of("x", "y", mode="quorum", quorum=2, separator="/") == "x/y"


async def test_cancel_siblings_says_whether_the_others_may_end() -> None:
    cancelled = await ask(joined("x", '{"y": 1}', mode="any", cancel_siblings=True))
    assert decided(cancelled).cancelled == (1,)
    assert "b1p" not in cancelled.visited()
    left = await ask(joined("x", '{"y": 1}', mode="any", cancel_siblings=False))
    assert decided(left).cancelled == ()
    assert "b1" in left.visited()
    assert left.result.text == cancelled.result.text == "x"


async def test_the_payloads_of_all_branches_are_merged_the_later_ones_win() -> None:
    ran = await ask(joined('{"n": 1}', '{"n": 2}'))
    assert ran.result.data["json"] == {"n": 2}
    assert ran.result.data["answers"] == ['{"n": 1}', '{"n": 2}']
    ran = await ask(joined('{"n": 1}', '{"n": 2}', mode="any"))
    assert ran.result.data["json"] == {"n": 1}
    assert "answers" not in ran.result.data


async def test_a_lone_message_is_joined_at_once() -> None:
    assert (await ask(chain(node("join", "join")))).result.text == "Why?"
    refused = await ask(chain(node("join", "join", mode="first_success", success="content == 'x'")))
    assert refused.result.error is not None
    assert refused.result.error.code == "join_unsatisfied"


@pytest.mark.parametrize(("on_dead", "words"), [("fail", "on_dead: degrade"), ("degrade", "what the branches came to")])
async def test_a_join_that_fails_says_how_many_arrived_and_what_to_do(on_dead: str, words: str) -> None:
    ran = await ask(joined(None, None, on_dead=on_dead))
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.INVALID_OUTPUT
    assert "0 arrived" in ran.result.error.message
    assert words in ran.result.error.remedy


def test_every_field_of_these_types_has_a_test_here_or_in_the_tests_of_runs() -> None:
    shared = {"timeout_ms", "retry", "idempotent"}
    assert set(JoinConfig.model_fields) - shared == {
        "mode", "quorum", "on_dead", "success", "score", "separator", "cancel_siblings",
    }  # fmt: skip
    assert set(FanoutConfig.model_fields) - shared == {"targets", "over", "max_branches"}
