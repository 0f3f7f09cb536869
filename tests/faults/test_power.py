"""Loss of power at 200 places of what the real store writes and syncs; prints its figures.

`TINYLLM_FAULTS=long` is the long form: 2,000 cuts.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.faults.power import measure
from tests.faults.power_disk import Change, Cut, Disk, File, Folder
from tests.faults.power_work import Synchronous
from tests.faults.syscalls import why_not

CUTS = 2000 if os.environ.get("TINYLLM_FAULTS") == "long" else 200


@pytest.fixture
async def recorder() -> None:
    if reason := await asyncio.to_thread(why_not):
        pytest.skip(f"Writes cannot be recorded here: {reason}.")


@pytest.mark.usefixtures("recorder")
@pytest.mark.timeout(3600 if CUTS == 2000 else 600)
async def test_whenever_the_power_goes_no_acknowledged_commit_is_lost_and_no_database_is_corrupt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = await asyncio.to_thread(measure, CUTS, seed=1)
    with capsys.disabled():
        print(f"\nloss of power:\n{figures}")
    assert figures.problems == []
    assert (figures.lost, figures.corrupt, figures.torn, figures.astray) == (0, 0, 0, 0)
    assert figures.cuts >= CUTS
    assert figures.unsynced >= CUTS // 4, "else the cuts show little"
    assert figures.torn_writes >= CUTS // 20
    assert figures.out_of_order >= CUTS // 20
    for place in ("creation", "checkpoint", "recovery", "removal"):
        assert getattr(figures, f"during_{place}"), place
    assert figures.after_acknowledgement
    assert figures.copies
    assert figures.resumed
    assert figures.rolled_back_at_start


@pytest.mark.usefixtures("recorder")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
async def test_a_store_that_does_not_sync_its_commits_is_found_to_lose_them(synchronous: Synchronous) -> None:
    figures = await asyncio.to_thread(measure, 24, seed=1, synchronous=synchronous, at_once=1)
    assert figures.lost
    assert bool(figures.corrupt) == (synchronous == "OFF"), figures.problems


def disk_with_a_file() -> Disk:
    """`a` holds two durable sectors of `o`."""
    disk = Disk()
    disk.make(0, folder=0, name="a", number=1, kind=File)
    disk.change(1, Change(1, 0, b"o" * 1024))
    disk.sync(1, before=2)
    disk.sync(0, before=2)
    return disk


def cuts_of(disk: Disk, folder: Path) -> list[dict[str, bytes]]:
    """What is left after many cuts."""
    left = []
    for seed in range(200):
        target = folder / f"{seed}"
        target.mkdir()
        Cut(disk, seed).write(target)
        left.append({path.name: path.read_bytes() for path in target.rglob("*") if path.is_file()})
    return left


def test_a_cut_leaves_what_was_synced_and_any_sectors_of_what_was_not(tmp_path: Path) -> None:
    disk = disk_with_a_file()
    disk.change(1, Change(2, 512, b"n" * 1024))
    old, new, none = b"o" * 512, b"n" * 512, bytes(512)
    assert {cut["a"] for cut in cuts_of(disk, tmp_path)} == {
        old + old,
        old + old + none,
        old + new,
        old + new + none,
        old + old + new,
        old + new + new,
    }


def test_a_sync_covers_what_was_written_before_it_began_and_not_what_came_after(tmp_path: Path) -> None:
    disk = disk_with_a_file()
    disk.change(1, Change(2, 0, b"n" * 512))
    disk.change(1, Change(3, 512, b"n" * 512))
    disk.sync(1, before=3)
    assert {cut["a"] for cut in cuts_of(disk, tmp_path)} == {b"n" * 512 + b"o" * 512, b"n" * 1024}


def test_the_name_of_a_synced_file_is_durable_only_with_its_folder(tmp_path: Path) -> None:
    disk = disk_with_a_file()
    disk.make(2, folder=0, name="below", number=2, kind=Folder)
    disk.make(3, folder=2, name="b", number=3, kind=File)
    disk.sync(3, before=4)
    disk.sync(2, before=4)
    assert {frozenset(cut) for cut in cuts_of(disk, tmp_path)} == {frozenset("a"), frozenset("ab")}
    disk.sync(0, before=4)
    disk.name(4, 0, {"a": None, "c": 1})
    (tmp_path / "moved").mkdir()
    assert {frozenset(cut) for cut in cuts_of(disk, tmp_path / "moved")} == {frozenset("ab"), frozenset("cb")}
