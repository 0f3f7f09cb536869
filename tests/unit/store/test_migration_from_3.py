"""A store of version 3, as the program wrote it then, is opened by this program: nothing in it is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import engine
from engine.store.deep_check import examine
from engine.store.schema import VERSION
from tests.unit.store.rig import FILE, read

RECORDED = Path(__file__).parents[2] / "data" / "store_version_3.sqlite"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the store of version 3."""
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(RECORDED, tmp_path / "data" / FILE)
    return tmp_path / "data"


async def test_its_runs_and_corrections_are_all_there_and_its_messages_can_be_searched(folder: Path) -> None:
    async with engine.open(folder) as eng:
        assert [row.number for row in await eng.transactions()] == list(range(9, 0, -1))
        assert [row.question for row in await eng.corrections()] == ["Flint?"]
        found = [hit.content for hit in await eng.search_sessions("QUOKKA")]
    assert set(found) == {"What is a quokka?", "A quokka is a small marsupial."}
    assert read(folder / FILE, "PRAGMA user_version") == [(VERSION,)]
    assert read(folder / f"{FILE}.schema-3", "PRAGMA user_version") == [(3,)]
    report = examine(folder / FILE)
    assert report.sound, report.problems


def test_it_is_sound(folder: Path) -> None:
    report = examine(folder / FILE)
    assert (report.sound, report.schema, report.transactions) == (True, 3, 9), report.problems
