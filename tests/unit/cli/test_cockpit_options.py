"""Options of the cockpit's sessions, before any terminal is looked for."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from tests.unit.cli.conftest import Call
from tinyllm_tui.cli import cockpit


@pytest.mark.parametrize("command", [[], ["chat"]])
def test_a_new_session_and_a_named_one_exclude_each_other(command: list[str], call: Call, home: Path) -> None:
    done = call(*command, "--new", "--session", "zoo")
    assert done.status == 2
    assert "exclude each other" in done.err


def test_sessions_of_the_cockpit_are_no_options_before_a_command(call: Call, home: Path) -> None:
    done = call("--session", "zoo", "run", "Hello")
    assert done.status == 2
    assert "not before run" in done.err
    assert call("--new", "tx", "list").status == 2


def test_without_a_terminal_the_cockpit_says_what_to_use_instead(call: Call, home: Path) -> None:
    done = call("--new")
    assert done.status == 1
    assert "is not a terminal" in done.err or "are not terminals" in done.err


@pytest.mark.parametrize("no_terminal", ["stdin", "stdout", "stderr"])
def test_each_stream_that_the_cockpit_needs_is_named_where_it_is_no_terminal(
    no_terminal: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    monkeypatch.setattr(cockpit, "is_terminal", lambda stream: stream is not getattr(sys, no_terminal))
    assert cockpit.open_cockpit(click.Context(click.Command("tinyllm-tui"))) == 1
    assert f"{no_terminal} is not a terminal." in capsys.readouterr().err
