"""Reading an exported run to look at it, without importing it: the store has no part in this."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.store.checked_run import CheckedRun
from engine.store.rows import ParentRow, TransactionRow
from engine.store.run_file import MAX_BYTES, RunFileError, RunFileReader, lines_of
from engine.view import View

_REMEDY = "Name a file that `tinyllm-tui tx export` wrote."


def read_run(file: Path) -> tuple[TransactionRow, list[ev.Event]]:
    """A run as lists show it, and all its events; it has the number that it had where it was exported.

    It blocks: call it outside of the event loop.

    Raises:
        EngineError: the file cannot be read, is no exported run, or not as it was written.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for its writer
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _unreadable(f"{file} is no file.")
            if status.st_size > MAX_BYTES:
                raise _unreadable(f"{file} is larger than an exported run may be ({MAX_BYTES // 2**20} MB).")
            reader = RunFileReader()
            lines = lines_of(stream)
            run = CheckedRun(reader.header(next(lines, b"")), reader, 1)
            events = [event for line in lines if (event := run.take(line)) is not None]
            run.finish()
    except OSError as error:
        raise _unreadable(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a name with a NUL, for one
        raise _unreadable(f"{str(file)!r} is no name of a file.") from error
    except RunFileError as error:
        raise EngineError(error.error_class, error.code, f"{file}: {error.what}", remedy=error.remedy) from error
    return _row(run.begin, run.view), events


def _unreadable(words: str) -> EngineError:
    return EngineError(ErrorClass.INVALID_REQUEST, "run_file_unreadable", words, remedy=_REMEDY)


def _row(begin: ev.Event, view: View) -> TransactionRow:
    fork = begin.body.fork if isinstance(begin.body, ev.Begin) else None
    return TransactionRow(
        number=view.number,
        tx=view.tx,
        status=view.status,
        session=None,
        graph_id=str(view.graph.get("id", "")),
        question=view.question,
        answer=view.answer,
        exit=view.exit,
        reason=view.reason,
        error=view.error.message if view.error is not None else "",
        backend=view.backend,
        started_ms=view.started_wall_ms,
        duration_ms=view.t_ms,
        events=view.events,
        usage=view.usage,
        origin="imported",
        parent=None if fork is None else ParentRow(fork.parent, fork.number, fork.seq, kept=False),
    )
