"""The workspace: whatever the path, nothing outside is read, listed or changed."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.tools.call import call_tool
from engine.tools.workspace import Workspace, WorkspaceLimits
from tests.unit.tools.doubles import TOOLS, file_context

SECRET = "what nobody may see"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with a workspace, a secret beside it, and links of every kind from one to the other."""
    root = tmp_path / "workspace"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "sub" / "note.txt").write_text("a note")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    (root / "link_file").symlink_to(outside / "secret.txt")
    (root / "link_folder").symlink_to(outside)
    (root / "sub" / "up").symlink_to("../..")
    (root / "loop").symlink_to("loop")
    (root / "inside").symlink_to("sub/note.txt")
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ESCAPES = [
    "../outside/secret.txt",
    "sub/../../outside/secret.txt",
    "/etc/passwd",
    "~/secret.txt",
    "link_file",
    "link_folder/secret.txt",
    "sub/up/outside/secret.txt",
    "loop",
    "loop/x",
    "inside",
    "sub/note.txt/x",
    "./../outside/secret.txt",
    "sub/deep/../../../outside/secret.txt",
    "..",
    ".",
    "x" * 300,
    "/".join("d" * 60),
    "link_folder/new.txt",
    "sub/up/outside/new.txt",
]


@pytest.mark.parametrize("path", ESCAPES)
@pytest.mark.parametrize("tool", ["file_read", "file_write", "file_delete", "file_move", "file_list", "file_search"])
async def test_no_tool_follows_a_path_that_leads_out(base: Path, tool: str, path: str) -> None:
    context = file_context(base)
    arguments = {
        "file_read": {"path": path},
        "file_write": {"path": path, "content": "mine now", "mode": "overwrite"},
        "file_delete": {"path": path},
        "file_move": {"source": path, "target": "stolen.txt"},
        "file_list": {"path": path, "recursive": True},
        "file_search": {"path": path, "text": "nobody may see"},
    }[tool]
    before = snapshot(base / "outside")
    if path == "." and tool in {"file_list", "file_search"}:
        outcome = await call_tool(TOOLS.get(tool), arguments, context)
        assert "secret" not in outcome.text
    else:
        with pytest.raises(EngineError) as caught:
            await call_tool(TOOLS.get(tool), arguments, context)
        assert caught.value.error_class in {
            ErrorClass.TOOL_REFUSED, ErrorClass.INVALID_REQUEST, ErrorClass.NOT_FOUND,
        }  # fmt: skip
        assert SECRET not in str(caught.value)
    assert snapshot(base / "outside") == before


@pytest.mark.parametrize("target", ["../stolen.txt", "link_folder/stolen.txt", "/tmp/stolen.txt", "link_file"])
async def test_nothing_is_moved_out(base: Path, target: str) -> None:
    before = snapshot(base)
    with pytest.raises(EngineError):
        await call_tool(TOOLS.get("file_move"), {"source": "sub/note.txt", "target": target}, file_context(base))
    assert {name: text for name, text in snapshot(base).items() if not name.startswith("undo")} == before


_part = st.sampled_from(
    ["..", ".", "", "sub", "deep", "up", "link_folder", "link_file", "outside", "secret.txt", "loop", "~", "new"]
)


@given(st.lists(_part, max_size=8).map("/".join) | st.text(max_size=30))
def test_generated_paths_read_nothing_from_outside_and_leave_nothing_there(base: Path, path: str) -> None:
    workspace = Workspace(base / "workspace")
    with suppress(EngineError):
        assert SECRET.encode() not in workspace.read(path)
    with suppress(EngineError):
        workspace.write(path, b"mine", temporary=".t", before_change=lambda: None)
    with suppress(EngineError):
        for entry in workspace.walk(path, recursive=True, check=lambda: None):
            assert (workspace.root / entry.path).parent.resolve().is_relative_to(workspace.root)
    assert snapshot(base / "outside") == {"secret.txt": SECRET.encode()}
    assert not list(base.glob("new*"))


def test_a_folder_that_is_swapped_for_a_link_meanwhile_leads_nowhere(base: Path) -> None:
    """One thread swaps a folder for a link to the outside as fast as it can, another reads through it."""
    root = base / "workspace"
    (root / "swap").mkdir()
    (root / "swap" / "secret.txt").write_text("harmless")
    (root / "evil").symlink_to(base / "outside")
    workspace, over = Workspace(root), threading.Event()

    def swap() -> None:
        while not over.is_set():
            (root / "swap").rename(root / "aside")
            (root / "evil").rename(root / "swap")
            (root / "swap").rename(root / "evil")
            (root / "aside").rename(root / "swap")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(3000):
            try:
                seen.add(workspace.read("swap/secret.txt")[0])
            except EngineError as error:
                seen.add(error.code.encode())
    finally:
        over.set()
        thread.join()
    assert SECRET.encode() not in seen
    assert seen <= {b"harmless", b"symbolic_link", b"no_such_file", b"not_a_folder", b"not_a_file"}


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "a\nb", "\x1b[2J"])
def test_a_path_with_what_is_no_text_is_refused(base: Path, path: str) -> None:
    with pytest.raises(EngineError) as caught:
        Workspace(base / "workspace").read(path)
    assert caught.value.code == "not_a_path"


def test_a_named_pipe_is_refused_and_not_waited_for(base: Path) -> None:
    os.mkfifo(base / "workspace" / "pipe")
    with pytest.raises(EngineError, match="no regular file"):
        Workspace(base / "workspace").read("pipe")


def test_a_file_above_the_limit_is_refused_without_being_read_whole(base: Path) -> None:
    with (base / "workspace" / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(EngineError) as caught:
        Workspace(base / "workspace", WorkspaceLimits(max_file_bytes=1000)).read("huge")
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.RESOURCE, "file_too_large")


def test_a_workspace_that_was_replaced_by_another_folder_is_noticed(base: Path) -> None:
    workspace = Workspace(base / "workspace")
    (base / "workspace").rename(base / "old")
    (base / "workspace").mkdir()
    with pytest.raises(EngineError) as caught:
        workspace.read("sub/note.txt")
    assert caught.value.code == "workspace_changed"


def test_a_workspace_behind_a_link_is_its_real_folder(base: Path) -> None:
    (base / "alias").symlink_to(base / "workspace")
    assert Workspace(base / "alias").read("sub/note.txt")[0] == b"a note"


@pytest.mark.parametrize("root", ["nowhere", "outside/secret.txt"])
def test_a_workspace_that_is_no_folder_is_a_configuration_error(base: Path, root: str) -> None:
    with pytest.raises(ConfigurationError):
        Workspace(base / root)


def test_a_listing_ends_at_its_limit(base: Path) -> None:
    for number in range(30):
        (base / "workspace" / f"f{number}").touch()
    workspace = Workspace(base / "workspace", WorkspaceLimits(max_entries=10))
    with pytest.raises(EngineError) as caught:
        list(workspace.walk(".", recursive=True, check=lambda: None))
    assert caught.value.code == "too_many_entries"
