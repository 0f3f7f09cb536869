"""Hostile files are refused with one clear message, with little memory, and without running anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.graph.loader import load_graph
from engine.graph.problems import GraphError
from tests.unit.graph.corpus.hostile import GRAPH, HOSTILE, MANY, SPARE

ROOT = Path(__file__).parents[4]


def test_hostile_texts_are_refused_with_a_clear_message_and_little_memory() -> None:
    """All of them in one child process, whose address space is bounded."""
    module = "tests.unit.graph.corpus.hostile"
    done = subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr[-2000:]
    came = dict(json.loads(line) for line in done.stdout.splitlines())
    peak = came.pop("")["peak"]
    assert list(came) == list(HOSTILE)
    wrong = {name: reason for name, answer in came.items() if (reason := complaint(name, answer))}
    assert wrong == {}
    assert peak < SPARE + (200 << 20)


def complaint(name: str, answer: dict[str, object]) -> str:
    """What is not as it should be about what came of a text; empty where nothing is."""
    if "raised" in answer:
        return str(answer["raised"])
    problems, cpu = answer["problems"], answer["cpu"]
    assert isinstance(problems, list)
    assert isinstance(cpu, float)
    if (len(problems) == 1) == (name in MANY):
        return f"{len(problems)} problems: {problems[:3]}"
    if HOSTILE[name][1] not in problems[0][1]:
        return f"it says {problems[0]}"
    if any(not text.isprintable() or not 0 < len(text) < 1000 for _, *texts in problems for text in texts):
        return "a message is no short line of printable text"
    if any(line < 1 for line, *_ in problems) and "larger than 1 MB" not in problems[0][1]:
        return "it names no place"
    if len(str(answer["error"])) > 20_000:
        return "the error is very long"
    return f"it took {cpu:.0f} s" if cpu > 20 else ""


@pytest.mark.parametrize(
    ("raw", "message", "line"),
    [
        (GRAPH.encode("utf-16"), "not UTF-8", 1),
        (GRAPH.encode() + b"name: caf\xe9\n", "not UTF-8", 9),
        (GRAPH.encode() + b"name: \xed\xa0\x80\n", "not UTF-8", 9),
        (GRAPH.encode() + b"#" * 1_000_000, "larger than 1 MB", 0),
        (b"\x00" * 5_000, "not allowed", 1),
        (b"\x7fELF\x02\x01\x01", "not allowed", 1),
        (b"", "It is empty", 1),
        (b"\xef\xbb\xbf", "It is empty", 1),
        (GRAPH.replace("\n", "\r\n").encode() + b"nmae: x\r\n", "no field `nmae`", 9),
        (GRAPH.replace("\n", "\r").encode() + b"nmae: x\r", "no field `nmae`", 9),
        (b"\xef\xbb\xbf" + GRAPH.encode() + b"nmae: x\n", "no field `nmae`", 9),
    ],
    ids=range(11),
)
def test_a_file_that_is_no_graph_is_refused_at_its_place(tmp_path: Path, raw: bytes, message: str, line: int) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(raw)
    with pytest.raises(GraphError) as caught:
        load_graph(file)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.line == line
    assert problem.remedy
    assert problem.file == str(file)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("change", ["none", "byte order mark", "line ends of Windows", "line ends of old Macs"])
def test_how_a_file_ends_its_lines_and_how_it_begins_is_no_mistake(tmp_path: Path, change: str) -> None:
    raw = GRAPH.encode()
    file = tmp_path / "good.yaml"
    file.write_bytes(
        {
            "none": raw,
            "byte order mark": b"\xef\xbb\xbf" + raw,
            "line ends of Windows": raw.replace(b"\n", b"\r\n"),
            "line ends of old Macs": raw.replace(b"\n", b"\r"),
        }[change]
    )
    assert load_graph(file).id == "graph.hostile"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.yaml", Path("bad\0name.yaml"), tmp_path / ("x" * 300 + ".yaml")):
        with pytest.raises(GraphError) as caught:
            load_graph(path)
        assert len(caught.value.problems) == 1
        assert caught.value.problems[0].remedy
