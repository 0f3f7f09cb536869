"""Fetching a model file: resumed where it stopped, checked against its checksum, and a model only when it is whole."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.models.download_answer import FileHead, answer, blocks, broke_off, download_client, no_model
from engine.models.gguf import CUT_OFF, MAGIC, read_header
from engine.models.model_source import ModelSource
from engine.models.part_file import PartFile, disk_full
from engine.models.protocol import PullProgress

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

MAX_BYTES = 512 * 10**9
"""Bytes; no model for a machine of one's own is larger."""
SPARE_BYTES = 256 * 1024 * 1024
"""Bytes of the disk that a pull leaves free, for the database and everybody else."""
_ATTEMPTS = 4
"""Connections in a row that bring nothing."""
_BACKOFF_S = 1.0


class Download:
    """One pull of one file.

    The hub answers with a redirect that carries `X-Linked-ETag` (the SHA-256 of the file, in quotes) and
    `X-Linked-Size` (https://huggingface.co/docs/huggingface_hub/package_reference/file_download); other servers give
    what they give. An interrupted pull goes on with `Range` and `If-Range` (RFC 9110, sections 13.1.5 and 14.2) where
    the server gave a strong ETag, or where the checksum is known and tells whether the pieces belong together.

    Args:
        source: what.
        folder: where to; it is made where it is not there.
        free_space: bytes free at a folder, for tests.
        sleep, now: the clock (seconds), for tests.
    """

    def __init__(
        self,
        source: ModelSource,
        folder: Path,
        *,
        free_space: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._folder = folder
        self._final = folder / source.file_name
        self._free_space = free_space
        self._sleep = sleep
        self._now = now

    async def run(self) -> AsyncGenerator[PullProgress, None]:
        """Fetch it; the last item says that it is there. Closing the iterator stops it and keeps what was fetched.

        Raises:
            EngineError: it cannot be fetched; the remedy says what to do.
        """
        async with download_client(self._source.url) as client:
            if await asyncio.to_thread(_there, self._final):
                yield await self._present(client)
                return
            async with _opened(self._folder, self._source) as part:
                async with aclosing(self._attempts(client, part)) as steps:
                    async for step in steps:
                        yield step
                async with aclosing(self._completed(part)) as steps:
                    async for step in steps:
                        yield step

    async def _present(self, client: httpx.AsyncClient) -> PullProgress:
        """The file is there already: that is well where it is the same one."""
        size, expected, total = self._final.stat().st_size, self._source.sha256, 0
        if not expected:
            async with answer(client, self._source, {}) as (_, head):
                expected, total = head.sha256, head.total
        same = await _in_thread(_sha256_of, self._final) == expected if expected else size == total
        if same:
            return PullProgress("already there", size, size)
        raise EngineError(
            ErrorClass.RESOURCE,
            "model_exists",
            f"There is another model file with the name {self._source.file_name} in {self._folder}.",
            remedy=f"Remove it first (`models rm {self._source.model_name}`), or give it another name.",
        )

    async def _attempts(self, client: httpx.AsyncClient, part: PartFile) -> AsyncGenerator[PullProgress, None]:
        """Connect until everything is there; a connection that brought something is followed by another one at once."""
        fruitless = 0
        while True:
            before = part.size
            try:
                async with aclosing(self._receive(client, part)) as steps:
                    async for step in steps:
                        yield step
            except EngineError as error:
                fruitless = 0 if part.size > before else fruitless + 1
                if not error.retryable or fruitless >= _ATTEMPTS:
                    raise
                yield PullProgress(f"trying again: {error.message}", part.size, part.facts.total)
                await self._sleep(error.retry_after or _BACKOFF_S * 2**fruitless)
            else:
                return

    async def _receive(self, client: httpx.AsyncClient, part: PartFile) -> AsyncGenerator[PullProgress, None]:
        """One connection: from where the part ends to the end of the file."""
        if self._whole(part):
            return
        headers = _resumption(part, self._source.sha256)
        async with answer(client, self._source, headers) as (response, head):
            if head.status == 416:  # the part is longer than the file, or the server cannot say
                await _in_thread(part.restart)
                raise broke_off("refused to go on where an earlier pull stopped")
            await self._begin(part, head)
            yield PullProgress("resuming" if head.start else "fetching", part.size, head.total)
            async with aclosing(blocks(self._source, response, self._now)) as received:
                async for block in received:
                    await self._keep(part, block, head.total)
                    yield PullProgress("fetching", part.size, head.total)
        if head.total and part.size < head.total:
            raise broke_off("ended before the file was whole")

    async def _keep(self, part: PartFile, block: bytes, total: int) -> None:
        if part.size + len(block) > (total or MAX_BYTES):
            await _in_thread(part.discard)
            raise EngineError(
                ErrorClass.RESOURCE,
                "download_too_large",
                f"{self._source.shown} sent more than {total or MAX_BYTES} bytes.",
                remedy="Look at the address in a browser: this is not the file that it was.",
            )
        if not total:
            await self._check_space(len(block))
        await _in_thread(part.append, block)
        if part.size - len(block) < len(MAGIC) <= part.size and await _in_thread(part.head, len(MAGIC)) != MAGIC:
            await _in_thread(part.discard)
            raise no_model(self._source)

    async def _begin(self, part: PartFile, head: FileHead) -> None:
        """Make the part ready for the body of an answer."""
        expected = self._source.sha256
        if expected and head.sha256 and expected != head.sha256:
            await _in_thread(part.discard)
            raise _mismatch(self._source, expected, head.sha256)
        if head.total > MAX_BYTES:
            raise EngineError(
                ErrorClass.RESOURCE,
                "download_too_large",
                f"{self._source.shown} has {head.total / 1e9:.0f} GB, more than the {MAX_BYTES / 1e9:.0f} GB that are "
                "accepted.",
                remedy="Take a smaller model.",
            )
        if head.start != part.size or (part.facts.total and head.total != part.facts.total):
            await _in_thread(part.restart)
        if head.start != part.size:
            raise broke_off("went on at another place than it was asked to")
        await self._check_space(head.total - part.size)
        facts = replace(
            part.facts, validator=head.validator, total=head.total, sha256=expected or head.sha256 or part.facts.sha256
        )
        await _in_thread(part.note, facts)

    async def _check_space(self, needed: int) -> None:
        free = await _in_thread(self._free_space, self._folder)
        if needed + SPARE_BYTES > free:
            raise disk_full(
                self._folder,
                f": {self._source.file_name} needs {needed / 1e6:.0f} MB more, {free / 1e6:.0f} MB are free, of which "
                f"{SPARE_BYTES / 1e6:.0f} MB stay free",
            )

    def _whole(self, part: PartFile) -> bool:
        return part.facts.total > 0 and part.size == part.facts.total

    # -- the end -------------------------------------------------------------------------------------------------------

    async def _completed(self, part: PartFile) -> AsyncGenerator[PullProgress, None]:
        """Check what is there and make a model of it."""
        total = part.size
        yield PullProgress("checking", 0, total)
        while await _in_thread(part.hash_more):
            yield PullProgress("checking", part.hashed, total)
        expected, found = self._source.sha256 or part.facts.sha256, part.sha256()
        if expected and expected != found:
            await _in_thread(part.discard)
            raise _mismatch(self._source, expected, found)
        try:
            await _in_thread(read_header, part.path)
        except ConfigurationError as exc:
            await _in_thread(part.discard)
            raise (_cut_off(self._source, part.size) if exc.code == CUT_OFF else no_model(self._source)) from exc
        await _in_thread(part.become, self._final)
        yield PullProgress("done, checksum right" if expected else "done, the server gave no checksum", total, total)


def _resumption(part: PartFile, sha256: str) -> dict[str, str]:
    """Headers that ask for the rest; none where nobody could tell whether the pieces belong together."""
    if part.size and part.facts.validator:
        return {"Range": f"bytes={part.size}-", "If-Range": part.facts.validator}
    if part.size and (sha256 or part.facts.sha256):
        return {"Range": f"bytes={part.size}-"}
    return {}


def _mismatch(source: ModelSource, expected: str, found: str) -> EngineError:
    return EngineError(
        ErrorClass.RESOURCE,
        "checksum_mismatch",
        f"{source.shown} is not the file that was expected: its SHA-256 is {found}, not {expected}. "
        "What was fetched has been removed.",
        remedy="Pull it again; if that does not help, look where the checksum came from.",
    )


def _cut_off(source: ModelSource, size: int) -> EngineError:
    return EngineError(
        ErrorClass.RESOURCE,
        CUT_OFF,
        f"What {source.shown} sends is cut off: its {size / 1e6:.1f} MB are less than its own header tells. "
        "What was fetched has been removed.",
        remedy="Pull it again; if that does not help, the file is not whole there: take it from another address.",
    )


def _there(path: Path) -> bool:
    """Whether a file is there that a pull must leave alone; one that is cut off is replaced."""
    try:
        read_header(path)
    except ConfigurationError as exc:
        return exc.code != CUT_OFF and path.exists()
    return True


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@asynccontextmanager
async def _opened(folder: Path, source: ModelSource) -> AsyncIterator[PartFile]:
    opened: list[PartFile] = []  # also where we are cancelled while it opens
    try:
        await _in_thread(lambda: opened.append(PartFile.open(folder, source.file_name, source.url)))
        yield opened[0]
    finally:
        for part in opened:
            await _in_thread(part.close)


async def _in_thread(call: Callable[..., T], *arguments: object) -> T:
    """Call something that blocks; where we are cancelled it is awaited first, so that no thread works on a closed
    file."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # seen: what counts is the cancellation
        raise
