"""The context selection: totals, pruning, and learning from what the backend counted."""

from __future__ import annotations

import pytest

from engine.errors import EngineError, ErrorClass
from engine.memory.context import ContextSelection, Oversize
from engine.memory.item import ContextItem
from engine.memory.pruned import COPIED, LISTED
from engine.message import MessageKind as Kind
from engine.message import Role
from engine.models.tokens import TEMPLATE_TOKENS

HUNDRED = "x" * (4 * (100 - TEMPLATE_TOKENS))
"""A text that counts as 100 tokens with its share of the template."""


def conversation(turns: int, window: int = 1000, *, oversize: Oversize = "cut") -> ContextSelection:
    """System and question, pinned, of 100 tokens each, and between them turns of twice 100 tokens."""
    selection = ContextSelection("node tiny", window, oversize=oversize)
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
    selection = conversation(2, window=1000, oversize="refuse")
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
    selection = ContextSelection("node tiny", 200, oversize="refuse")
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


# -- messages that are larger than their room --------------------------------------------------------------------------


def test_a_question_larger_than_the_window_keeps_its_head_and_tail_and_says_how_much_is_missing() -> None:
    selection = ContextSelection("node tiny", 600)
    selection.add(Kind.SYSTEM, "system", HUNDRED, pinned=True)
    text = "BEGIN " + "x" * 8000 + " END"
    selection.add(Kind.QUESTION, "user", text, pinned=True, source="question")
    pruned = selection.prune(100)
    assert pruned is not None
    assert selection.total <= 400
    left = selection.visible()[1].text
    assert left.startswith("BEGIN")
    assert left.endswith("END")
    (cut,) = pruned.cut
    assert f"[... {cut.left_out:,} characters left out ...]" in left
    assert len(left) - len(f"\n[... {cut.left_out:,} characters left out ...]\n") + cut.left_out == len(text)
    event = pruned.event(selection.key)
    assert "larger than the 500 tokens" in event.reason
    assert event.removed[0].endswith(f"{cut.left_out:,} characters left out)")
    (message,) = event.messages
    assert (message.kind, message.source, message.text, message.left_out) == ("question", "question", "", cut.left_out)
    assert (message.characters, message.tokens) == (len(text), selection.originals()[0].tokens)


def test_what_was_cut_stays_cut_and_is_not_cut_again() -> None:
    selection = ContextSelection("node tiny", 600)
    selection.add(Kind.QUESTION, "user", HUNDRED * 9, pinned=True)
    assert selection.prune(100) is not None
    assert selection.prune(100) is None


def test_pinned_messages_share_what_the_small_ones_leave() -> None:
    selection = ContextSelection("node tiny", 1100)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    selection.add(Kind.TOOL, "tool", HUNDRED * 9, pinned=True)
    selection.add(Kind.TOOL, "tool", HUNDRED * 5, pinned=True)
    pruned = selection.prune(100)
    assert pruned is not None
    question, *results = selection.visible()
    assert question.text == HUNDRED
    assert all(340 < item.tokens <= 350 for item in results)


@pytest.mark.parametrize(("kind", "role"), [(Kind.SYSTEM, "system"), (Kind.TOOL, "assistant")])
def test_instructions_and_calls_of_tools_are_never_cut(kind: Kind, role: Role) -> None:
    selection = ContextSelection("node tiny", 600)
    selection.add(kind, role, HUNDRED * 9, pinned=True)
    selection.add(Kind.QUESTION, "user", "Why?", pinned=True)
    with pytest.raises(EngineError):
        selection.prune(100)


@pytest.mark.parametrize("kind", [Kind.UPSTREAM, Kind.TOOL, Kind.HISTORY, Kind.RECALLED])
def test_what_could_not_stay_even_alone_is_cut_to_half_of_the_room(kind: Kind) -> None:
    selection = ContextSelection("node tiny", 1100)
    selection.add(kind, "user", HUNDRED * 20)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    pruned = selection.prune(100)
    assert pruned is not None
    assert [240 < each.tokens <= 250 for each in pruned.cut] == [True]
    assert selection.by_kind == {kind.value: pruned.cut[0].tokens, "question": 100}


def test_where_oversize_is_refused_what_is_not_pinned_goes_as_a_whole() -> None:
    selection = ContextSelection("node tiny", 1100, oversize="refuse")
    selection.add(Kind.UPSTREAM, "user", HUNDRED * 20)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    pruned = selection.prune(100)
    assert pruned is not None
    assert (pruned.cut, len(pruned.gone)) == ((), 1)


def test_a_message_that_was_cut_and_goes_later_is_told_with_its_whole_text() -> None:
    selection = ContextSelection("node tiny", 1100)
    selection.add(Kind.HISTORY, "user", "B" + HUNDRED * 20)
    selection.add(Kind.QUESTION, "user", HUNDRED, pinned=True)
    selection.prune(100)
    for _ in range(5):
        selection.add(Kind.UPSTREAM, "user", HUNDRED)
    pruned = selection.prune(100)
    assert pruned is not None
    assert [item.text for item in pruned.gone] == ["B" + HUNDRED * 20]
    assert selection.originals() == []
    assert selection.hidden() == list(pruned.gone)


# -- what goes first ---------------------------------------------------------------------------------------------------


def test_an_exchange_that_the_question_refers_to_stays_longer_than_younger_ones() -> None:
    selection = ContextSelection("node tiny", 1000)
    for number in range(8):
        topic = "the Orinoco river" if number == 1 else "the weather"
        selection.add(Kind.HISTORY, "user", f"Tell me about {topic}. " + "x" * 170)
        selection.add(Kind.HISTORY, "assistant", "y" * 184)
    selection.add(Kind.QUESTION, "user", "Where does the Orinoco end? Tell me.", pinned=True)
    selection.add(Kind.UPSTREAM, "user", HUNDRED)
    pruned = selection.prune(100)
    assert pruned is not None
    assert {3, 4} <= {item.id for item in selection}, "the exchange about the Orinoco"
    assert {1, 2, 5, 6} <= set(ids(selection.hidden())), "older and younger ones about other things"


def test_the_newest_exchanges_stay_longer_than_those_that_are_referred_to() -> None:
    selection = ContextSelection("node tiny", 500)
    for number in range(6):
        selection.add(Kind.HISTORY, "user", ("Orinoco " if number < 1 else "weather ") + "x" * 372)
    selection.add(Kind.QUESTION, "user", "And the Orinoco?", pinned=True)
    selection.prune(120)
    assert 6 in {item.id for item in selection}


def test_words_that_most_exchanges_hold_refer_to_nothing() -> None:
    selection = conversation(0, window=1000)
    for _ in range(9):
        selection.add(Kind.HISTORY, "user", "Tell me more. " + "x" * 370)
    selection.add(Kind.QUESTION, "user", "Tell me more.", pinned=True)
    selection.prune(0)
    assert ids(selection.hidden()) == list(range(3, 3 + len(selection.hidden())))


def test_a_part_of_a_word_refers_to_nothing() -> None:
    selection = ContextSelection("node tiny", 1000)
    for number in range(9):
        selection.add(Kind.HISTORY, "user", ("A comparison. " if number == 0 else "Some words. ") + "x" * 370)
    selection.add(Kind.QUESTION, "user", "What is Paris?", pinned=True)
    selection.prune(0)
    assert 1 in ids(selection.hidden())


def test_recalled_items_stay_longer_than_old_history() -> None:
    selection = ContextSelection("node tiny", 1000)
    selection.add(Kind.RECALLED, "user", HUNDRED)
    for _ in range(8):
        selection.add(Kind.HISTORY, "user", HUNDRED)
    selection.add(Kind.QUESTION, "user", "Why?", pinned=True)
    selection.prune(0)
    assert 1 in {item.id for item in selection}


# -- the event ---------------------------------------------------------------------------------------------------------


def test_a_text_that_another_event_has_is_named_and_one_that_none_has_is_copied() -> None:
    selection = ContextSelection("node tiny", 300)
    selection.add(Kind.HISTORY, "user", HUNDRED, source="history 0")
    selection.add(Kind.TOOL, "user", HUNDRED * 2)
    selection.add(Kind.QUESTION, "user", "Why?", pinned=True)
    pruned = selection.prune(200)
    assert pruned is not None
    history, tool = sorted(pruned.event("n m").messages, key=lambda each: each.kind)
    assert (history.source, history.text) == ("history 0", "")
    assert tool.text == HUNDRED * 2


def test_an_event_is_bounded_however_much_went() -> None:
    selection = ContextSelection("node tiny", 2000)
    for _ in range(LISTED + 20):
        selection.add(Kind.HISTORY, "user", HUNDRED)
    selection.add(Kind.NOTE, "user", "n" * (COPIED + 5))
    selection.add(Kind.QUESTION, "user", "Why?", pinned=True)
    pruned = selection.prune(1900)
    assert pruned is not None
    event = pruned.event("n m")
    assert len(event.messages) <= LISTED + 1
    assert event.unlisted == len(pruned.gone) - LISTED
    assert max(len(each.text) for each in event.messages) <= COPIED
