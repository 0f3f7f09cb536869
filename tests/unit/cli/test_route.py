"""`route eval`, `route explain`, `route teach` and `route taught`, by words alone: no server is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.routing_graph import birds_or_stones
from tests.scripted_backend import ScriptedBackend
from tests.unit.cli.conftest import Call

QUESTION = "Is a puffin made of granite or slate, or is it grey?"


@pytest.fixture
def graph(tmp_path: Path, scripted: ScriptedBackend) -> str:
    del scripted
    file = tmp_path / "nature.yaml"
    file.write_text(yaml.safe_dump(birds_or_stones().model_dump(mode="json", exclude_defaults=True)))
    return str(file)


def questions(tmp_path: Path, *rows: object) -> str:
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return str(file)


def routed(call: Call, graph: str) -> str:
    done = call("route", "explain", QUESTION, "--graph", graph, "--json")
    assert done.status == 0, done.err
    return str(json.loads(done.out)["route"])


def test_a_question_is_explained_taught_and_goes_right_until_that_is_undone(call: Call, graph: str) -> None:
    assert routed(call, graph) == "stones"
    taught = call("route", "teach", QUESTION, "--route", "birds", "--graph", graph)
    assert (taught.status, taught.err) == (0, "")
    assert "-> birds, from the next question on" in taught.out
    assert routed(call, graph) == "birds"
    explained = call("route", "explain", QUESTION, "--graph", graph)
    assert "birds by correction, to birds" in explained.out
    listed = call("route", "taught").out
    assert "graph.nature router" in listed
    assert QUESTION in listed
    assert call("route", "taught", "undo", "1").status == 0
    assert routed(call, graph) == "stones"
    assert "No route has been corrected." in call("route", "taught", "list").err
    assert "undone" in call("route", "taught", "list", "--all").out
    assert json.loads(call("route", "taught", "list", "--json").out)[0]["undone_ms"] is not None
    assert json.loads(call("tx", "list", "--json").out or "[]") == [], "nothing of it is recorded as a run"


def test_an_explanation_has_every_score_the_stage_the_nearest_utterances_and_the_times(call: Call, graph: str) -> None:
    done = call("route", "explain", "How do wrens and swallows build a nest?", "--graph", graph)
    assert done.status == 0
    for words in ("birds by words", "scores", "nearest utterances", "How do swallows build a nest?", "asked rule"):
        assert words in done.out
    found = json.loads(call("route", "explain", "How do storks nest?", "--graph", graph, "--json").out)
    assert set(found["scores"]) == {"birds", "stones"}
    assert [stage for stage, _ in found["stages"]] == ["rule", "words"]


def test_corrections_are_exported_and_imported(call: Call, graph: str, tmp_path: Path) -> None:
    call("route", "teach", "Flint\u2028?", "--route", "birds", "--graph", graph)
    file = tmp_path / "taught.jsonl"
    assert call("route", "taught", "export", str(file)).status == 0
    assert call("route", "taught", "export", str(file)).status == 1, "a file is not overwritten"
    assert json.loads(file.read_text())["question"] == "Flint\u2028?"
    assert call("route", "taught", "undo", "1").status == 0
    assert "1 corrections were added" in call("route", "taught", "import", str(file)).out
    assert "0 corrections were added" in call("route", "taught", "import", "-", stdin=file.read_text()).out
    bad = call("route", "taught", "import", "-", stdin='\n{"graph": 1}\n')
    assert bad.status == 1
    assert "Line 2 is no correction" in bad.err


def test_eval_prints_every_figure_and_as_json(call: Call, graph: str, tmp_path: Path) -> None:
    file = questions(
        tmp_path,
        {"question": "How do wrens build a nest?", "labels": ["birds"]},
        "",
        {"text": "What is quartz made of?", "labels": ["stones"]},
        {"question": QUESTION, "labels": ["birds"]},
    )
    done = call("route", "eval", file, "--graph", graph)
    assert (done.status, done.err) == (0, "")
    for words in (
        "single label: right", "multi-label F1", "expected calibration error", "most confident 80 %",
        "time per question", "decided by words", "PRECISION", "RECALL", "CONFUSED",
    ):  # fmt: skip
        assert words in done.out
    found = json.loads(call("route", "eval", file, "--graph", graph, "--words", "--json").out)
    assert found["questions"] == 3
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["labels"]["birds"]["recall"] == 0.5
    assert {"labels": "birds", "found": "stones", "questions": 1} in found["confusion"]
    call("route", "teach", "Is a puffin of granite or slate, or grey?", "--route", "birds", "--graph", graph)
    again = json.loads(call("route", "eval", file, "--graph", graph, "--json").out)
    assert again["accuracy"] == 1.0, "corrections count, also for what is like them"


BAD = {
    "{": "Line 2 is no JSON.",
    "[" * 100_000: "Line 2 is no JSON.",
    "7": "Line 2 is no JSON object.",
    '{"labels": ["birds"]}': "Line 2 has no `question`.",
    '{"question": "Why?", "labels": "birds"}': "Line 2 has no list of `labels`.",
    '{"question": "Why?", "labels": ["plants"]}': "Line 2 has the label `plants`, which is no route of the graph.",
}


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:20])
def test_a_bad_line_is_named_with_its_number(call: Call, graph: str, tmp_path: Path, line: str) -> None:
    done = call("route", "eval", questions(tmp_path, {"question": "?", "labels": ["birds"]}, line), "--graph", graph)
    assert (done.status, done.out) == (1, "")
    assert f"Error: {BAD[line]}" in done.err
    assert "Remedy: " in done.err


def test_files_that_cannot_be_used_and_routes_that_are_none_are_refused_in_one_message(
    call: Call, graph: str, tmp_path: Path
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_text("")
    for name, words in (("missing", "cannot be read"), ("binary", "is no UTF-8 text"), ("empty", "has no questions")):
        done = call("route", "eval", str(tmp_path / name), "--graph", graph)
        assert done.status == 1
        assert words in done.err
    assert "is a folder" in call("route", "eval", str(tmp_path), "--graph", graph).err
    wrong = call("route", "teach", "Why?", "--route", "bird", "--graph", graph)
    assert (wrong.status, wrong.out) == (1, "")
    assert "Did you mean `birds`?" in wrong.err
    assert call("route", "teach", "Why?", "--graph", graph).status == 2
    assert call("route", "taught", "undo", "0").status == 2
    assert "There is no correction 9" in call("route", "taught", "undo", "9").err
    assert "has no router" in call("route", "explain", "Why?", "--graph", "simple_qa").err
