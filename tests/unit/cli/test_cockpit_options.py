"""Options of the cockpit's sessions, before any terminal is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Call


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
