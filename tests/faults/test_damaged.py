"""Damaged copies of a small database; prints how they fared.

`TINYLLM_FAULTS=long` is the long form: 1,000 copies instead of 150.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from engine.store.database import FILE_NAME
from tests.faults import damaged
from tests.faults.damaged import damage_here, measure
from tests.scripted_backend import ScriptedBackend

COPIES = 1000 if os.environ.get("TINYLLM_FAULTS") == "long" else 150


@pytest.mark.timeout(COPIES * 4)
async def test_of_a_damaged_copy_nothing_altered_is_accepted_and_it_is_always_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = await asyncio.to_thread(measure, COPIES, seed=1)
    with capsys.disabled():
        print(f"\ndamaged copies:\n{figures}")
    assert figures.problems == []
    assert (figures.broke, figures.altered, figures.not_kept, figures.unclear) == (0, 0, 0, 0)
    assert figures.copies == sum(figures.outcomes.values()) == COPIES
    kinds = {what.partition(":")[0] for what in figures.outcomes}
    assert kinds >= {"bits", "bytes", "cut", "zeroed page", "foreign page", "emptied"}
    assert any("moved aside" in what for what in figures.outcomes)
    assert any("damage met" in what for what in figures.outcomes)


async def test_what_breaks_and_what_is_not_kept_is_counted(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_path: object) -> None:
        raise ZeroDivisionError

    use = damaged.use

    async def spoils(folder: Path, data: bytes, *others: object) -> str:
        return await use(folder, data + b"more", *others)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(damaged, "deep", breaks)
        figures = await damage_here(range(3), tmp_path / "broken")
    assert (figures.broke, len(figures.problems)) == (3, 3)
    monkeypatch.setattr(damaged, "damaged", lambda data, _dice: ("cut", b"") if data else None)
    monkeypatch.setattr(damaged, "use", spoils)
    figures = await damage_here(range(1), tmp_path / "spoilt")
    assert (figures.not_kept, figures.outcomes) == (1, {})
    assert (tmp_path / "spoilt" / "copy-0" / FILE_NAME).exists()
