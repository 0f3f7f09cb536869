"""The file of embeddings: what is kept of it when it is damaged, torn, full, or no file at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from engine.routing import vector_file
from engine.routing.shipped_vectors import text_key
from engine.routing.vector_file import VectorFile

KEYS = [text_key(f"text {at}") for at in range(40)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embeddings.txt"


def test_embeddings_are_kept_for_each_model_by_itself_and_the_later_one_counts(path: Path) -> None:
    VectorFile(path).add("one", {KEYS[0]: (1.0, 2.5), KEYS[1]: (3.0, 4.0)})
    VectorFile(path).add("two", {KEYS[0]: (5.0,)})
    VectorFile(path).add("one", {KEYS[1]: (-6.0, 7.0)})
    assert VectorFile(path).read("one") == {KEYS[0]: (1.0, 2.5), KEYS[1]: (-6.0, 7.0)}
    assert VectorFile(path).read("two") == {KEYS[0]: (5.0,)}
    assert VectorFile(path).read("three") == {}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_whatever_byte_is_damaged_at_most_the_lines_beside_it_are_lost(path: Path, at: int) -> None:
    file, vectors = VectorFile(path), {key: (float(place), 0.5) for place, key in enumerate(KEYS[:5])}
    file.add("m", vectors)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0x55
    path.write_bytes(data)
    found = file.read("m")
    assert found.items() <= vectors.items()
    assert len(found) >= 3


def test_a_line_that_was_torn_by_a_crash_does_not_spoil_the_next(path: Path) -> None:
    file = VectorFile(path)
    file.add("m", {KEYS[0]: (1.0,), KEYS[1]: (2.0,)})
    path.write_bytes(path.read_bytes()[:-5])
    file.add("m", {KEYS[2]: (3.0,)})
    assert file.read("m") == {KEYS[0]: (1.0,), KEYS[2]: (3.0,)}


def test_what_is_no_such_file_counts_as_none_and_is_no_failure(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 9)
    assert VectorFile(path).read("m") == {}
    VectorFile(path).add("m", {KEYS[0]: (1.0,)})
    assert VectorFile(path).read("m") == {KEYS[0]: (1.0,)}
    folder = VectorFile(path.parent)
    folder.add("m", {KEYS[0]: (1.0,)})
    assert folder.read("m") == {}
    assert VectorFile(path / "below").read("m") == {}


def test_a_link_is_not_written_through(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("mine")
    path.symlink_to(target)
    VectorFile(path).add("m", {KEYS[0]: (1.0,)})
    assert target.read_text() == "mine"


def test_numbers_that_cannot_be_kept_are_left_out(path: Path) -> None:
    VectorFile(path).add("m", {KEYS[0]: (float("nan"),), KEYS[1]: (1e300,), KEYS[2]: (float("inf"),), KEYS[3]: (2.0,)})
    assert VectorFile(path).read("m") == {KEYS[3]: (2.0,)}


def test_a_full_file_forgets_its_older_half(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_file, "MAX_BYTES", 2000)
    file = VectorFile(path)
    for at, key in enumerate(KEYS):
        file.add("m", {key: (float(at),) * 8})
        assert path.stat().st_size <= 2000
    found = list(file.read("m"))
    assert found == KEYS[-len(found) :]
    assert len(found) > 5
    assert [each.name for each in path.parent.iterdir()] == [path.name]
