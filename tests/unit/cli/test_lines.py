"""Reading lines without a thread."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tinyllm_tui.cli.lines import read_lines


async def test_a_pipe_gives_its_lines_as_they_come() -> None:
    reading, writing = os.pipe()
    lines = read_lines(reading, 1000)
    os.write(writing, b"one\ntw")
    assert await anext(lines) == "one"
    os.write(writing, "o é\r\nlast".encode())
    assert await anext(lines) == "two é"
    os.close(writing)
    assert [line async for line in lines] == ["last"]
    os.close(reading)


async def test_a_file_gives_its_lines(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\n\nb\n")
    with (tmp_path / "in").open() as file:
        assert [line async for line in read_lines(file.fileno(), 1000)] == ["a", "", "b"]


async def test_a_character_that_arrives_in_two_pieces_is_whole_and_wrong_bytes_are_replaced() -> None:
    reading, writing = os.pipe()
    lines = read_lines(reading, 1000)
    os.write(writing, "é".encode()[:1])
    waiting = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)
    os.write(writing, "é".encode()[1:] + b"\xff\n")
    os.close(writing)
    assert await waiting == "é\ufffd"
    os.close(reading)


async def test_a_line_without_an_end_comes_in_pieces() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x" * 3000)
    assert await anext(read_lines(reading, 1000)) == "x" * 3000
    os.close(writing)
    os.close(reading)


async def test_waiting_can_be_cancelled_and_leaves_nothing_behind() -> None:
    reading, writing = os.pipe()
    waiting = asyncio.ensure_future(anext(read_lines(reading, 1000)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not asyncio.get_running_loop().remove_reader(reading)
    os.close(writing)
    os.close(reading)
