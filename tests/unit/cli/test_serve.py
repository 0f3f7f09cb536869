"""`tinyllm-tui serve` before it serves."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import click
import pytest

from tests.unit.cli.conftest import Call
from tinyllm_tui.cli.options import given
from tinyllm_tui.cli.root import cli


def test_without_its_package_it_says_what_to_install(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "textual_serve" else find(name, *rest)
    )
    done = call("serve")
    assert done.status == 1
    assert "pip install textual-serve" in done.err


def test_a_port_that_is_taken_is_named_with_the_remedy(call: Call, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call("serve", "--port", str(port))
    assert done.status == 1
    assert str(port) in done.err
    assert "--port" in done.err


def test_wrong_settings_are_said_before_anything_is_served(call: Call, home: Path) -> None:
    assert call("--config", "/nowhere.yaml", "serve", "--port", "0").status == 1
    assert call("serve", "--new", "--session", "zoo").status == 2


def test_options_are_handed_on_to_the_cockpits_of_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    command = cli.get_command(click.Context(cli), "serve")
    assert command is not None
    monkeypatch.setattr(command, "callback", click.pass_context(lambda ctx, **_: seen.append(given(ctx))))
    cli.main(["--graph", "quick", "--config", "c.yaml", "serve", "--ascii", "--data-dir", "/d"], standalone_mode=False)
    assert sorted(seen[0]) == sorted(["--graph", "quick", "--config", "c.yaml", "--ascii", "--data-dir", "/d"])
