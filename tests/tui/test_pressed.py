"""Every key of the table is pressed where it counts, and what it does is seen."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.pressed import ELSEWHERE, Changes, Press, Seen, Way
from tests.tui.pressed_walks import WALKS
from tests.tui.snapshots.frozen import FrozenClock, FrozenPace
from tests.tui.snapshots.stage import Stage
from tests.tui.test_cockpit import app_of, text_of, until
from tinyllm_tui.keymap import KEYS, Key
from tinyllm_tui.screens.approval import ApprovalScreen

HERE = Path(__file__).parent
ALL: dict[str, Key] = {key.id: key for keys in KEYS.values() for key in keys}


def seen(stage: Stage, what: Seen, before: object) -> bool:
    if isinstance(what, str):
        return what in " ".join(text_of(stage.app).split())
    if isinstance(what, type):
        return isinstance(stage.app.screen, what)
    if isinstance(what, Changes):
        return what.value(stage) != before
    return bool(what(stage))


async def go(stage: Stage, ways: tuple[Way, ...]) -> None:
    for way in ways:
        if isinstance(way, str):
            await stage.press(way)
        else:
            await stage.until(lambda way=way: seen(stage, way, None))  # type: ignore[misc]


async def press(stage: Stage, entry: Press) -> None:
    await go(stage, entry.before)
    before = entry.seen.value(stage) if isinstance(entry.seen, Changes) else None
    assert not seen(stage, entry.seen, before), f"{entry.id}: it is so before the key is pressed"
    await stage.press(entry.key or ALL[entry.id].keys.split(",")[0])
    try:
        await until(stage.pilot, lambda: not stage.app.is_running or seen(stage, entry.seen, before))
    except AssertionError as error:
        raise AssertionError(f"{entry.id} ({ALL[entry.id].keys}) {error}") from error
    await go(stage, entry.after)


@pytest.mark.parametrize("name", WALKS)
async def test_keys_do_what_the_table_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = WALKS[name]
    monkeypatch.setattr(ApprovalScreen, "QUIET_S", 0.0)
    clock = FrozenClock()
    clock.install(monkeypatch)
    engine = walk.engine()
    engine.pace = FrozenPace(clock)
    app = app_of(engine, tmp_path, **walk.options(tmp_path))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        stage = Stage(pilot, app, engine, clock)
        await walk.arrive(stage)
        for entry in walk.presses:
            await press(stage, entry)


def test_every_key_is_pressed_by_one_test() -> None:
    tried = Counter([*(entry.id for walk in WALKS.values() for entry in walk.presses), *ELSEWHERE])
    untried = [name for name in ALL if name not in tried]
    assert not untried, f"Neither tests/tui/pressed_walks.py nor ELSEWHERE has {', '.join(untried)}."
    gone = [name for name in tried if name not in ALL]
    assert not gone, f"The key table has no {', '.join(gone)} any more."
    assert not [name for name, times in tried.items() if times > 1]


@pytest.mark.parametrize(("name", "test"), ELSEWHERE.items())
def test_a_key_that_is_pressed_elsewhere_is_pressed_there(name: str, test: str) -> None:
    file, _, function = test.partition("::")
    module = ast.parse((HERE / file).read_text(encoding="utf-8"))
    found = [node for node in module.body if isinstance(node, ast.AsyncFunctionDef) and node.name == function]
    assert found, f"tests/tui/{file} has no test {function}."
    assert set(ALL[name].keys.split(",")) & set(pressed(found[0])), f"{test} does not press {ALL[name].keys}."


def pressed(function: ast.AsyncFunctionDef) -> Iterator[str]:
    """The keys that are named in a test's calls of `press`, or in its parameters; not typed words."""
    calls = [each for each in ast.walk(function) if isinstance(each, ast.Call)]
    named: list[ast.expr] = list(function.decorator_list)
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "press":
            named += [each for each in call.args if not _is_typed(each)]
    for expression in named:
        for each in ast.walk(expression):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield each.value


def _is_typed(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Constant)
