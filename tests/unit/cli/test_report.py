"""What is said on stderr of a run that gave no plain answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ErrorClass, ErrorInfo
from engine.events import Usage
from engine.run.result import Result
from engine.store.database import store_error
from tinyllm_tui.cli.run import report


def rolled_back(error: ErrorInfo | None, reason: str = "failed", number: int = 8) -> Result:
    return Result("t", number, "rolled_back", None, "", {}, Usage(), "embedded", "", (), reason, error)


@pytest.mark.parametrize(
    ("result", "last"),
    [
        (rolled_back(None), "Transaction #8 was rolled back; `tinyllm-tui tx show 8` shows its steps."),
        (
            rolled_back(ErrorInfo(ErrorClass.RESOURCE, "text_too_long", "Too long.", "Replace fewer.", "a")),
            "Transaction #8 was rolled back; `tinyllm-tui tx show 8` shows its steps.",
        ),
        (
            rolled_back(None, "cancelled"),
            "Cancelled; transaction #8 was rolled back; `tinyllm-tui tx show 8` shows its steps.",
        ),
        (rolled_back(None, number=0), "The run was rolled back."),
    ],
)
def test_the_steps_of_every_run_that_was_recorded_are_pointed_to(
    capsys: pytest.CaptureFixture[str], result: Result, last: str
) -> None:
    assert report(result) != 0
    assert capsys.readouterr().err.splitlines()[-1] == last


@pytest.mark.parametrize("exc", [OSError(28, "No space left on device"), OSError(5, "Input/output error")])
def test_steps_that_the_store_did_not_take_are_not_pointed_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, exc: OSError
) -> None:
    report(rolled_back(store_error(exc, tmp_path / "db").info()))
    assert capsys.readouterr().err.endswith("Transaction #8 was rolled back.\n")
