"""The check `code_parses`."""

from __future__ import annotations

import warnings

import pytest

from engine.graph.conditions import CHECKS
from engine.message import Message
from engine.nodes.checks import run_checks
from engine.nodes.code_check import MAX_DEPTH, MAX_PARSED, MAX_YAML, code_problem

HOSTILE = [
    "[" * 500_000, "-" * 3000 + "1", "- " * 1900 + "a", "x" + "()" * 3000, "a" + ".b" * 3500, "{a: " * 900, "[" * 3900,
    "not " * 1900 + "x", "9" * 5000, "? " * 1900, "\x00" * 100,
]  # fmt: skip


def fenced(text: str, language: str = "python", fence: str = "```") -> str:
    return f"Here:\n\n{fence}{language}\n{text}\n{fence}\n\nDone."


def test_every_check_has_a_name_that_conditions_know() -> None:
    checks, _ = run_checks(Message(1, "Fine."), ())
    assert set(checks) == CHECKS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("def f(x):\n    return x * 2", "python"),
        ("    x = 1\n    y = 2", "py"),
        ("async def f():\n    await g()\nawait f()", "Python3"),
        (">>> 1 + 1\n2", "python"),
        ("%matplotlib inline\nx = 1", "python"),
        ("!pip install numpy", "python"),
        ("print('\\d')", "python"),
        ('{"a": [1, 2.5, null]}', "json"),
        ('{"a": 1}\n{"a": 2}', "json"),
        ('{"a": 1, ...}', "json"),
        ('{\n  // what it is\n  "a": 1\n}', "json"),
        ("a: 1\nb:\n  - c\n---\nd: *x", "yaml"),
        ("name: {{ .Values.name }}", "yml"),
        ("fn main( {", "rust"),
        ("def f(:", ""),
        ("def f(:", "text"),
        ("print 'hello'", "python2"),
    ],
)
def test_code_that_parses_or_cannot_be_decided_passes(text: str, language: str) -> None:
    assert code_problem(fenced(text, language)) == ""


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("x = 1\ndef f(:", "python", "the Python code does not parse: invalid syntax in line 2 of its block"),
        ("print 'hello'", "PY", "Missing parentheses"),
        ("for x in y:\nprint(x)", "python", "expected an indented block"),
        ('{"a": 1,}', "json", "the JSON does not parse"),
        ("{'a': 1}", "json", "line 1"),
        ("a: [1, 2", "yaml", "the YAML does not parse"),
        ("a: b: c", "yml", "line 1"),
    ],
)
def test_code_that_does_not_parse_is_refused_with_the_line(text: str, language: str, words: str) -> None:
    message = Message(1, fenced(text, language))
    checks, reasons = run_checks(message, ())
    assert (checks["code_parses"], checks["ok"]) == (False, False)
    assert words in reasons[0]
    assert "\n" not in reasons[0]


def test_every_block_is_looked_at() -> None:
    assert code_problem(fenced("x = 1") + fenced("x = (")) != ""
    assert code_problem(fenced("x = 1") + fenced("y = 2")) == ""


@pytest.mark.parametrize("language", ["python", "rust", ""])
def test_a_block_that_was_cut_off_is_refused_in_every_language(language: str) -> None:
    assert "cut off" in code_problem(f"Here:\n```{language}\nx = 1\ny = ")


def test_an_open_fence_with_nothing_behind_it_is_no_block() -> None:
    assert code_problem(fenced("x = 1") + "\n```\n") == ""


@pytest.mark.parametrize(
    "text",
    [
        fenced("x = '''\n```\n'''", fence="````"),
        fenced("x = 1", fence="~~~"),
        "1. First:\n   ```python\n   x = 1\n   if x:\n       y = 2\n   ```\n",
        "Use ```x = (``` in a line.",
        "```x = (``` begins a line.",
    ],
)
def test_fences_are_those_of_markdown(text: str) -> None:
    assert code_problem(text) == ""


@pytest.mark.parametrize("language", ["python", "json", "yaml"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_blocks_neither_raise_nor_warn(language: str, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "\n" not in code_problem(fenced(text, language))
    assert capfd.readouterr() == ("", "")


def test_a_megabyte_of_code_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    real = compile

    def counted(source: str, *args: object, **kwargs: object) -> object:
        parsed.append(len(source))
        return real(source, *args, **kwargs)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr("builtins.compile", counted)  # what `ast.parse` calls
    large = "x = 1\n" * 170_000
    assert code_problem(fenced(large)) == ""
    assert code_problem(fenced("x = (\n" * (MAX_PARSED // 6 + 1))) == "", "too large to be decided"
    assert parsed == []
    many = "".join(fenced("x = 1\n" * 100) for _ in range(1000))
    assert code_problem(many) == ""
    assert 0 < sum(parsed) <= MAX_PARSED


def test_the_limits_of_yaml_are_its_own() -> None:
    assert code_problem(fenced("a: [\n" + "#" * MAX_YAML, "yaml")) == ""
    assert code_problem(fenced("a: " + "[" * (MAX_DEPTH + 1), "yaml")) == ""
    assert code_problem(fenced("a: " + "[" * (MAX_DEPTH - 1), "yaml")) != ""


def test_a_parsers_words_are_one_printable_line() -> None:
    problem = code_problem(fenced("x = \u201cquoted\x1b[31m\u201d"))
    assert problem.isprintable()
    assert len(problem) < 200
