"""A run that is exported, sent to somebody else, and imported there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import unicodedata
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.errors import EngineError
from engine.run.engine import Engine
from engine.store import run_file
from engine.store.database import Database, StoreError
from engine.store.run_file import RunFileError, lines_of
from engine.view import View
from tests.graphs import chain, node, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.store.rig import FILE, read

TABLES = ("events", "transactions", "graph_revisions", "sessions", "messages", "breakers")


async def exported(eng: Engine, tx: str) -> list[bytes]:
    return [line async for line in eng.export(tx)]


@pytest.fixture
async def sent(tmp_path: Path, scripted: ScriptedBackend) -> list[bytes]:
    """A run of another machine, in a session, with events of its engine."""
    async with engine.open(tmp_path / "theirs") as eng:
        session = (await eng.create_session("theirs")).id
        ran = await run_in(eng, one_model(), "What is it?", session=session)
        return await exported(eng, ran.result.transaction)


def contents(folder: Path) -> dict[str, list[Any]]:
    return {table: read(folder / FILE, f"SELECT * FROM {table}") for table in TABLES}


def comparable(view: View) -> View:
    """A view without what is this store's own."""
    view.number, view.gseq, view.session = 0, 0, None
    for entry in view.timeline:
        object.__setattr__(entry, "gseq", 0)
    return view


async def test_no_line_holds_a_control_character_and_the_text_comes_back_with_them(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    question = "Why " + "".join(chr(code) for code in (*range(1, 0x20), *range(0x7F, 0xA0))) + "?"
    async with engine.open(tmp_path / "theirs") as eng:
        ran = await run_in(eng, chain(), question)
        lines = await exported(eng, ran.result.transaction)
    text = b"".join(lines).decode()
    assert not [character for character in text if unicodedata.category(character) == "Cc" and character != "\n"]
    async with engine.open(tmp_path / "ours") as eng:
        assert (await eng.import_run(lines)).question == question


async def test_an_imported_run_looks_as_it_did_where_it_ran(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path / "theirs") as eng:
        graph = chain(node("a", "model"), node("b", "model"))
        await run_in(eng, chain(), "another")
        ran = await run_in(eng, graph, "Why is that so?\u2028And how?")
        lines = await exported(eng, ran.result.transaction)
        theirs = comparable(await eng.view(ran.result.transaction))
    async with engine.open(tmp_path / "ours") as eng:
        for _ in range(3):
            await run_in(eng, chain(), "ours")
        row = await eng.import_run(lines)
        assert (row.number, row.tx, row.origin, row.status) == (4, ran.result.transaction, "imported", "committed")
        assert (row.question, row.answer, row.usage) == (
            "Why is that so?\u2028And how?",
            ran.result.text,
            ran.result.usage,
        )
        assert (await eng.transactions(limit=1)) == [row]
        assert (await eng.transaction("#4")) == row
        events = await eng.events(row.tx)
        assert [(e.seq, e.t_ms, e.wall_ms, e.body) for e in events[1:]] == [
            (e.seq, e.t_ms, e.wall_ms, e.body) for e in ran.events[1:]
        ]
        gseqs = [event.gseq for event in events]
        assert gseqs == list(range(gseqs[0], gseqs[0] + len(events)))
        assert comparable(await eng.view(row.tx)) == theirs
        assert await eng.graph_revision("#4") == graph
        after = await run_in(eng, chain(), "ours again")
        assert after.result.number == 5
        assert after.events[0].gseq > gseqs[-1]
    async with engine.open(tmp_path / "ours") as eng:
        assert eng.recovered == ()
        assert [r.origin for r in await eng.transactions()] == ["", "imported", "", "", ""]
        assert comparable(await eng.view(row.tx)) == theirs


async def test_an_exported_import_is_the_same_run_again(tmp_path: Path, sent: list[bytes]) -> None:
    async with engine.open(tmp_path / "ours") as eng:
        first = await eng.import_run(sent)
        again = await exported(eng, first.tx)
    async with engine.open(tmp_path / "third") as eng:
        second = await eng.import_run(again)
        assert await exported(eng, second.tx) == again
        assert comparable(await eng.view(second.tx)).answer == "Answer to: What is it?"


async def test_a_run_that_was_rolled_back_and_one_that_was_kept_in_memory_can_be_sent(tmp_path: Path) -> None:
    async with engine.open() as eng:
        ran = await run_in(eng, chain(exit_config={"status": "error"}), "Why?")
        assert ran.result.status == "rolled_back"
        lines = await exported(eng, ran.result.transaction)
    async with engine.open(tmp_path) as eng:
        row = await eng.import_run(lines)
        assert row.status == "rolled_back"
        assert (await eng.view(row.tx)).reason == ran.view.reason


async def test_it_joins_no_session_and_changes_no_breaker(tmp_path: Path, sent: list[bytes]) -> None:
    session = json.loads(sent[1])["body"]["session"]
    snapshot = ev.BreakerSnapshot("theirs model", "endpoint", "open", failures=3)
    lines = rewritten(sent, insert={1: (0, ev.BreakerChanged(snapshot, "closed"))})
    async with engine.open(tmp_path / "ours") as eng:
        assert eng._recording is not None
        sql = "INSERT INTO sessions (id, name, created_ms, updated_ms) VALUES (?, 'of the same id', 1, 1)"
        await eng._recording.write(sql, (session,))
        row = await eng.import_run(lines)
        assert (await eng.view(row.tx)).breakers["theirs model"].state == "open"
        assert await eng.session_messages(session) == []
        assert (row.session, (await eng.view(row.tx)).session) == (None, None)
        assert all(breaker.key != "theirs model" for breaker in eng.breakers())
    assert read(tmp_path / "ours" / FILE, "SELECT * FROM breakers WHERE key = 'theirs model'") == []


async def test_a_second_import_says_that_it_is_there(tmp_path: Path, sent: list[bytes]) -> None:
    async with engine.open(tmp_path / "ours") as eng:
        row = await eng.import_run(sent)
        before = contents(tmp_path / "ours")
        with pytest.raises(EngineError) as caught:
            await eng.import_run(sent)
        assert caught.value.code == "transaction_there"
        assert f"#{row.number}" in caught.value.message
        assert contents(tmp_path / "ours") == before
        assert (await run_in(eng, chain())).result.number == row.number + 1, "no number is lost"


async def test_nothing_is_imported_while_a_run_goes_on(
    tmp_path: Path, sent: list[bytes], scripted: ScriptedBackend
) -> None:
    go_on = asyncio.Event()
    scripted.answers(["part", go_on])
    async with engine.open(tmp_path / "ours") as eng:
        run = eng.start(one_model(), "Why?")
        await scripted.busy.wait()
        with pytest.raises(EngineError) as caught:
            await eng.import_run(sent)
        assert caught.value.code == "run_in_progress"
        with pytest.raises(EngineError) as unfinished:
            await exported(eng, run.transaction)
        assert unfinished.value.code == "transaction_unfinished"
        go_on.set()
        await run.result()
        assert (await eng.import_run(sent)).origin == "imported"


async def test_where_nothing_is_recorded_nothing_is_imported(tmp_path: Path, sent: list[bytes]) -> None:
    async with engine.open() as eng:
        with pytest.raises(EngineError, match="no store"):
            await eng.import_run(sent)
    async with engine.open(tmp_path / "ours"), engine.open(tmp_path / "ours") as second:
        with pytest.raises(StoreError, match="reading only"):
            await second.import_run(sent)


async def test_lines_may_come_one_by_one_from_anywhere(tmp_path: Path, sent: list[bytes]) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for line in sent:
            yield line

    (tmp_path / "run.jsonl").write_bytes(b"".join(sent))
    async with engine.open(tmp_path / "a") as eng:
        assert (await eng.import_run(slowly())).status == "committed"
    async with engine.open(tmp_path / "b") as eng:
        with (tmp_path / "run.jsonl").open("rb") as file:
            assert (await eng.import_run(lines_of(file))).status == "committed"


# -- hostile files ----------------------------------------------------------------------------------------------------


def sealed(header: dict[str, Any], events: list[bytes]) -> list[bytes]:
    """A file whose checksums fit, whatever is in it."""
    lines = [json.dumps(header, separators=(",", ":")).encode() + b"\n"]
    lines += [b'%s,"crc":%d}\n' % (text, zlib.crc32(text)) for text in events]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    return [*lines, b'{"end":true,"sha256":"%s"}\n' % digest.encode()]


def rewritten(
    lines: list[bytes],
    *,
    change: Callable[[list[bytes]], list[bytes]] = lambda texts: texts,
    insert: dict[int, tuple[int, ev.Body]] | None = None,
    **header: Any,
) -> list[bytes]:
    """The file with other events, as somebody would write it who knows the format."""
    texts = [line.rsplit(b',"crc":', 1)[0] for line in lines[1:-1]]
    for place, (seq, body) in (insert or {}).items():
        fields = f'{{"seq":{seq},"t_ms":1,"wall_ms":1,"kind":"{body.KIND}","v":{body.V},"body":{ev.encode(body)}'
        texts.insert(place, fields.encode())
    texts = change(texts)
    return sealed(json.loads(lines[0]) | {"events": len(texts)} | header, texts)


def replaced(old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    def change(texts: list[bytes]) -> list[bytes]:
        assert any(old in text for text in texts)
        return [text.replace(old, new) for text in texts]

    return change


Damage = Callable[[list[bytes]], list[bytes]]


def reordered(change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    return lambda lines: rewritten(lines, change=change)


def edited(old: bytes, new: bytes) -> Damage:
    return reordered(replaced(old, new))


def added(place: int, body: ev.Body) -> Damage:
    """An event of the engine is put in."""
    return lambda lines: rewritten(lines, insert={place: (0, body)})


def without_nodes(texts: list[bytes]) -> list[bytes]:
    """A graph whose hash fits, and which is none."""
    from engine.graph.spec import hash_of

    first = json.loads(texts[0] + b"}")
    first["body"]["graph"] = {"id": "graph.x", "nodes": [7]}
    first["body"]["graph_hash"] = hash_of(first["body"]["graph"])
    return [json.dumps(first, separators=(",", ":")).encode()[:-1], *texts[1:]]


HOSTILE: dict[str, tuple[Damage, str]] = {
    "nothing": (lambda lines: [], "no exported run"),
    "not JSON": (lambda lines: [b"hello\n", *lines[1:]], "no exported run"),
    "another format": (lambda lines: [b'{"format":"other"}\n', *lines[1:]], "no exported run"),
    "not UTF-8": (lambda lines: [b"\xff\xfe\x00\n", *lines[1:]], "no exported run"),
    "a deep header": (lambda lines: [b"[" * 4000 + b"\n"], "no exported run"),
    "a newer format": (lambda lines: rewritten(lines, version=2), "newer version"),
    "a hostile id": (lambda lines: rewritten(lines, transaction="%' OR 1"), "no header"),
    "too many events": (lambda lines: rewritten(lines, events=10**15), "number of events"),
    "no number of events": (lambda lines: rewritten(lines, events=True), "number of events"),
    "cut after a line": (lambda lines: lines[:3], "cut off after line 3"),
    "cut in a line": (lambda lines: [*lines[:3], lines[3][:20]], "Line 4"),
    "cut before the end": (lambda lines: lines[:-1], "cut off"),
    "a line too many": (lambda lines: [*lines, b"{}\n"], "after the end"),
    "a line altered": (lambda lines: [*lines[:2], lines[2].replace(b'"t_ms":', b'"t_ms":1'), *lines[3:]], "checksum"),
    "a line missing": (lambda lines: [*lines[:2], *lines[3:]], "event 3 of the run where event 2"),
    "lines exchanged": (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "event 3 of the run"),
    "another digest": (
        lambda lines: [
            *lines[:-1],
            lines[-1][:-4] + b'e"}\n' if lines[-1][-4:-3] != b"e" else lines[-1][:-4] + b'f"}\n',
        ],
        "digest",
    ),
    "a long line": (lambda lines: [*lines[:2], b"{" + b"x" * run_file.MAX_LINE, *lines[3:]], "longer than"),
    "an unknown kind": (edited(b'"node_started"', b'"node_dreamt"'), "node_dreamt"),
    "a newer event": (edited(b'"v":1', b'"v":7'), "version 7"),
    "another form": (edited(b'"path":', b'"pfad":'), "does not have this form"),
    "bytes that are no text": (edited(b"What", b"Wh\xff"), "not UTF-8"),
    "a lone surrogate": (edited(b"What", rb"\ud800"), "cannot be read"),
    "a deep body": (edited(b'"inputs":{}', b'"inputs":{"a":' + b"[" * 9999 + b"]" * 9999 + b"}"), "cannot be read"),
    "a gap": (reordered(lambda texts: [*texts[:2], *texts[3:]]), "event 4 of the run where event 3"),
    "no begin": (reordered(lambda texts: texts[1:]), "event 2 of the run where event 1"),
    "another first event": (
        reordered(lambda texts: [texts[1].replace(b'"seq":2', b'"seq":1'), *texts[2:]]),
        "does not begin",
    ),
    "no end": (reordered(lambda texts: texts[:-1]), "has no end"),
    "events after the end": (added(99, ev.BackendChanged("e", "b", "ready")), "after the event that ends"),
    "an event of the engine first": (added(0, ev.BackendChanged("e", "b", "ready")), "engine"),
    "an end by the engine": (added(2, ev.RolledBack("failed")), "engine"),
    "another graph": (edited(b'"id":"graph.test"', b'"id":"graph.evil"'), "does not fit its hash"),
    "a graph that cannot be shown": (reordered(without_nodes), "cannot be shown"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_is_one_clear_message_and_nothing_is_imported(
    tmp_path: Path, sent: list[bytes], name: str
) -> None:
    damage, says = HOSTILE[name]
    async with engine.open(tmp_path / "ours") as eng:
        await run_in(eng, chain(), "mine")
        before = contents(tmp_path / "ours")
        with pytest.raises(RunFileError) as caught:
            await eng.import_run(damage(sent))
        assert says in caught.value.message
        assert len(caught.value.message) < 400
        assert caught.value.remedy
        assert contents(tmp_path / "ours") == before
        assert (await eng.import_run(sent)).number == 2, "the store takes the whole file afterwards"


async def test_no_altered_bit_is_accepted(tmp_path: Path, sent: list[bytes]) -> None:
    whole = b"".join(sent)
    dice = random.Random(4)
    async with engine.open(tmp_path / "ours") as eng:
        for _ in range(200):
            altered = bytearray(whole)
            place = dice.randrange(len(whole) - 1)  # the end of the last line may be missing
            altered[place] ^= 1 << dice.randrange(8)
            with pytest.raises(RunFileError):
                await eng.import_run(bytes(altered).splitlines(keepends=True))
            with pytest.raises(RunFileError):
                await eng.import_run(whole[:place].splitlines(keepends=True))
        assert await eng.transactions() == []
        assert (await eng.import_run(sent)).number == 1


async def test_a_line_without_end_takes_no_more_memory_than_a_line_may_have(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.truncate(4 * 2**30)  # sparse: four gigabytes without a line's end
    with path.open("rb") as file:
        assert len(next(lines_of(file))) == run_file.MAX_LINE + 1


async def test_a_damaged_event_is_not_exported(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, one_model(), "mine")
        assert eng._recording is not None
        await eng._recording.write("UPDATE events SET t_ms = t_ms + 1 WHERE seq = 2")
        with pytest.raises(StoreError, match="damaged"):
            await exported(eng, ran.result.transaction)


async def test_a_store_that_refuses_the_last_statement_keeps_nothing_of_the_run(
    tmp_path: Path, sent: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine.open(tmp_path / "ours") as eng:
        before = contents(tmp_path / "ours")
        write = Database.write

        async def refuses(self: Database, sql: str, parameters: Any = ()) -> None:
            if "INSERT INTO inbox" in sql:
                raise StoreError("disk_full", "The disk is full.", "Free some space.")
            await write(self, sql, parameters)

        monkeypatch.setattr(Database, "write", refuses)
        with pytest.raises(StoreError):
            await eng.import_run(sent)
        monkeypatch.undo()
        assert contents(tmp_path / "ours") == before
        assert (await eng.import_run(sent)).origin == "imported"
