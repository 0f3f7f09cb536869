"""The code tool: Python in its sandbox, whatever the code is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigurationError
from engine.tools import code as code_module
from engine.tools.call import call_tool
from engine.tools.protocol import ToolContext
from tests.unit.tools.doubles import TOOLS
from tests.waiting import until


async def run(code: str) -> dict[str, Any]:
    outcome = await call_tool(TOOLS.get("code"), {"code": code}, ToolContext())
    return dict(outcome.output)


async def test_the_last_value_and_what_was_printed_come_back() -> None:
    outcome = await call_tool(TOOLS.get("code"), {"code": "print('hi')\nsum(range(10))"}, ToolContext())
    assert outcome.output == {"ok": True, "result": 45, "stdout": "hi\n", "error": ""}
    assert outcome.text == "hi\n45"


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("[1, (2,), {'a': None}]", [1, [2], {"a": None}]),
        ("{1: 2}", {"1": 2}),
        ("float('nan')", "nan"),
        ("2**100000", "an integer of 100001 bits"),
        ("x = 1", None),
        ("b'ab'", "b'ab'"),
        ("'\\ud800'", "\ufffd"),
        ("{3}", [3]),
    ],
)
async def test_results_are_plain_json(code: str, result: Any) -> None:
    assert (await run(code))["result"] == result


async def test_a_large_result_is_bounded() -> None:
    assert len((await run("[0] * 100000"))["result"]) < 2100
    assert len((await run("'x' * 100000"))["result"]) < 17_000


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1/0", "ZeroDivisionError: division by zero (line 1)"),
        ("\n\nnope()", "NameError: name 'nope' is not defined (line 3)"),
        ("def f(:", "SyntaxError"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("x = []\nwhile True: x.append('a' * 1000)", "MemoryError"),
        ("10 ** 10 ** 8", "MemoryError"),
        ("print('x' * 10**6)", "MemoryError"),
        ("(" * 10_000, "SyntaxError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
async def test_what_goes_wrong_in_the_code_is_its_result(code: str, error: str) -> None:
    outcome = await run(code)
    assert not outcome["ok"]
    assert error in outcome["error"]


@pytest.mark.parametrize("code", ["while True: pass", "try:\n  while True: pass\nexcept BaseException: pass"])
async def test_endless_code_is_stopped(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(code_module._LIMITS, "max_feed_duration_secs", 0.2)
    outcome = await run(code)
    assert outcome["error"].startswith("TimeoutError")


@pytest.mark.parametrize(
    "code",
    [
        "open('{secret}').read()",
        "from pathlib import Path\nPath('{secret}').read_text()",
        "import os\nos.listdir('/')",
        "import os\nos.environ['HOME']",
        "import os\nos.system('id')",
        "import subprocess",
        "import socket",
        "import urllib.request",
        "import ctypes",
        "__import__('os').system('id')",
        "().__class__.__mro__[1].__subclasses__()",
        "(lambda: 0).__globals__",
        "open('{secret}', 'w').write('x')",
        "import importlib",
    ],
)
async def test_the_sandbox_has_no_files_no_network_and_no_way_out(code: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    outcome = await run(code.replace("{secret}", str(secret)))
    assert not outcome["ok"]
    assert "the secret" not in str(outcome)
    assert secret.read_text() == "the secret"


async def test_an_overrun_of_memory_writes_nothing_on_the_person_s_screen(capfd: pytest.CaptureFixture[str]) -> None:
    for code in (
        "list(range(3 * 10**5))",
        "sorted(range(10**6))",
        "('a,' * 10**6).split(',')",
        "[i for i in range(10**6)]",
    ):
        assert not (await run(code))["ok"]
    assert capfd.readouterr() == ("", "")


def _workers() -> set[int]:
    """The running processes that any thread of this one started; one that ended may wait to be reaped for a while."""
    found = set()
    for each in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found |= {int(pid) for pid in each.read_text().split() if _runs(pid)}
    return found


def _runs(pid: str) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
async def test_cancelling_a_call_ends_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_module, "MAX_SECONDS", 1000.0)  # so that no limit ends it
    monkeypatch.setitem(code_module._LIMITS, "max_feed_duration_secs", 1000.0)
    monkeypatch.setattr(code_module.CodeTool, "timeout_s", 1000.0)
    before = _workers()
    task = asyncio.create_task(run("while True: pass"))
    await until(lambda: bool(_workers() - before))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: _workers() <= before)


async def test_one_call_knows_nothing_of_another() -> None:
    await run("kept = 1")
    assert "NameError" in (await run("kept"))["error"]


async def test_a_sandbox_that_is_not_installed_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise FileNotFoundError("monty")

    monkeypatch.setattr(code_module, "_started_program", nowhere)
    with pytest.raises(ConfigurationError) as caught:
        await run("1")
    assert "pydantic-monty" in caught.value.remedy


async def test_many_calls_at_once_all_come_back() -> None:
    context = ToolContext()
    outcomes = await asyncio.gather(
        *(call_tool(TOOLS.get("code"), {"code": f"{number} * 2"}, context) for number in range(20))
    )
    assert [outcome.output["result"] for outcome in outcomes] == [number * 2 for number in range(20)]
