"""Changes of files and their undo: everything comes back exactly, whenever the program died."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, ErrorClass
from engine.tools.call import call_tool, compensate
from engine.tools.protocol import Intent, ToolContext
from engine.tools.workspace import WorkspaceLimits
from tests.unit.tools.doubles import TOOLS, ListJournal, file_context

State = dict[str, tuple[Any, ...]]


def state_of(root: Path) -> State:
    """Every entry below a folder: bytes, permission bits and time of files, folders by name."""
    state: State = {}
    for path in sorted(root.rglob("*")):
        status = path.stat()
        name = str(path.relative_to(root))
        state[name] = ("folder",) if path.is_dir() else (path.read_bytes(), status.st_mode, status.st_mtime_ns)
    return state


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    context = file_context(tmp_path, journal=ListJournal())
    root = tmp_path / "workspace"
    (root / "docs").mkdir()
    (root / "docs" / "a.txt").write_bytes(b"first\r\nsecond\n")
    (root / "docs" / "a.txt").chmod(0o640)
    (root / "run.sh").write_bytes(b"#!/bin/sh\n\xff\x00")
    (root / "run.sh").chmod(0o755)
    os.utime(root / "run.sh", ns=(1_000_000_007, 1_000_000_007))
    return context


def root_of(context: ToolContext) -> Path:
    assert context.workspace is not None
    return context.workspace.root


def last_intent(context: ToolContext) -> Intent:
    """The last journalled intent, as another process would read it from the log."""
    assert isinstance(context.journal, ListJournal)
    return Intent(**json.loads(json.dumps(asdict(context.journal.intents[-1]))))


def later(context: ToolContext) -> ToolContext:
    """The context of a process that was started after a crash."""
    return ToolContext(undo_dir=context.undo_dir)


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("file_write", {"path": "new.txt", "content": "new"}),
    ("file_write", {"path": "x/y/new.txt", "content": "new"}),
    ("file_write", {"path": "docs/a.txt", "content": "other", "mode": "overwrite"}),
    ("file_write", {"path": "docs/a.txt", "content": "more", "mode": "append"}),
    ("file_write", {"path": "fresh.txt", "content": "more", "mode": "append"}),
    ("file_write", {"path": "run.sh", "content": "", "mode": "overwrite"}),
    ("file_move", {"source": "run.sh", "target": "bin/run"}),
    ("file_move", {"source": "docs/a.txt", "target": "docs/b.txt"}),
    ("file_delete", {"path": "run.sh"}),
    ("file_delete", {"path": "docs/a.txt"}),
]


@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_undo_restores_bytes_mode_time_and_absence_and_repeating_it_is_harmless(
    context: ToolContext, tool: str, arguments: dict[str, Any]
) -> None:
    before = state_of(root_of(context))
    await call_tool(TOOLS.get(tool), arguments, context)
    assert state_of(root_of(context)) != before
    for _ in range(3):
        await compensate(TOOLS.get(tool), last_intent(context), later(context))
        assert state_of(root_of(context)) == before


@pytest.mark.parametrize(("tool", "arguments"), CALLS)
async def test_undo_of_an_intent_whose_effect_never_began_changes_nothing(
    context: ToolContext, tool: str, arguments: dict[str, Any]
) -> None:
    before = state_of(root_of(context))
    made = TOOLS.get(tool)
    record = await made.prepare(made.Input(**arguments), replace(context, call="c1"))  # type: ignore[attr-defined]
    assert state_of(root_of(context)) == before, "preparing changes nothing"
    await compensate(made, Intent("c1", tool, "reversible", arguments, "hash", record), later(context))
    assert state_of(root_of(context)) == before


_CRASH = """
import asyncio, json, os, sys
from dataclasses import asdict
from pathlib import Path
from engine.tools.call import call_tool
from engine.tools.policy import ApprovalPolicy
from engine.tools.protocol import ToolContext
from engine.tools.registry import ToolRegistry
from engine.tools.workspace import Workspace

base, tool, arguments = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
function, when = sys.argv[4:]

class Journal:
    async def decided(self, decision): pass
    async def prepared(self, intent):
        (base / "intent.json").write_text(json.dumps(asdict(intent)))
        real = getattr(os, function)
        def dying(*args, **options):
            if when == "after":
                real(*args, **options)
            os._exit(9)
        setattr(os, function, dying)

context = ToolContext(workspace=Workspace(base / "workspace"), undo_dir=base / "undo", journal=Journal(),
                      policy=ApprovalPolicy(overrides={tool: "auto"}))
asyncio.run(call_tool(ToolRegistry().get(tool), arguments, context))
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("tool", "arguments", "function"),
    [
        ("file_write", {"path": "x/y/new.txt", "content": "new"}, "mkdir"),
        ("file_write", {"path": "x/y/new.txt", "content": "new"}, "link"),
        ("file_write", {"path": "docs/a.txt", "content": "other", "mode": "overwrite"}, "write"),
        ("file_write", {"path": "docs/a.txt", "content": "other", "mode": "overwrite"}, "rename"),
        ("file_move", {"source": "run.sh", "target": "bin/run"}, "link"),
        ("file_move", {"source": "run.sh", "target": "bin/run"}, "unlink"),
        ("file_delete", {"path": "run.sh"}, "unlink"),
    ],
)
async def test_a_process_that_dies_between_intent_and_outcome_is_undone_by_another(
    context: ToolContext, tool: str, arguments: dict[str, Any], function: str, when: str
) -> None:
    base = root_of(context).parent
    before = state_of(root_of(context))
    options = [str(base), tool, json.dumps(arguments), function, when]
    died = await asyncio.create_subprocess_exec(sys.executable, "-c", _CRASH, *options)
    assert await died.wait() == 9
    intent = Intent(**json.loads((base / "intent.json").read_text()))
    for _ in range(2):
        await compensate(TOOLS.get(tool), intent, later(context))
        assert state_of(root_of(context)) == before


async def test_an_undo_that_died_half_way_is_finished_by_the_next_one(
    context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state_of(root_of(context))
    await call_tool(TOOLS.get("file_move"), {"source": "run.sh", "target": "bin/run"}, context)
    intent = last_intent(context)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("engine.tools.workspace.Workspace.remove_folder", broken)
        with pytest.raises(EngineError):
            await compensate(TOOLS.get("file_move"), intent, later(context))
    await compensate(TOOLS.get("file_move"), intent, later(context))
    assert state_of(root_of(context)) == before


_paths = st.sampled_from(["a", "b", "d/c", "d/e/f"])
_change = st.one_of(
    st.tuples(
        st.just("file_write"),
        st.fixed_dictionaries(
            {"path": _paths, "content": st.text(max_size=5), "mode": st.sampled_from(["create", "overwrite", "append"])}
        ),
    ),
    st.tuples(st.just("file_move"), st.fixed_dictionaries({"source": _paths, "target": _paths})),
    st.tuples(st.just("file_delete"), st.fixed_dictionaries({"path": _paths})),
)


@given(st.lists(_change, max_size=8), st.integers(0, 3))
async def test_generated_changes_compensated_in_reverse_order_leave_everything_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, dict[str, Any]]], repeated: int
) -> None:
    journal = ListJournal()
    context = file_context(tmp_path_factory.mktemp("w"), journal=journal)
    (root_of(context) / "a").write_text("here before")
    (root_of(context) / "a").chmod(0o604)
    before = state_of(root_of(context))
    for tool, arguments in changes:
        try:
            await call_tool(TOOLS.get(tool), arguments, context)
        except EngineError as error:
            assert error.error_class in {ErrorClass.TOOL_REFUSED, ErrorClass.NOT_FOUND, ErrorClass.INVALID_REQUEST}  # noqa: PT017
    backwards = list(reversed(journal.intents))
    for index, intent in enumerate(backwards):
        await compensate(TOOLS.get(intent.tool), intent, later(context))
        for again in backwards[max(0, index - repeated) : index + 1]:
            await compensate(TOOLS.get(again.tool), again, later(context))
    assert state_of(root_of(context)) == before


async def test_what_somebody_else_changed_afterwards_is_not_overwritten_by_an_undo(context: ToolContext) -> None:
    await call_tool(TOOLS.get("file_write"), {"path": "docs/a.txt", "content": "x", "mode": "overwrite"}, context)
    (root_of(context) / "docs" / "a.txt").write_text("the person's own work")
    now = state_of(root_of(context))
    with pytest.raises(EngineError) as caught:
        await compensate(TOOLS.get("file_write"), last_intent(context), later(context))
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.TOOL_REFUSED, "undo_conflict")
    assert state_of(root_of(context)) == now


async def test_a_conflict_in_one_of_two_files_leaves_both_alone(context: ToolContext) -> None:
    await call_tool(TOOLS.get("file_move"), {"source": "run.sh", "target": "moved.sh"}, context)
    (root_of(context) / "run.sh").write_text("a new one of the person")
    now = state_of(root_of(context))
    with pytest.raises(EngineError, match="somebody else"):
        await compensate(TOOLS.get("file_move"), last_intent(context), later(context))
    assert state_of(root_of(context)) == now


async def test_a_folder_that_was_made_stays_when_somebody_put_something_in_it(context: ToolContext) -> None:
    await call_tool(TOOLS.get("file_write"), {"path": "x/y/new.txt", "content": "new"}, context)
    (root_of(context) / "x" / "mine.txt").write_text("mine")
    await compensate(TOOLS.get("file_write"), last_intent(context), later(context))
    assert sorted(path.name for path in (root_of(context) / "x").iterdir()) == ["mine.txt"]


async def test_a_link_that_was_put_in_the_place_of_a_file_is_not_followed_by_an_undo(context: ToolContext) -> None:
    victim = root_of(context).parent / "victim"
    victim.write_text("untouched")
    await call_tool(TOOLS.get("file_delete"), {"path": "run.sh"}, context)
    (root_of(context) / "run.sh").symlink_to(victim)
    with pytest.raises(EngineError) as caught:
        await compensate(TOOLS.get("file_delete"), last_intent(context), later(context))
    assert caught.value.code == "undo_conflict"
    assert victim.read_text() == "untouched"


async def test_a_damaged_copy_is_reported_and_never_put_in_place(context: ToolContext) -> None:
    await call_tool(TOOLS.get("file_delete"), {"path": "run.sh"}, context)
    assert context.undo_dir is not None
    for copy in context.undo_dir.glob("*/0"):
        copy.write_bytes(b"rotten")
    with pytest.raises(EngineError) as caught:
        await compensate(TOOLS.get("file_delete"), last_intent(context), later(context))
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.RESOURCE, "undo_lost")
    assert not (root_of(context) / "run.sh").exists()


async def test_undo_copies_can_be_read_by_this_person_only(context: ToolContext) -> None:
    await call_tool(TOOLS.get("file_delete"), {"path": "run.sh"}, context)
    assert context.undo_dir is not None
    paths = [context.undo_dir, *context.undo_dir.rglob("*")]
    assert len(paths) >= 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)


@pytest.mark.parametrize("place", [None, "workspace/undo"])
async def test_nothing_is_changed_without_a_safe_place_for_undo_copies(context: ToolContext, place: str | None) -> None:
    before = state_of(root_of(context))
    bad = replace(context, undo_dir=None if place is None else root_of(context).parent / place)
    with pytest.raises(EngineError) as caught:
        await call_tool(TOOLS.get("file_delete"), {"path": "run.sh"}, bad)
    assert caught.value.code == "no_undo_folder"
    assert state_of(root_of(context)) == before


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("file_write", {"path": "run.sh", "content": "x", "mode": "overwrite"}),
        ("file_delete", {"path": "run.sh"}),
        ("file_move", {"source": "run.sh", "target": "b"}),
    ],
)
async def test_a_file_that_somebody_changed_after_it_was_copied_is_left_alone(
    context: ToolContext, tool: str, arguments: dict[str, Any]
) -> None:
    class Meddler(ListJournal):
        async def prepared(self, intent: Intent) -> None:
            (root_of(context) / "run.sh").write_text("changed just now")

    with pytest.raises(EngineError) as caught:
        await call_tool(TOOLS.get(tool), arguments, replace(context, journal=Meddler()))
    assert caught.value.code == "changed_meanwhile"
    assert (root_of(context) / "run.sh").read_text() == "changed just now"


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("file_write", {"path": "run.sh", "content": "x"}, "file_exists"),
        ("file_write", {"path": "docs", "content": "x", "mode": "overwrite"}, "not_a_file"),
        ("file_write", {"path": "run.sh/x", "content": "x"}, "not_a_folder"),
        ("file_move", {"source": "run.sh", "target": "docs/a.txt"}, "file_exists"),
        ("file_move", {"source": "none", "target": "b"}, "no_such_file"),
        ("file_move", {"source": "docs", "target": "b"}, "not_a_file"),
        ("file_move", {"source": "run.sh", "target": "run.sh"}, "file_exists"),
        ("file_delete", {"path": "none"}, "no_such_file"),
        ("file_delete", {"path": "docs"}, "not_a_file"),
    ],
)
async def test_what_cannot_be_done_is_said_before_anything_is_journalled(
    context: ToolContext, tool: str, arguments: dict[str, Any], code: str
) -> None:
    before = state_of(root_of(context))
    with pytest.raises(EngineError) as caught:
        await call_tool(TOOLS.get(tool), arguments, context)
    assert caught.value.code == code
    assert caught.value.remedy
    assert isinstance(context.journal, ListJournal)
    assert context.journal.intents == []
    assert state_of(root_of(context)) == before


async def test_a_write_above_the_limit_leaves_the_old_file(context: ToolContext) -> None:
    assert context.workspace is not None
    context.workspace.limits = WorkspaceLimits(max_file_bytes=20)
    before = state_of(root_of(context))
    arguments = {"path": "docs/a.txt", "content": "x" * 10, "mode": "append"}
    with pytest.raises(EngineError) as caught:
        await call_tool(TOOLS.get("file_write"), arguments, context)
    assert caught.value.code == "file_too_large"
    assert state_of(root_of(context)) == before


async def test_a_file_change_without_a_workspace_says_how_to_get_one() -> None:
    with pytest.raises(EngineError, match="workspace"):
        await call_tool(TOOLS.get("file_read"), {"path": "a"}, ToolContext())


async def test_overwriting_keeps_the_permission_bits(context: ToolContext) -> None:
    await call_tool(TOOLS.get("file_write"), {"path": "run.sh", "content": "x", "mode": "overwrite"}, context)
    assert (root_of(context) / "run.sh").stat().st_mode & 0o777 == 0o755
