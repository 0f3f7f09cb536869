"""The context selection: totals, pruning, and learning from what the backend counted."""

from __future__ import annotations

import pytest

from engine.errors import EngineError, ErrorClass
from engine.memory.context import ContextItem, ContextSelection
from engine.message import MessageKind as Kind
from engine.models.tokens import TEMPLATE_TOKENS

HUNDRED = "x" * (4 * (100 - TEMPLATE_TOKENS))
"""A text that counts as 100 tokens with its share of the template."""


def conversation(turns: int, window: int = 1000) -> ContextSelection:
    """System and question, pinned, of 100 tokens each, and between them turns of twice 100 tokens."""
    selection = ContextSelection("node tiny", window)
    selection.add(Kind.SYSTEM, "system", HUNDRED, pinned=True)
    for _ in range(turns):
        selection.add(Kind.HISTORY, "user", HUNDRED)
        selection.add(Kind.HISTORY, "assistant", HUNDRED)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    return selection


def ids(items: list[ContextItem]) -> list[int]:
    return [item.id for item in items]


def test_a_message_counts_a_quarter_of_its_bytes_and_the_templates_share() -> None:
    selection = ContextSelection("node tiny", 1000)
    assert selection.add(Kind.QUESTION, "user", "abcd").tokens == 1 + TEMPLATE_TOKENS
    assert selection.add(Kind.HISTORY, "user", "ééé").tokens == 2 + TEMPLATE_TOKENS
    assert selection.total == 3 + 2 * TEMPLATE_TOKENS
    assert selection.by_kind == {"question": 5, "history": 6}
    assert len(selection) == 2


def test_messages_come_in_the_order_of_their_insertion() -> None:
    selection = conversation(2)
    assert ids(selection.visible()) == [1, 2, 3, 4, 5, 6]
    assert [item.role for item in selection] == ["system", "user", "assistant", "user", "assistant", "user"]


def test_nothing_is_pruned_up_to_eighty_percent_of_what_the_window_leaves() -> None:
    selection = conversation(3, window=1100)
    assert selection.total == 800
    assert selection.prune(100) is None
    assert len(selection) == 8


def test_over_eighty_percent_the_oldest_go_until_sixty() -> None:
    selection = conversation(3, window=1099)
    pruned = selection.prune(100)
    assert pruned is not None
    assert (pruned.tokens_before, pruned.tokens_after, pruned.window) == (800, 400, 1099)
    assert ids(selection.hidden()) == [2, 3, 4, 5]
    assert ids(selection.visible()) == [1, 6, 7, 8]
    assert selection.total == 400
    assert selection.by_kind == {"system": 100, "history": 200, "question": 100}


def test_a_pruned_selection_is_left_alone_until_it_has_filled_up_again() -> None:
    selection = conversation(3, window=1099)
    assert selection.prune(100) is not None
    for _ in range(3):
        selection.add(Kind.HISTORY, "user", HUNDRED)
        assert selection.prune(100) is None
    selection.add(Kind.HISTORY, "user", HUNDRED)
    assert selection.prune(100) is not None


def test_the_answer_to_a_pruned_question_goes_with_it() -> None:
    selection = conversation(4, window=1000)
    selection.prune(0)
    assert selection.visible()[1].role == "user"
    assert ids(selection.hidden()) == [2, 3, 4, 5]


def test_history_goes_before_what_other_nodes_made() -> None:
    selection = ContextSelection("node tiny", 1000)
    selection.add(Kind.UPSTREAM, "user", HUNDRED)
    selection.add(Kind.TOOL, "tool", HUNDRED)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    for _ in range(6):
        selection.add(Kind.HISTORY, "user", HUNDRED)
    pruned = selection.prune(0)
    assert pruned is not None
    assert {item.kind for item in selection.hidden()} == {Kind.HISTORY}
    assert ids(selection.hidden()) == [4, 5, 6]


def test_what_other_nodes_made_goes_when_history_is_not_enough() -> None:
    selection = ContextSelection("node tiny", 1000)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    for _ in range(4):
        selection.add(Kind.UPSTREAM, "user", HUNDRED * 2)
    selection.add(Kind.HISTORY, "user", HUNDRED)
    selection.prune(0)
    assert ids(selection.hidden()) == [2, 3, 6]


def test_pinned_messages_stay_although_they_are_over_eighty_percent() -> None:
    selection = ContextSelection("node tiny", 1000)
    selection.add(Kind.QUESTION, "user", HUNDRED * 9, pinned=True)
    assert selection.prune(0) is None
    selection.add(Kind.HISTORY, "user", HUNDRED * 2)
    pruned = selection.prune(0)
    assert pruned is not None
    assert ids(selection.visible()) == [1]
    assert selection.prune(0) is None


def test_pinned_messages_that_do_not_fit_are_an_overflow_that_names_the_sizes() -> None:
    selection = conversation(2, window=1000)
    with pytest.raises(EngineError) as caught:
        selection.prune(801)
    error = caught.value
    assert error.error_class is ErrorClass.CONTEXT_OVERFLOW
    assert "about 200 tokens; the model's window is 1000" in error.message
    assert "801" in error.message
    assert error.remedy
    assert len(selection) == 6


def test_pinned_messages_overflow_by_the_corrected_count() -> None:
    selection = conversation(0, window=300)
    assert selection.prune(50) is None
    selection.observe(400)
    with pytest.raises(EngineError, match="about 400 tokens"):
        selection.prune(50)


def test_an_answer_larger_than_the_window_is_an_overflow() -> None:
    with pytest.raises(EngineError):
        conversation(0, window=500).prune(600)


def test_the_event_says_what_went_and_why() -> None:
    selection = ContextSelection("node tiny", 200)
    selection.add(Kind.HISTORY, "user", "A long\n  story, " + "told " * 200)
    pruned = selection.prune(10, "the gate's retry")
    assert pruned is not None
    event = pruned.event(selection.key)
    assert (event.selection, event.reason) == ("node tiny", "the gate's retry")
    assert (event.tokens_before, event.tokens_after, event.window) == (258, 0, 200)
    (line,) = event.removed
    assert line.startswith("history, 258 tokens: A long story, told told")
    assert line.endswith("…")
    assert "\n" not in line


def test_the_reason_tells_of_the_mark_when_none_is_given() -> None:
    pruned = conversation(4).prune(0)
    assert pruned is not None
    assert "80%" in pruned.reason
    assert "1000" in pruned.reason


def test_the_backends_count_corrects_all_estimates() -> None:
    selection = conversation(1)
    assert selection.total == 400
    assert selection.observe(600) == 1.5
    assert selection.total == 600
    assert selection.by_kind == {"system": 150, "history": 300, "question": 150}
    selection.add(Kind.HISTORY, "user", HUNDRED)
    assert selection.total == 750


def test_pruning_goes_by_the_corrected_total() -> None:
    selection = conversation(2, window=1000)
    assert selection.prune(0) is None
    selection.observe(900)
    pruned = selection.prune(0)
    assert pruned is not None
    assert (pruned.tokens_before, pruned.tokens_after) == (900, 600)


@pytest.mark.parametrize(("reported", "factor"), [(10**9, 4.0), (1, 0.5), (0, 1.0), (-5, 1.0)])
def test_a_count_that_cannot_be_right_has_a_bounded_effect(reported: int, factor: float) -> None:
    assert conversation(1).observe(reported) == factor


def test_an_empty_selection_learns_nothing() -> None:
    selection = ContextSelection("node tiny", 1000)
    assert selection.observe(100) == 1.0
    assert selection.prune(100) is None


def test_a_selection_starts_with_the_factor_that_was_learnt_before() -> None:
    selection = ContextSelection("node tiny", 1000, factor=2.0)
    selection.add(Kind.QUESTION, "user", HUNDRED)
    assert selection.total == 200


def test_the_measurement_carries_all_that_the_memory_pane_shows() -> None:
    selection = conversation(1)
    selection.observe(600)
    body = selection.measured(256, reported=600)
    assert (body.selection, body.tokens, body.window, body.messages) == ("node tiny", 600, 1000, 4)
    assert (body.reserved, body.reported, body.factor) == (256, 600, 1.5)
    assert sum(body.by_kind.values()) == body.tokens


@pytest.mark.parametrize(("high", "low"), [(0.5, 0.6), (1.1, 0.6), (0.8, 0.0)])
def test_marks_that_make_no_sense_are_refused(high: float, low: float) -> None:
    with pytest.raises(ValueError, match="low <= high"):
        ContextSelection("node tiny", 1000, high=high, low=low)


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        ContextSelection("node tiny", 0)


def test_an_item_cannot_be_changed() -> None:
    item = conversation(0).visible()[0]
    with pytest.raises(AttributeError):
        item.text = "other"  # type: ignore[misc]


def test_a_tool_call_goes_with_its_results_and_never_without_them() -> None:
    selection = ContextSelection("node tiny", 1000)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    for _ in range(2):
        selection.add(Kind.TOOL, "assistant", HUNDRED)
        selection.add(Kind.TOOL, "tool", HUNDRED)
        selection.add(Kind.TOOL, "tool", HUNDRED)
    selection.add(Kind.TOOL, "assistant", HUNDRED, pinned=True)
    selection.add(Kind.TOOL, "tool", HUNDRED, pinned=True)
    assert selection.prune(100) is not None
    assert ids(selection.hidden()) == [2, 3, 4, 5, 6, 7]
    assert ids(selection.visible()) == [1, 8, 9]
