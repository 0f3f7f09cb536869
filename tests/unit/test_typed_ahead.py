"""Keys that are typed while the cockpit starts."""

from __future__ import annotations

import contextlib
import os
import pty
import termios
from pathlib import Path

import pytest

from tinyllm_tui.typed_ahead import typed_ahead


def _read_by_textual(terminal: int) -> bytes:
    """What is read once Textual has ended the reading of whole lines."""
    flags = termios.tcgetattr(terminal)
    flags[3] &= ~termios.ICANON
    termios.tcsetattr(terminal, termios.TCSANOW, flags)
    return os.read(terminal, 100)


def test_enter_typed_ahead_stays_enter_and_the_terminal_is_as_before_whatever_happens() -> None:
    keyboard, terminal = pty.openpty()
    os.set_blocking(keyboard, False)
    with os.fdopen(terminal, "r") as stream:
        before = termios.tcgetattr(terminal)
        with contextlib.suppress(RuntimeError), typed_ahead(stream):
            os.write(keyboard, b"hello\r")
            assert _read_by_textual(terminal) == b"hello\r"
            with pytest.raises(BlockingIOError):  # nothing was echoed
                os.read(keyboard, 100)
            raise RuntimeError
        assert termios.tcgetattr(terminal) == before
    os.close(keyboard)


def test_what_is_no_terminal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "questions").write_text("Hello\n")
    with (tmp_path / "questions").open() as stream, typed_ahead(stream):
        assert stream.read() == "Hello\n"
