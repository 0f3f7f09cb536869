"""An exported run is read to be looked at, without a store; whatever is wrong with its file is one sentence."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import engine
from engine.errors import EngineError
from engine.store.read_run import read_run
from engine.store.run_file import MAX_BYTES
from engine.view import fold
from tests.graphs import one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend


@pytest.fixture
async def exported(tmp_path: Path, scripted: ScriptedBackend) -> tuple[Path, list[bytes]]:
    async with engine.open(tmp_path / "theirs") as eng:
        ran = await run_in(eng, one_model(), "What is it?")
        lines = [line async for line in eng.export(ran.result.transaction)]
    file = tmp_path / "run.jsonl"
    await asyncio.to_thread(file.write_bytes, b"".join(lines))
    return file, lines


async def test_the_events_of_a_file_make_the_same_view_and_row(exported: tuple[Path, list[bytes]]) -> None:
    file, lines = exported
    row, events = await asyncio.to_thread(read_run, file)
    view = fold(events)
    assert len(events) == len(lines) - 2
    assert (row.tx, row.number, row.question, row.status) == (view.tx, view.number, "What is it?", "committed")
    assert (row.answer, row.exit, row.duration_ms) == (view.answer, "success", view.t_ms)


async def test_what_is_no_whole_run_is_refused_in_one_sentence_that_names_the_file(
    exported: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    _, lines = exported

    def read(data: bytes) -> str:
        file = tmp_path / "bad.jsonl"
        file.write_bytes(data)
        with pytest.raises(EngineError) as caught:
            read_run(file)
        assert str(file) in caught.value.message
        assert caught.value.remedy
        assert "imported" not in caught.value.message
        return caught.value.message

    assert "is no exported run" in await asyncio.to_thread(read, b"")
    assert "is no exported run" in await asyncio.to_thread(read, b"\x1b]0;title\x07" * 500)
    assert "is no exported run" in await asyncio.to_thread(read, b"[" * 4000)
    assert "is cut off" in await asyncio.to_thread(read, b"".join(lines[:-1]))
    assert "checksum" in await asyncio.to_thread(read, b"".join(lines).replace(b"What is it?", b"What is he?"))
    assert "Line 3" in await asyncio.to_thread(read, b"".join([*lines[:2], *lines[3:]]))
    assert "after the end" in await asyncio.to_thread(read, b"".join([*lines, lines[1]]))


def test_what_is_no_file_or_far_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_BYTES + 1)
    for name, said in (
        ("missing", "No such file"), ("pipe", "is no file"), (".", "cannot be read"), ("large", "is larger"),
        ("nul\0", "is no name of a file"),
    ):  # fmt: skip
        with pytest.raises(EngineError) as caught:
            read_run(tmp_path / name)
        assert said in caught.value.message
