"""The events of an exported run, checked one by one: what its file says is as untrusted as any text from outside."""

from __future__ import annotations

from engine import events as ev
from engine.graph.spec import hash_of
from engine.store.run_file import Header, Record, RunFileError, RunFileReader
from engine.view import View, apply


class CheckedRun:
    """Makes events of the lines of one file; what is wrong with them is found here.

    Args:
        header: of the file.
        reader: which has read the header.
        first: `gseq` of the first event; the others follow it.
    """

    def __init__(self, header: Header, reader: RunFileReader, first: int) -> None:
        self._header = header
        self._reader = reader
        self._next = first
        self._seq = 0
        self._begin: ev.Event | None = None
        self._ended = False
        self.view = View()
        """What the events so far make."""

    @property
    def begin(self) -> ev.Event:
        """The first event, once it was read."""
        assert self._begin is not None  # noqa: S101 - the caller has read the file
        return self._begin

    def take(self, line: bytes) -> ev.Event | None:
        """The event of one line; None for the last line.

        Raises:
            RunFileError: the file is not as it was written, or is no run.
        """
        record = self._reader.read(line)
        if record is None:
            return None
        tx = self._header.transaction if record.seq else None
        event = ev.Event(self._next, tx, record.seq, record.t_ms, record.wall_ms, self._body(record))
        self._next += 1
        self._check_order(event)
        try:
            apply(self.view, event)
        except Exception as exc:  # whatever a hostile event brings about, nothing of it is kept
            raise self._reader.wrong("is an event that cannot be shown") from exc
        if event.seq == 1:
            self._begin = event
        return event

    def finish(self) -> None:
        """There are no more lines.

        Raises:
            RunFileError: the end is missing.
        """
        self._reader.finish()
        if not self._ended:
            raise RunFileError("The exported run has no end: its last event neither commits nor rolls back.")

    def _body(self, record: Record) -> ev.Body:
        try:
            body = ev.decode(record.kind, record.v, record.body)
            return ev.decode(body.KIND, body.V, ev.encode(body))  # what this program writes, it must read again
        except (ValueError, RecursionError) as exc:
            known = ev.BODIES.get(record.kind)
            newer = known is None or record.v > known.V
            why = str(exc) if newer else f"a {record.kind} does not have this form"
            raise self._reader.wrong(f"holds an event that cannot be read: {why}") from exc

    def _check_order(self, event: ev.Event) -> None:
        body = event.body
        bounds = isinstance(body, ev.Begin | ev.Committed | ev.RolledBack)
        if self._ended:
            raise self._reader.wrong("comes after the event that ends the run")
        if event.tx is None:
            if self._seq == 0 or bounds:
                raise self._reader.wrong("is an event of the engine where one of the run belongs")
            return
        self._seq += 1
        if event.seq != self._seq:
            raise self._reader.wrong(f"is event {event.seq} of the run where event {self._seq} belongs")
        if isinstance(body, ev.Begin) != (self._seq == 1):
            raise self._reader.wrong("begins the run in its middle" if self._seq > 1 else "does not begin the run")
        if isinstance(body, ev.Begin) and hash_of(body.graph) != body.graph_hash:
            raise self._reader.wrong("holds a graph that does not fit its hash")
        self._ended = isinstance(body, ev.TERMINAL)
