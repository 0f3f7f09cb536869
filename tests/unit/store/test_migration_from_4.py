"""A store of version 4, as the program wrote it then, is opened by this program: nothing in it is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import engine
from engine.store.deep_check import examine
from engine.store.schema import VERSION
from tests.graphs import chain
from tests.unit.store.rig import FILE, read

RECORDED = Path(__file__).parents[2] / "data" / "store_version_4.sqlite"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the store of version 4."""
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(RECORDED, tmp_path / "data" / FILE)
    return tmp_path / "data"


async def test_its_sessions_and_memories_are_all_there_and_its_turns_can_be_replaced(folder: Path) -> None:
    async with engine.open(folder) as eng:
        assert [row.text for row in await eng.memories()] == ["Basalt is dark.", "The person collects stones."]
        stones = (await eng.session("stones")).id
        turns = await eng.session_history(stones)
        assert [row.content for row in turns] == ["What is granite?"] * 2 + ["What is basalt?"] * 2
        run = eng.start(chain(), "What is slate?", session=stones, replaces=turns[-1].tx)
        await run.result()
        assert await eng.search_sessions("basalt") == []
        assert [row.content for row in await eng.session_history(stones)][2:] == ["What is slate?"] * 2
    assert read(folder / FILE, "PRAGMA user_version") == [(VERSION,)]
    assert read(folder / f"{FILE}.schema-4", "PRAGMA user_version") == [(4,)]
    report = examine(folder / FILE)
    assert report.sound, report.problems


def test_it_is_sound(folder: Path) -> None:
    report = examine(folder / FILE)
    assert (report.sound, report.schema, report.transactions) == (True, 4, 11), report.problems
