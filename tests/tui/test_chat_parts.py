"""What the chat is made of, without an app: what is mounted, drafts, code blocks, searches, clipboards."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.view import View
from engine.view.values import AttemptView, MemoryView, NodeView, VisitView
from tinyllm_tui.clipboard import clipboard_programs, copy_to_system
from tinyllm_tui.drafts import FILE_NAME, MOST, Draft, Drafts, read_drafts, write_drafts
from tinyllm_tui.widgets.chat.bar import acts_line
from tinyllm_tui.widgets.chat.code_blocks import code_blocks
from tinyllm_tui.widgets.chat.draft import draft_lines
from tinyllm_tui.widgets.chat.exchange import QUESTION_SHOWN, brief_question, shortened
from tinyllm_tui.widgets.chat.folded import head_lines
from tinyllm_tui.widgets.chat.footer import footer_lines, reading_words, route_words
from tinyllm_tui.widgets.chat.history import PastTurn
from tinyllm_tui.widgets.chat.items import TurnItem
from tinyllm_tui.widgets.chat.search import Search, searchable
from tinyllm_tui.widgets.chat.spacer import rows_of
from tinyllm_tui.widgets.chat.taken_back import TakenBack, cancelled_words, taken_back
from tinyllm_tui.widgets.chat.window import NEAR, tops, window, within
from tinyllm_tui.words import ASCII, UNICODE, parent_words, plain

ROWS = st.lists(st.integers(1, 60), min_size=1, max_size=80)


@given(ROWS, st.floats(0, 1), st.integers(5, 70))
def test_what_is_seen_is_mounted_first_then_what_is_near_it_and_then_nothing_changes(
    rows: list[int], share: float, height: int
) -> None:
    starts = tops(rows)
    top = max(starts[-1] - height, 0) * share
    mounted = range(0)
    for _ in range(4):
        before, mounted = mounted, window(starts, top, height, mounted)
        assert set(mounted) >= set(within(starts, top, top + height))
    assert mounted == before
    assert set(mounted) >= set(within(starts, top - NEAR * height, top + (1 + NEAR) * height))
    assert sum(rows[n] for n in mounted[1:-1]) <= (1 + 2 * NEAR) * height


@given(ROWS, st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(5, 70))
def test_wherever_one_scrolls_no_more_than_a_few_screens_are_mounted(
    rows: list[int], shares: list[float], height: int
) -> None:
    starts, mounted = tops(rows), range(0)
    for share in shares:
        mounted = window(starts, max(starts[-1] - height, 0) * share, height, mounted)
        assert 0 <= mounted.start <= mounted.stop <= len(rows)
        assert sum(rows[n] for n in mounted[1:-1]) <= 6 * height


def test_drafts_are_kept_by_session_and_read_back_with_their_pastes(tmp_path: Path) -> None:
    drafts = Drafts()
    drafts.keep("one", Draft("see [pasted 1]", {"[pasted 1]": "x\n" * 40}))
    drafts.keep("", Draft("not begun"))
    drafts.keep("two", Draft("gone"))
    drafts.keep("two", Draft())
    assert drafts.changed
    write_drafts(tmp_path, drafts.snapshot())
    assert not drafts.changed
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE_NAME]
    again = Drafts()
    again.keep("one", Draft("typed since"))
    again.add(read_drafts(tmp_path))
    assert again.of("one") == Draft("typed since")
    assert again.of("") == Draft("not begun")
    assert again.of("two") == Draft()


def test_only_the_latest_drafts_are_kept() -> None:
    drafts = Drafts()
    for n in range(MOST + 5):
        drafts.keep(str(n), Draft("text"))
    assert list(drafts.snapshot()) == [str(n) for n in range(5, MOST + 5)]


@pytest.mark.parametrize("text", ["", "[1]", "nonsense", '{"a": 3, "b": {"text": 4}}', "\xff"])
def test_a_file_that_holds_no_drafts_has_none(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="latin-1")
    assert read_drafts(tmp_path) == {}
    assert read_drafts(tmp_path / "nowhere") == {}


def test_code_blocks_are_found_in_order_with_their_language_and_without_what_a_terminal_obeys() -> None:
    text = "a\n```python title\nx = 1\n\ny = '\x1b[31m2'\n```\nb `c`\n~~~\n```\n~~~\n```sh\nls"
    assert [(each.language, each.code) for each in code_blocks(text)] == [
        ("python", "x = 1\n\ny = '2'\n"),
        ("", "```\n"),
        ("sh", "ls\n"),
    ]
    assert code_blocks(text)[0].words == "python, 3 lines: x = 1"
    assert code_blocks("no code") == []


def test_a_search_counts_what_is_read_and_not_the_marks_of_markdown() -> None:
    turn = PastTurn(
        "The *capital*?", "The **capital** of [France](http://a.b)\nis `Paris`.\n```\na**b\n```\n", "t", 1, 0
    )
    words = searchable(turn)
    assert "The capital of France is Paris." in words
    assert "a**b" in words
    turns = [TurnItem(turn), TurnItem(PastTurn("Paris?", "PARIS", "u", 2, 0)), TurnItem(PastTurn("a", "b", "v", 3, 0))]
    search = Search(turns, "paris")
    assert search.found == "3 of 3"
    assert search.item is turns[1]
    search.move(1)
    assert (search.found, search.item) == ("1 of 3", turns[0])
    assert Search(turns, "[/nope]").found == "nothing found"
    assert Search(turns, "[/nope]").item is None


def test_below_an_answer_stands_why_this_specialist_gave_it() -> None:
    decided = ev.RouteDecided(
        path="router", visit=1, labels=("math",), target="math", route="math", stage="embedding",
        scores={"math": 0.93, "code": 0.2}, reason="over 0.55\x1b[31m",
    )  # fmt: skip
    node = NodeView("router", "router", "router")
    node.visits.append(VisitView(1, 0.0, route=decided))
    view = View(nodes={"router": node})
    assert route_words(view, UNICODE) == "routed to math by embedding, score 0.93 · over 0.55"
    assert route_words(View(), UNICODE) == ""


def test_while_nothing_is_written_yet_it_is_said_how_much_a_model_reads() -> None:
    attempt = AttemptView(1, 1, "m", "embedded", 100)
    node = NodeView("math", "model", "math", "running", [VisitView(1, 90, attempts=[attempt])])
    view = View(status="executing", nodes={"math": node}, memory={"math m": MemoryView("math m", tokens=1480)})
    assert plain(footer_lines(view, 1, 3200, ASCII)[0])[2:] == "math - reading 1,480 tokens - 3.20s"
    attempt.text = "x"
    assert reading_words(view) == ""
    assert reading_words(View()) == ""


def test_a_question_asked_anew_is_no_fork_to_a_person_and_one_that_goes_on_from_a_step_is() -> None:
    assert parent_words(View(parent=(8, 1), replaces=True)) == "asked anew, in place of #8"
    assert parent_words(View(parent=(8, 1))) == "fork of #8 at step 1"
    assert parent_words(View(parent=(8, 7), replaces=True)) == "fork of #8 at step 7"


def test_what_is_left_out_of_a_text_has_the_mark_of_the_terminal() -> None:
    long = "x" * (QUESTION_SHOWN + 1)
    assert brief_question(long, ASCII.ellipsis).isascii()
    assert shortened(long, 10, ASCII.ellipsis) == f"{'x' * 10}~\n(1,501 characters)"


def test_what_a_gate_took_back_is_said_and_kept_and_who_cancels_is_told_what_is_left() -> None:
    gate = ev.GateDecided(path="check", visit=1, passed=False, target="a", reason="too short\x1b[31m", retries=0)
    node = NodeView("check", "gate", "check")
    node.visits.append(VisitView(1, 9, gate=gate, rewound=True))
    model = NodeView("a", "model", "a")
    model.visits += [
        VisitView(1, 0, finished_ms=8, output="No.", rewound=True),
        VisitView(2, 9, finished_ms=20, output="Yes"),
    ]
    view = View(nodes={"check": node, "a": model}, retries=1)
    assert taken_back(view, UNICODE) == [TakenBack("taken back: too short · try 2", "No.")]
    assert taken_back(View(), UNICODE) == []
    assert cancelled_words(View()) == "Cancelled before anything was written."
    assert cancelled_words(view) == "Cancelled. What was written had been taken back."
    view.answer = "No, because"
    assert cancelled_words(view) == "Cancelled. What was written stays on screen."


def test_the_clipboards_of_the_system_are_those_of_its_display() -> None:
    assert clipboard_programs({}, "linux") == []
    assert clipboard_programs({}, "darwin") == [("pbcopy",)]
    found = clipboard_programs({"DISPLAY": ":0", "WAYLAND_DISPLAY": "w"}, "linux")
    assert [each[0] for each in found] == ["wl-copy", "xclip", "xsel"]


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def test_a_text_is_handed_to_the_first_clipboard_that_takes_it(tmp_path: Path) -> None:
    environment = {"DISPLAY": ":0", "WAYLAND_DISPLAY": "w", "PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert not await copy_to_system("nobody", {**environment, "PATH": str(tmp_path)})
    _program(tmp_path, "wl-copy", "exit 1")
    _program(tmp_path, "xclip", f'echo "$@" > {tmp_path}/args; cat > {tmp_path}/text')
    assert await copy_to_system("text of it; $(ls)\n", environment)
    assert (tmp_path / "text").read_text() == "text of it; $(ls)\n"
    assert (tmp_path / "args").read_text() == "-selection clipboard\n"


def test_keys_of_a_selected_message_leave_out_what_has_no_room_but_never_the_way_back() -> None:
    acts = [("f", "fork"), ("e", "edit"), ("Y", "code"), ("esc", "back")]
    assert plain(acts_line(acts, 80)) == "  f fork  e edit  Y code  esc back"
    assert plain(acts_line(acts, 20)) == "  f fork  esc back"
    assert plain(acts_line((), 20)) == ""


def test_bullets_of_a_draft_are_those_of_the_terminal() -> None:
    assert plain(draft_lines("- one", 20, ASCII.bullet)[0]).strip() == "* one"


def test_a_turn_that_is_not_mounted_is_drawn_in_plain_rows() -> None:
    item = TurnItem(PastTurn("Why?\x1b[2J", "**Because**\n\n- one", "", None, 0))
    assert [row.rstrip() for row in rows_of(item, 40, ASCII)][:3] == [" | Why?", "", "   Because"]


def test_a_fold_says_that_its_words_are_cut_and_all_of_them_once_it_is_unfolded() -> None:
    words = "taken back: a code block was cut off · try 2"
    (line,) = head_lines(words, 25, UNICODE, whole=False)
    assert plain(line) == "▸ taken back: a code blo…"
    rows = [plain(row) for row in head_lines(words, 24, UNICODE, whole=True)]
    assert len(rows) > 1
    assert all(len(row) <= 24 for row in rows)
    assert " ".join(row.strip() for row in rows) == f"▾ {words}"
