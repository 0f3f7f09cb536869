"""Fetching model files from a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from engine.errors import EngineError, ErrorClass
from engine.models import download
from engine.models.download import Download
from engine.models.model_source import parse_source
from engine.models.protocol import PullProgress
from tests.doubles.file_server import FileServer
from tests.unit.models.test_gguf import PAIRS, TENSORS, gguf, whole

MODEL = gguf(*PAIRS) + bytes(range(256)) * 12_000
"""3 MB that begin as a model does."""
MB = 1024 * 1024


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer(MODEL)
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models"


class Pulling:
    """A pull with a clock and a disk of its own."""

    def __init__(self, folder: Path, server: FileServer, text: str = "/model.gguf", free: int = 10**12) -> None:
        self.delays: list[float] = []
        self.steps: list[PullProgress] = []
        address = text if text.startswith("hf:") else server.address + text
        self.download = Download(
            parse_source(address, hub=server.address),
            folder,
            free_space=lambda _folder: free,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)

    async def through(self) -> list[PullProgress]:
        async for step in self.download.run():
            self.steps.append(step)
        return self.steps

    async def fails(self) -> EngineError:
        with pytest.raises(EngineError) as caught:
            await self.through()
        return caught.value


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def interrupted(folder: Path, server: FileServer, text: str = "/model.gguf", at: int = MB) -> int:
    """Leave a pull once so many bytes are there; how many are."""
    async with aclosing(Pulling(folder, server, text).download.run()) as steps:
        async for step in steps:
            if step.completed >= at and step.status == "fetching":
                return step.completed
    raise AssertionError("it was through")


async def test_a_file_of_the_hub_is_fetched_checked_and_becomes_a_model(server: FileServer, folder: Path) -> None:
    steps = await Pulling(folder, server, "hf:owner/repo/model.Q4_K_M.gguf").through()
    assert left(folder) == {"model.Q4_K_M.gguf"}
    assert (folder / "model.Q4_K_M.gguf").read_bytes() == MODEL
    assert [path for path, _ in server.requests] == ["/owner/repo/resolve/main/model.Q4_K_M.gguf", "/storage"]
    fetched = [step.completed for step in steps if step.status == "fetching"]
    assert fetched == sorted(fetched)
    assert len(fetched) > 2
    assert {step.total for step in steps} == {len(MODEL)}
    assert steps[-1] == PullProgress("done, checksum right", len(MODEL), len(MODEL))


async def test_a_server_that_says_nothing_but_the_bytes_is_enough(server: FileServer, folder: Path) -> None:
    server.etag, server.lengths = None, False
    steps = await Pulling(folder, server).through()
    assert (folder / "model.gguf").read_bytes() == MODEL
    assert steps[-1].status == "done, the server gave no checksum"


async def test_an_interrupted_pull_goes_on_where_it_stopped(server: FileServer, folder: Path) -> None:
    there = await interrupted(folder, server)
    assert left(folder) == {".model.gguf.part", ".model.gguf.part.json"}  # nothing that could be taken for a model
    steps = await Pulling(folder, server).through()
    assert server.of_file[-1]["range"] == f"bytes={there}-"
    assert server.of_file[-1]["if-range"] == '"v1"'
    assert steps[0] == PullProgress("resuming", there, len(MODEL))
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(server: FileServer, folder: Path) -> None:
    await interrupted(folder, server)
    server.content, server.etag = gguf(*PAIRS) + b"another" * 300_000, '"v2"'
    await Pulling(folder, server).through()
    assert (folder / "model.gguf").read_bytes() == server.content


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
async def test_without_a_strong_etag_or_a_checksum_pieces_are_not_put_together(
    server: FileServer, folder: Path, etag: str | None
) -> None:
    server.etag = etag
    await interrupted(folder, server)
    await Pulling(folder, server).through()
    assert "range" not in server.of_file[-1]
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_known_checksum_lets_it_go_on_without_an_etag(server: FileServer, folder: Path) -> None:
    server.etag = None
    text = f"/model.gguf#sha256={server.sha256}"
    there = await interrupted(folder, server, text)
    await Pulling(folder, server, text).through()
    assert server.of_file[-1]["range"] == f"bytes={there}-"
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_server_that_ignores_ranges_begins_again_and_the_file_is_right(
    server: FileServer, folder: Path
) -> None:
    server.ranges = False
    await interrupted(folder, server)
    steps = await Pulling(folder, server).through()
    assert "range" in server.of_file[-1]
    assert steps[0] == PullProgress("fetching", 0, len(MODEL))
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_part_of_another_address_is_not_gone_on_with(server: FileServer, folder: Path) -> None:
    await interrupted(folder, server, "/one/model.gguf")
    await Pulling(folder, server, "/two/model.gguf").through()
    assert "range" not in server.of_file[-1]
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_connections_that_are_cut_are_followed_by_others_as_long_as_something_comes(
    server: FileServer, folder: Path
) -> None:
    server.cuts = [300_000] * 8  # more than the attempts that may bring nothing
    pulling = Pulling(folder, server)
    await pulling.through()
    assert (folder / "model.gguf").read_bytes() == MODEL
    starts = [int(headers.get("range", "bytes=0-")[6:-1]) for headers in server.of_file]
    assert starts == [300_000 * n for n in range(9)]
    assert len(pulling.delays) == 8


async def test_a_server_that_brings_nothing_any_more_is_given_up_and_what_is_there_stays(
    server: FileServer, folder: Path
) -> None:
    server.cuts = [MB, 0, 0, 0, 0, 0]
    pulling = Pulling(folder, server)
    error = await pulling.fails()
    assert error.error_class is ErrorClass.PROTOCOL
    assert "kept" in error.remedy
    assert len(server.of_file) == 5
    assert pulling.delays == sorted(pulling.delays)
    assert (folder / ".model.gguf.part").stat().st_size == MB
    server.cuts = []
    await Pulling(folder, server).through()
    assert (folder / "model.gguf").read_bytes() == MODEL


@pytest.mark.parametrize("where", ["person", "hub"])
async def test_a_wrong_checksum_removes_what_was_fetched_and_says_so(
    server: FileServer, folder: Path, where: str
) -> None:
    text = "hf:o/r/model.gguf"
    if where == "hub":
        server.linked_sha256 = "0" * 64
    else:
        text = f"/model.gguf#sha256={'0' * 64}"
    error = await Pulling(folder, server, text).fails()
    assert error.code == "checksum_mismatch"
    assert server.sha256 in error.message
    assert "removed" in error.message
    assert left(folder) == set()


async def test_a_checksum_that_the_hub_contradicts_is_refused_before_anything_is_fetched(
    server: FileServer, folder: Path
) -> None:
    pulling = Pulling(folder, server, f"hf:o/r/model.gguf#sha256={'0' * 64}")
    assert (await pulling.fails()).code == "checksum_mismatch"
    assert pulling.steps == []
    assert left(folder) == set()


@pytest.mark.parametrize(
    ("status", "expected"),
    [(404, ErrorClass.NOT_FOUND), (401, ErrorClass.AUTH), (403, ErrorClass.AUTH), (400, ErrorClass.INVALID_REQUEST)],
)
async def test_a_refusal_is_told_once_with_what_can_be_done(
    server: FileServer, folder: Path, status: int, expected: ErrorClass
) -> None:
    server.answers["/model.gguf"] = (status, "text/plain", b"no")
    error = await Pulling(folder, server).fails()
    assert (error.error_class, error.code) == (expected, f"http_{status}")
    assert error.remedy
    assert len(server.requests) == 1
    assert left(folder) == set()


async def test_a_server_in_trouble_is_asked_again(server: FileServer, folder: Path) -> None:
    server.answers["/model.gguf"] = (503, "text/plain", b"later")
    error = await Pulling(folder, server).fails()
    assert error.error_class is ErrorClass.OVERLOADED
    assert len(server.requests) == 4


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
async def test_a_web_page_is_no_model_whatever_it_says_it_is(
    server: FileServer, folder: Path, content_type: str
) -> None:
    server.answers["/model.gguf"] = (200, content_type, b"<!doctype html><title>Sign in</title>" * 10)
    error = await Pulling(folder, server).fails()
    assert error.code == "not_gguf"
    assert "download link" in error.remedy
    assert left(folder) == set()


async def test_without_room_on_the_disk_nothing_is_begun(server: FileServer, folder: Path) -> None:
    free = len(MODEL) + download.SPARE_BYTES - 1
    error = await Pulling(folder, server, free=free).fails()
    assert error.code == "disk_full"
    assert "needs 3 MB more" in error.message
    assert "embedded.models_dir" in error.remedy
    assert left(folder) == set()
    await Pulling(folder, server, free=free + 1).through()


async def test_for_the_rest_of_a_file_only_the_rest_must_fit(server: FileServer, folder: Path) -> None:
    there = await interrupted(folder, server)
    await Pulling(folder, server, free=len(MODEL) - there + download.SPARE_BYTES).through()
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_disk_that_fills_up_under_a_body_of_unknown_length_is_told(server: FileServer, folder: Path) -> None:
    server.lengths = False
    error = await Pulling(folder, server, free=download.SPARE_BYTES + 1000).fails()
    assert error.code == "disk_full"


async def test_a_file_beyond_all_sense_is_refused(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", MB)
    assert (await Pulling(folder, server).fails()).code == "download_too_large"
    server.lengths = False
    assert (await Pulling(folder, server).fails()).code == "download_too_large"
    assert left(folder) == set()


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "", "http://[x/"])
async def test_a_redirect_that_leads_out_of_the_web_is_not_followed(
    server: FileServer, folder: Path, location: str
) -> None:
    server.location = location
    error = await Pulling(folder, server, "hf:o/r/model.gguf").fails()
    assert error.code == "bad_redirect"
    assert len(server.requests) == 1


async def test_redirects_without_end_end(server: FileServer, folder: Path) -> None:
    server.location = "/o/r/resolve/main/model.gguf"
    assert (await Pulling(folder, server, "hf:o/r/model.gguf").fails()).code == "too_many_redirects"


async def test_a_server_that_is_not_there_is_named_and_asked_four_times(folder: Path) -> None:
    server = FileServer(MODEL)
    server.close()
    pulling = Pulling(folder, server)
    error = await pulling.fails()
    assert error.error_class is ErrorClass.CONNECTION
    assert server.address in error.message
    assert len(pulling.delays) == 3
    assert left(folder) == set()


async def test_pulling_what_is_there_fetches_nothing(server: FileServer, folder: Path) -> None:
    await Pulling(folder, server, "hf:o/r/model.gguf").through()
    for text in ("hf:o/r/model.gguf", f"/model.gguf#sha256={server.sha256}", "/model.gguf"):
        assert [step.status for step in await Pulling(folder, server, text).through()] == ["already there"]


async def test_a_model_is_never_overwritten_by_another_of_its_name(server: FileServer, folder: Path) -> None:
    await Pulling(folder, server, "hf:o/r/model.gguf").through()
    server.content = MODEL + b"more"
    error = await Pulling(folder, server, "hf:o/r/model.gguf").fails()
    assert error.code == "model_exists"
    assert "models rm model" in error.remedy
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_two_pulls_of_one_file_do_not_write_into_each_other(server: FileServer, folder: Path) -> None:
    first = Pulling(folder, server).download.run()
    await anext(first)
    assert (await Pulling(folder, server).fails()).code == "pull_under_way"
    async for _ in first:
        pass
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_cancelled_pull_leaves_no_task_and_no_connection(
    server: FileServer, folder: Path, no_task_left: None
) -> None:
    blocked = threading.Event()
    server.on_block = lambda sent: None if sent < MB else void(blocked.wait(30))
    seen = asyncio.Event()

    async def pull() -> None:
        async for step in Pulling(folder, server).download.run():
            if step.completed:
                seen.set()

    task = asyncio.create_task(pull())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    blocked.set()
    server.on_block = lambda _sent: None
    assert left(folder) == {".model.gguf.part", ".model.gguf.part.json"}
    await Pulling(folder, server).through()
    assert (folder / "model.gguf").read_bytes() == MODEL


def void(_value: object) -> None:
    return None


async def test_facts_that_somebody_spoilt_mean_a_new_beginning(server: FileServer, folder: Path) -> None:
    await interrupted(folder, server)
    facts = folder / ".model.gguf.part.json"
    for spoilt in (
        b"",
        b"[" * 9000,
        b'{"source": 1}',
        json.dumps({**json.loads(facts.read_text()), "total": -1}).encode(),
    ):
        facts.write_bytes(spoilt)
        await interrupted(folder, server, at=1)
        assert "range" not in server.of_file[-1]


async def test_a_part_longer_than_the_file_is_fetched_anew(server: FileServer, folder: Path) -> None:
    await interrupted(folder, server)
    with (folder / ".model.gguf.part").open("ab") as part:
        part.write(bytes(len(MODEL)))
    await Pulling(folder, server).through()
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_link_in_the_place_of_the_part_is_not_followed(
    server: FileServer, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir(parents=True)  # noqa: ASYNC240
    (tmp_path / "precious").write_text("kept")
    (folder / ".model.gguf.part").symlink_to(tmp_path / "precious")
    assert (await Pulling(folder, server).fails()).code == "models_folder_refused"
    assert (tmp_path / "precious").read_text() == "kept"


async def test_a_folder_that_cannot_be_made_is_told(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = await Pulling(tmp_path / "file" / "models", server).fails()
    assert (error.error_class, error.code) == (ErrorClass.RESOURCE, "models_folder_refused")
    assert "embedded.models_dir" in error.remedy


_PULLER = """
import asyncio, sys
from pathlib import Path
from engine.models.download import Download
from engine.models.model_source import parse_source

async def main():
    async for step in Download(parse_source(sys.argv[1], hub=""), Path(sys.argv[2])).run():
        print(step.completed, flush=True)

asyncio.run(main())
"""


async def test_a_pull_goes_on_after_its_process_was_killed(server: FileServer, folder: Path) -> None:
    blocked = threading.Event()
    server.on_block = lambda sent: None if sent < 2 * MB else void(blocked.wait(60))
    arguments = [sys.executable, "-c", _PULLER, f"{server.address}/model.gguf", str(folder)]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while int(await process.stdout.readline()) < MB:
            pass
    process.kill()
    await process.wait()
    blocked.set()
    server.on_block = lambda _sent: None
    there = (folder / ".model.gguf.part").stat().st_size
    assert there >= MB
    await Pulling(folder, server).through()
    assert server.of_file[-1]["range"] == f"bytes={there}-"
    assert (folder / "model.gguf").read_bytes() == MODEL


async def test_a_file_that_is_cut_off_at_its_server_does_not_become_a_model(server: FileServer, folder: Path) -> None:
    content = whole(*TENSORS, data=352)
    server.content = content[:-1]
    error = await Pulling(folder, server).fails()
    assert error.code == "model_file_cut_off"
    assert "/model.gguf sends is cut off" in error.message
    assert left(folder) == set()
    server.content, server.etag = content, '"v2"'
    await Pulling(folder, server).through()
    assert (folder / "model.gguf").read_bytes() == content


async def test_a_cut_off_file_that_lies_there_is_replaced(server: FileServer, folder: Path) -> None:
    server.content = whole(*TENSORS, data=352)

    def leave() -> None:
        folder.mkdir(parents=True)
        (folder / "model.gguf").write_bytes(server.content[:-1])

    await asyncio.to_thread(leave)
    await Pulling(folder, server).through()
    assert (folder / "model.gguf").read_bytes() == server.content


async def test_the_folders_that_a_pull_makes_are_for_nobody_else(server: FileServer, folder: Path) -> None:
    await Pulling(folder, server).through()
    for made in (folder, folder.parent):
        assert made.stat().st_mode & 0o777 == 0o700
