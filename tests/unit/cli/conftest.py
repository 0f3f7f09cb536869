"""A command line of its own for every test: empty folders, a clean environment, no server anywhere."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tinyllm_tui.cli import main

NOWHERE = "http://127.0.0.1:9"
"""The discard port, where nothing answers."""


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home; returns the folder of the configuration."""
    for name in list(os.environ):
        if name.upper().startswith(("TINYLLM_", "OLLAMA_")) or name == "NO_COLOR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", NOWHERE)
    monkeypatch.setattr("platformdirs.user_config_path", lambda app: tmp_path / "config" / app)
    monkeypatch.setattr("platformdirs.user_data_path", lambda app: tmp_path / "data" / app)
    return tmp_path / "config" / "tinyllm-tui"


@pytest.fixture
def call(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the program in this process: `call("graph", "list", stdin="...")`."""

    def run(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Outcome(int(end.value.code or 0), captured.out, captured.err)

    return run
