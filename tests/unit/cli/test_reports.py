"""A run as a picture of its timeline and as a report: whole, well formed, and with outside text made harmless."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import events as ev
from engine.view import View
from tests.graphs import chain
from tests.tui.timeline_runs import BUSY, BUSY_NODES, finished, started, view_of
from tests.unit.cli.conftest import Call
from tinyllm_tui.reports.markdown import escaped, run_markdown
from tinyllm_tui.reports.timeline_svg import timeline_svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script> & ]]> \x1b]0;owned\x07 \ufffe [x](javascript:1) ```\n# head | cell"


def picture(view: View) -> ElementTree.Element:
    return ElementTree.fromstring(timeline_svg(view).encode())


def hostile_view() -> View:
    name = HOSTILE.replace("/", "").replace("#", "")
    view = view_of([(0, started(name)), (100, finished(name)), (200, ev.Paused(HOSTILE, HOSTILE))])
    view.question = view.answer = HOSTILE
    view.uncompensated = (HOSTILE,)
    return view


def test_a_picture_has_a_bar_for_every_stretch_and_a_sign_for_every_marker() -> None:
    root = picture(view_of(BUSY, *BUSY_NODES))
    classes = [each.get("class") for each in root.iter(f"{SVG}rect")]
    assert classes.count("failed") == 2
    assert classes.count("queued") == 4
    texts = [each.text for each in root.iter(f"{SVG}text")]
    for name in ("code", "polish/draft", "run", "↳ 3"):
        assert name in texts
    assert [each.get("class") for each in root.iter(f"{SVG}text")].count("error") == 3, "two errors and the legend"


def test_bars_are_to_scale_and_inside_the_picture() -> None:
    root = picture(view_of(BUSY, *BUSY_NODES))
    width = float(root.get("width", 0))
    bars = [each for each in root.iter(f"{SVG}rect") if each.get("rx")]
    assert all(0 <= float(b.get("x", -1)) <= width - float(b.get("width", 0)) for b in bars)
    named = {b.findtext(f"{SVG}title"): float(b.get("width", 0)) for b in bars}
    assert named["math: running, 0.91s"] / named["math: waiting, 0.41s"] == pytest.approx(910 / 410, rel=0.02)


def test_what_a_picture_shows_of_outside_text_is_text() -> None:
    text = timeline_svg(hostile_view())
    root = ElementTree.fromstring(text.encode())
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {
        "svg", "title", "style", "rect", "text", "line", "g", "circle"
    }  # fmt: skip
    assert "<script>alert(1)</script>" in "".join(root.itertext())
    assert not set(text) & set("\x1b\x07\ufffe")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_a_picture_is_valid_xml_whatever_was_asked(question: str) -> None:
    view = view_of([(0, started("a")), (10, finished("a"))], "a")
    view.question = question
    assert picture(view).tag == f"{SVG}svg"


def test_a_run_that_has_not_begun_makes_a_picture_and_a_report_too() -> None:
    assert picture(View()).tag == f"{SVG}svg"
    assert run_markdown(View()).startswith("# Run #0\n")


def test_a_report_has_question_answer_nodes_and_every_step() -> None:
    view = view_of(BUSY, *BUSY_NODES)
    report = run_markdown(view)
    for words in ("# Run #1", "why?", "Yes.", "| code | 1 | ok | 0.18s |", "| qwen2.5:3b | 3 |", "checkpoint 2"):
        assert words in report
    steps = report.partition("## Timeline")[2]
    assert steps.count("\n| ") == 1 + len(view.timeline)


def test_what_a_report_shows_of_outside_text_is_no_markdown() -> None:
    report = run_markdown(hostile_view())
    fenced = re.findall(r"(?ms)^(`{4,})text\n(.*?)^\1$", report)
    assert len(fenced) == 2
    outside = re.sub(r"(?ms)^(`{4,})text\n.*?^\1$", "", report)
    assert not re.search(r"(?<!\\)<script", outside)
    assert not re.search(r"(?<!\\)\]\(", outside)
    assert not set(report) & set("\x1b\x07")
    rows = [line for line in outside.splitlines() if line.startswith("| 0.")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert escaped("a|b*c") == r"a\|b\*c"


def test_a_run_is_exported_as_a_picture_and_as_a_report(call: Call, home: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with engine.open(data_dir=tmp_path / "data" / "tinyllm-tui") as eng:
            await eng.start(chain(), "What is 2+2?").result()

    asyncio.run(run())
    file = tmp_path / "run.svg"
    done = call("tx", "export", "1", str(file), "--format", "svg")
    assert (done.status, "A browser shows it." in done.err) == (0, True)
    assert ElementTree.fromstring(file.read_bytes()).tag == f"{SVG}svg"
    assert call("tx", "export", "1", str(file), "--format", "svg").status == 1, "a file is not overwritten"
    report = call("tx", "export", "1", "--format", "markdown").out
    assert report.startswith("# Run #1\n")
    assert "What is 2+2?" in report
    assert call("tx", "export", "1", "--format", "pdf").status == 2
