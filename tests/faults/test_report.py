"""docs/reliability.md names every fault suite, and every figure in it comes from a measurement."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from tests.faults import report, tested
from tests.faults.__main__ import main
from tests.faults.report import PAGE, Record, measured, page, records_in
from tests.faults.suites import SUITES, Suite


@dataclasses.dataclass
class Figures:
    """What came of it."""

    tries: int = 0
    """How often it was tried | with <marks> --> and more."""
    lost: int = 0
    ends: dict[str, int] = dataclasses.field(default_factory=dict)
    """How they ended."""
    problems: list[str] = dataclasses.field(default_factory=list)


def measure(tries: int, *, seed: int) -> Figures:
    return Figures(tries, lost=seed - 1, ends={"well --> indeed": tries})


TRIAL = Suite("trial", "A trial", "It tries.", {"tries": 3}, {"tries": 3000}, ("lost",), "test_report")
OTHER = Suite("other", "Another one", "It tries, too.", {"tries": 4}, {"tries": 4000}, ("lost",), "test_report")
TRACED = dataclasses.replace(TRIAL, needs="syscalls")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of two suites that are quickly measured."""
    monkeypatch.setattr(report, "SUITES", (TRIAL, OTHER))
    monkeypatch.setattr("tests.faults.__main__.BY_NAME", {"trial": TRIAL, "other": OTHER})
    monkeypatch.setattr("tests.faults.__main__.PAGE", tmp_path / "reliability.md")
    return tmp_path / "reliability.md"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["faults", *arguments])
    return main()


def test_the_document_names_every_suite_and_is_what_its_records_make() -> None:
    text = PAGE.read_text("utf-8")
    for suite in SUITES:
        assert f"\n## {suite.title}\n" in text
    assert page(records_in(text)) == text, "run: uv run python -m tests.faults --render"


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_suite_takes_its_arguments_and_counts_what_must_never_happen(suite: Suite) -> None:
    for arguments in (suite.short, suite.long):
        inspect.signature(suite.measure).bind(**arguments, **({"seed": 1} if suite.seeded else {}))
    names = {field.name for field in dataclasses.fields(suite.figures)}
    assert names >= {*suite.zeros, "problems"}
    assert suite.zeros
    assert report._says(suite)


def test_a_suite_measured_alone_leaves_the_other_sections_as_they_were(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "--write", "--long") == 0
    before = records_in(written.read_text())
    assert run(monkeypatch, "--write", "--only", "other") == 0
    after = records_in(written.read_text())
    assert after["trial"] == before["trial"]
    assert (before["other"].form, after["other"].form) == ("long", "short")
    text = written.read_text()
    assert "| tries | 3,000 | How often it was tried \\| with \\<marks> --> and more. |" in text
    assert "| ends: well --> indeed | 3,000 | How they ended. |" in text
    assert "| [Another one](#another-one) | short: 4 tries | 0 | " in text
    written.write_text(text.replace("It tries.", "An older sentence."))
    assert run(monkeypatch, "--render") == 0
    assert written.read_text() == text


def test_what_must_never_happen_is_a_violation_and_ends_the_command_with_1(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "--write", "--only", "trial", "--seed", "3") == 1
    text = written.read_text()
    assert "Violations:\n\n- lost is 2\n" in text
    assert "Not measured yet." in text
    assert records_in(text)["trial"].violations == 1


def test_a_suite_that_cannot_be_measured_here_says_why(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.syscalls.why_not", lambda: "strace is not installed")
    monkeypatch.setattr("tests.faults.__main__.BY_NAME", {"trial": TRACED})
    assert run(monkeypatch, "--write", "--only", "trial") == 0
    assert "Not measured: strace is not installed." in written.read_text()


def test_the_record_is_what_comes_back_from_the_page(written: Path) -> None:
    record: Record = measured(TRIAL, "short", 1)
    assert records_in(page({"trial": record})) == {"trial": record}


def test_of_a_test_file_each_sentence_is_told_with_what_it_recorded(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_it_holds(record_property):\n    record_property('largest', 7)\n"
        "def test_it_does_not_hold():\n    assert False\n"
        "def test_it_is_not_tried():\n    pytest.skip('not here')\n"
    )
    figures = tested.measure(files=[f"{tmp_path / 'test_it'}"])
    assert figures.sentences == {
        "it holds": "held",
        "it does not hold": "DID NOT HOLD",
        "it is not tried": "not tried: not here",
    }
    assert figures.seen == {"largest": "7"}
    assert (figures.tests, figures.failed, figures.skipped, len(figures.problems)) == (3, 1, 1, 1)
