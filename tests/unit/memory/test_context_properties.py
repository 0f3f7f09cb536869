"""What holds for a context selection after any sequence of messages, counts and prunings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.memory.context import ContextSelection
from engine.memory.item import ContextItem
from engine.memory.ranking import going_order
from engine.message import MessageKind, Role

ROLES: list[Role] = ["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class Add:
    kind: MessageKind
    role: Role
    text: str
    pinned: bool


@dataclass(frozen=True)
class Observe:
    reported: int


@dataclass(frozen=True)
class Prune:
    max_tokens: int


Step = Add | Observe | Prune

TEXT = st.one_of(st.text(max_size=60), st.integers(0, 400).map(lambda size: "w" * size))
STEPS = st.lists(
    st.one_of(
        st.builds(Add, st.sampled_from(MessageKind), st.sampled_from(ROLES), TEXT, st.just(False)),
        st.builds(Add, st.sampled_from(MessageKind), st.sampled_from(ROLES), TEXT, st.booleans()),
        st.builds(Observe, st.integers(-10, 2000)),
        st.builds(Prune, st.integers(1, 200)),
    ),
    max_size=40,
)
WINDOWS = st.integers(50, 600)


def recount(selection: ContextSelection) -> int:
    """The total, from the messages themselves."""
    raw = sum((len(item.text.encode("utf-8", "replace")) + 3) // 4 + 4 for item in selection.visible())
    return math.ceil(raw * selection.factor)


def take(selection: ContextSelection, step: Step) -> object:
    if isinstance(step, Add):
        return selection.add(step.kind, step.role, step.text, pinned=step.pinned)
    if isinstance(step, Observe):
        return selection.observe(step.reported)
    try:
        return selection.prune(step.max_tokens)
    except EngineError as error:
        return error.code


@settings(deadline=None)
@given(WINDOWS, STEPS)
def test_totals_equal_a_recount(window: int, steps: list[Step]) -> None:
    selection = ContextSelection("n m", window)
    for step in steps:
        take(selection, step)
        assert selection.total == recount(selection)
        assert sum(selection.by_kind.values()) == selection.total
        assert set(selection.by_kind) == {item.kind.value for item in selection}


@settings(deadline=None)
@given(WINDOWS, STEPS, st.integers(1, 200))
def test_a_request_that_pruning_let_pass_fits_the_window(window: int, steps: list[Step], max_tokens: int) -> None:
    selection = ContextSelection("n m", window)
    for step in steps:
        take(selection, step)
    pinned = [item for item in selection if item.pinned]
    needed = math.ceil(sum(item.tokens for item in pinned) * selection.factor)
    before, visible = selection.total, selection.visible()
    try:
        pruned = selection.prune(max_tokens)
    except EngineError:
        assert needed + max_tokens > window
        assert selection.visible() == visible, "an error changes nothing"
        return
    assert [item.id for item in selection if item.pinned] == [item.id for item in pinned], "none is dropped"
    if needed + max_tokens > window:
        assert pruned is not None
        assert pruned.cut
        assert selection.total + max_tokens <= window
        return
    assert selection.total + max_tokens <= window
    room = window - max_tokens
    if pruned is None:
        assert before <= 0.8 * room or all(item.pinned for item in selection)
    else:
        assert before > 0.8 * room
        assert selection.total <= 0.6 * room or all(item.pinned for item in selection)
        assert len(pruned.removed) > 0
    assert selection.prune(max_tokens) is None


@settings(deadline=None)
@given(WINDOWS, STEPS)
def test_no_message_is_lost_and_no_pinned_one_hidden(window: int, steps: list[Step]) -> None:
    selection, added = ContextSelection("n m", window), list[ContextItem]()
    for step in steps:
        made = take(selection, step)
        if isinstance(made, ContextItem):
            added.append(made)
        whole = {item.id: item for item in selection.originals()}
        assert set(whole) <= {item.id for item in selection}
        visible, hidden = [whole.get(item.id, item) for item in selection], selection.hidden()
        assert not any(item.pinned for item in hidden)
        assert visible == sorted(visible, key=lambda item: item.id)
        assert sorted(visible + hidden, key=lambda item: item.id) == added
        assert len(selection) == len(visible)


@settings(deadline=None)
@given(WINDOWS, STEPS)
def test_the_same_steps_give_the_same_selection(window: int, steps: list[Step]) -> None:
    first, second = ContextSelection("n m", window), ContextSelection("n m", window)
    assert [take(first, step) for step in steps] == [take(second, step) for step in steps]
    assert first.visible() == second.visible()
    assert first.measured(1) == second.measured(1)


@settings(deadline=None)
@given(WINDOWS, STEPS)
def test_within_what_this_run_made_the_oldest_go_first(window: int, steps: list[Step]) -> None:
    selection = ContextSelection("n m", window)
    for step in steps:
        staying = {item.id for item in selection}
        take(selection, step)
        gone = [item for item in selection.hidden() if item.id in staying]
        for kind in {item.kind for item in gone} & {MessageKind.UPSTREAM, MessageKind.NOTE}:
            youngest = max(item.id for item in gone if item.kind is kind)
            left = [item.id for item in selection if item.kind is kind and not item.pinned]
            assert all(number > youngest for number in left)


@settings(deadline=None)
@given(WINDOWS, STEPS, st.integers(0, 300))
def test_what_surely_goes_comes_at_once_in_the_same_order(window: int, steps: list[Step], over: int) -> None:
    selection = ContextSelection("n m", window)
    for step in steps:
        take(selection, step)
    items = [item for item in selection if not item.pinned]
    singly = list(going_order(items, "www what", window))
    at_once = list(going_order(items, "www what", window, over))
    assert [item for _, group in at_once for item in group] == [item for _, group in singly for item in group]
    assert len(at_once) == len(singly) or sum(item.tokens for item in at_once[0][1]) <= over
