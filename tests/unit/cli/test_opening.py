"""Notices of the engine reach the person: each once, whenever it came up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.run.engine import Engine
from tests.unit.cli.conftest import Call
from tinyllm_tui.cli.opening import Notices, open_engine
from tinyllm_tui.settings import load

LATE = "Note: Ollama cannot be reached at http://127.0.0.1:9. The embedded model answers instead.\n"
"""What comes up when a backend is connected and OLLAMA_HOST, which the person has set, names no server."""


async def test_a_notice_from_after_opening_is_told_when_the_engine_is_closed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_engine(load()) as eng:
        await eng.backend()
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == LATE


async def test_a_notice_is_told_when_the_command_fails_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        async with open_engine(load()) as eng:
            await eng.backend()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert capsys.readouterr().err == LATE


async def test_what_was_told_in_between_is_not_told_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notices = Notices()
    async with open_engine(load(), notices) as eng:
        await eng.backend()
        notices.tell(eng)
        assert capsys.readouterr().err == LATE
    assert capsys.readouterr().err == ""


async def test_a_notice_of_opening_is_told_at_once_and_one_of_closing_at_the_end(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    really = engine.open

    @asynccontextmanager
    async def opening(**given: Any) -> AsyncIterator[Engine]:
        async with really(**given) as eng:
            eng.notices.append("The database was moved aside.")
            yield eng
        eng.notices.append("The last events could not be written.")

    monkeypatch.setattr(engine, "open", opening)
    async with open_engine(load()):
        assert capsys.readouterr().err == "Note: The database was moved aside.\n"
    assert capsys.readouterr().err == "Note: The last events could not be written.\n"


@pytest.mark.parametrize("command", ["list", "tiers"])
def test_models_tells_a_notice_of_the_backend_once_on_stderr(call: Call, command: str) -> None:
    done = call("models", command)
    assert (done.status, done.err) == (0, LATE)
    assert "Note" not in done.out
