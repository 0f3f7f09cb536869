"""A store of version 2, as the program wrote it then, is opened by this program: nothing in it is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import engine
from engine.store.database import StoreError
from engine.store.deep_check import examine
from engine.store.ownership import Ownership
from engine.store.schema import VERSION
from tests.routing_graph import birds_or_stones
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.store.rig import FILE, read

RECORDED = Path(__file__).parents[2] / "data" / "store_version_2.sqlite"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the store of version 2."""
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(RECORDED, tmp_path / "data" / FILE)
    return tmp_path / "data"


async def test_its_runs_are_all_there_and_it_takes_corrections(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ScriptedBackend().install(monkeypatch)
    async with engine.open(folder) as eng:
        assert [row.number for row in await eng.transactions()] == [7, 6, 5, 4, 3, 2, 1]
        assert (await eng.view((await eng.transaction("#7")).tx)).parent == (6, 1)
        assert await eng.corrections() == []
        await eng.teach(birds_or_stones(), "Flint?", ["birds"])
        await run_in(eng, birds_or_stones(), "Flint?")
    assert read(folder / FILE, "PRAGMA user_version") == [(VERSION,)]
    assert read(folder / f"{FILE}.schema-2", "PRAGMA user_version") == [(2,)]
    report = examine(folder / FILE)
    assert report.sound, report.problems


def test_it_is_sound(folder: Path) -> None:
    report = examine(folder / FILE)
    assert (report.sound, report.schema, report.transactions) == (True, 2, 7), report.problems


async def test_while_an_older_program_owns_it_it_is_read_without_corrections(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ScriptedBackend().install(monkeypatch)
    older = Ownership(folder)
    assert older.acquire()
    try:
        async with engine.open(folder) as eng:
            assert len(await eng.transactions()) == 7
            assert await eng.corrections() == []
            assert (await run_in(eng, birds_or_stones(), "Flint?")).result.status == "committed"
            with pytest.raises(StoreError, match="open for reading only"):
                await eng.teach(birds_or_stones(), "Flint?", ["birds"])
    finally:
        older.release()
    assert read(folder / FILE, "PRAGMA user_version") == [(2,)]
