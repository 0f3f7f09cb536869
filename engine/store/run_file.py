"""The file of one exported run: JSON Lines, so that a run can be sent to somebody else and replayed there.

    {"format":"tinyllm-run","version":1,"engine_version":"0.1.0","transaction":"<32 hex digits>","events":2}
    {"seq":1,"t_ms":0,"wall_ms":1700000000000,"kind":"begin","v":1,"body":{...},"crc":123}
    {"seq":2,"t_ms":9,"wall_ms":1700000000009,"kind":"committed","v":1,"body":{...},"crc":456}
    {"end":true,"sha256":"..."}

`seq` is 0 for an event of the engine (breakers, backends). `crc` is the CRC-32 of the line's bytes before `,"crc":`;
`sha256` is the digest of all bytes before the last line. Both find damage; they are no protection against intent, so
what a file says is as untrusted as any other text from outside.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from engine.errors import EngineError, ErrorClass

FORMAT = "tinyllm-run"
FORMAT_VERSION = 1
MAX_LINE = 32 * 2**20
"""Bytes of one line."""
MAX_BYTES = 256 * 2**20
"""Bytes of a whole file."""
MAX_EVENTS = 500_000
_MAX_HEADER = 4096

_TX = re.compile(r"[0-9a-f]{32}")
_EVENT = re.compile(
    rb'(\{"seq":(\d{1,12}),"t_ms":(-?\d{1,18}),"wall_ms":(-?\d{1,18}),"kind":"([a-z_]{1,64})","v":(\d{1,6}),'
    rb'"body":(\{.*\})),"crc":(\d{1,10})\}\n',
    re.DOTALL,
)
_CONTROLS = re.compile("[\x7f-\x9f]")
"""Control characters that JSON lets stand as they are, and that command a terminal to which the file is printed."""
_LAST = re.compile(rb'\{"end":true,"sha256":"([0-9a-f]{64})"\}\n?')


class RunFileError(EngineError):
    """A file that is no exported run, or not whole any more."""

    def __init__(self, what: str, remedy: str = "Export the run again, or ask for the file again.") -> None:
        super().__init__(ErrorClass.INVALID_REQUEST, "run_file_invalid", f"{what} Nothing was imported.", remedy=remedy)
        self.what = what
        """The same, without what came of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line."""

    transaction: str
    events: int
    engine_version: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it stands in the file."""

    seq: int
    """0: an event of the engine."""
    t_ms: int
    wall_ms: int
    kind: str
    v: int
    body: str
    """As JSON text."""


class RunFileWriter:
    """Makes the lines of a file, each with its end."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._digest = hashlib.sha256()

    def first(self) -> bytes:
        fields = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "engine_version": self._header.engine_version,
            "transaction": self._header.transaction,
            "events": self._header.events,
        }
        return self._line(json.dumps(fields, separators=(",", ":")).encode())

    def event(self, record: Record) -> bytes:
        body = _CONTROLS.sub(_escaped, record.body)
        text = (
            f'{{"seq":{record.seq},"t_ms":{record.t_ms},"wall_ms":{record.wall_ms},"kind":"{record.kind}",'
            f'"v":{record.v},"body":{body}'
        ).encode()
        return self._line(b'%s,"crc":%d}' % (text, zlib.crc32(text)))

    def last(self) -> bytes:
        return b'{"end":true,"sha256":"%s"}\n' % self._digest.hexdigest().encode()

    def _line(self, text: bytes) -> bytes:
        line = text + b"\n"
        self._digest.update(line)
        return line


def _escaped(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"


class RunFileReader:
    """Checks the lines of a file as they come: their form, their checksums and their number."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._number = 0
        self._bytes = 0
        self._header: Header | None = None
        self._complete = False

    def header(self, line: bytes) -> Header:
        """The first line.

        Raises:
            RunFileError: it is none, or of a newer program.
        """
        self._count(line)
        try:
            fields = json.loads(line[:_MAX_HEADER]) if len(line) <= _MAX_HEADER else None
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise RunFileError("This is no exported run.", "Name a file that `tinyllm-tui tx export` wrote.")
        version, tx, events = fields.get("version"), fields.get("transaction"), fields.get("events")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise RunFileError(
                f"The run was exported by a newer version of the program (format {version}, known: {FORMAT_VERSION}).",
                "Update the program.",
            )
        if version != FORMAT_VERSION or not isinstance(tx, str) or not _TX.fullmatch(tx):
            raise self.wrong("is no header of an exported run")
        if not isinstance(events, int) or isinstance(events, bool) or not 2 <= events <= MAX_EVENTS:
            raise self.wrong(f"names a number of events that is not between 2 and {MAX_EVENTS}")
        self._header = Header(tx, events, str(fields.get("engine_version", ""))[:40])
        return self._header

    def read(self, line: bytes) -> Record | None:
        """One further line; None for the last one, when all before it was as it should be.

        Raises:
            RunFileError: the line is not as it was written.
        """
        assert self._header is not None  # noqa: S101 - the header is read first
        if self._complete:
            raise RunFileError("There are lines after the end of the exported run.")
        if self._number == self._header.events + 1:
            self._end(line)
            return None
        self._count(line)
        found = _EVENT.fullmatch(line)
        if found is None:
            raise self.wrong("is no event; the file was altered or cut")
        text, seq, t_ms, wall_ms, kind, v, body, crc = found.groups()
        if int(crc) != zlib.crc32(text):
            raise self.wrong("does not fit its checksum; the file was altered")
        try:
            return Record(int(seq), int(t_ms), int(wall_ms), kind.decode(), int(v), body.decode())
        except UnicodeDecodeError:
            raise self.wrong("is not UTF-8 text") from None

    def finish(self) -> None:
        """There are no more lines.

        Raises:
            RunFileError: the end is missing.
        """
        if not self._complete:
            raise RunFileError(f"The exported run is cut off after line {self._number}.")

    def _end(self, line: bytes) -> None:
        self._number += 1
        found = _LAST.fullmatch(line)
        if found is None:
            raise self.wrong("is not the end of the exported run, which belongs there")
        if found[1].decode() != self._digest.hexdigest():
            raise self.wrong("holds a digest that does not fit; the file was altered")
        self._complete = True

    def _count(self, line: bytes) -> None:
        self._number += 1
        self._bytes += len(line)
        if len(line) > MAX_LINE:
            raise self.wrong(f"is longer than {MAX_LINE // 2**20} MB")
        if self._bytes > MAX_BYTES:
            raise RunFileError(f"The exported run is larger than {MAX_BYTES // 2**20} MB.")
        self._digest.update(line)

    def wrong(self, what: str) -> RunFileError:
        """The error that the line read last `what`."""
        return RunFileError(f"Line {self._number} of the exported run {what}.")


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, of which none takes more memory than a line may have; a longer one comes cut."""
    while line := file.readline(MAX_LINE + 1):
        yield line
