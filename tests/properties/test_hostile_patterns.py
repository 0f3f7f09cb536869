"""Patterns and templates that never come to an end stop at a limit, and meanwhile the loop goes on with everything
else: other runs on the same engine begin, ask their model and commit."""

from __future__ import annotations

from typing import Any

import pytest

import engine
from engine import events as ev
from tests.graphs import chain, node, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend

COUNTED = ",".join(map(str, range(25))) * 20
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "alternatives": ({"operation": "regex_extract", "pattern": r"(a|aa)+$"}, "a" * 60 + "!"),
    "lazy repeats": ({"operation": "regex_replace", "pattern": r"(?:.*?,){11}P", "replacement": "x"}, COUNTED),
    "look ahead": ({"operation": "regex_extract", "pattern": r"(?=(a|aa)+$)b|(a|aa)+$"}, "a" * 60 + "!"),
    "ignoring case": ({"operation": "regex_replace", "pattern": r"(a|A|aa)+$", "ignore_case": True}, "aA" * 40 + "!"),
    "loops": ({"operation": "template", "template": "{% for a in range(99999) %}" * 2 + "{% endfor %}" * 2}, "x"),
    "a power": ({"operation": "template", "template": "{{ 9 ** (9 ** 9) }}"}, "x"),
    "a long text": ({"operation": "template", "template": "{{ 'x' * 9999999999 }}"}, "x"),
    "a wide text": ({"operation": "template", "template": "{{ content | center(9999999999) }}"}, "x"),
    "recursion": (
        {"operation": "template", "template": "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}"},
        "x",
    ),
}
ENDS = {"pattern_timeout", "node_deadline", "template_timeout", "template_too_long", "template_failed"}


@pytest.mark.parametrize("name", HOSTILE)
async def test_other_runs_commit_while_a_hostile_text_runs_into_its_limit(name: str, scripted: ScriptedBackend) -> None:
    config, text = HOSTILE[name]
    async with engine.open() as eng:
        hostile = eng.start(chain(node("hostile", "transform", timeout_ms=5_000, **config)), text)
        quick = [await run_in(eng, one_model()) for _ in range(3)]
        result = await hostile.result()
    assert [ran.result.status for ran in quick] == ["committed"] * 3
    assert (result.status, result.reason) == ("rolled_back", "failed")
    assert result.error is not None
    assert result.error.code in ENDS
    assert result.error.remedy


@pytest.mark.parametrize("name", ["alternatives", "loops"])
async def test_a_run_that_begins_after_a_hostile_text_ends_before_it(name: str, scripted: ScriptedBackend) -> None:
    config, text = HOSTILE[name]
    async with engine.open() as eng:
        hostile = eng.start(chain(node("hostile", "transform", **config)), text)
        async for event in hostile.events():
            if isinstance(event.body, ev.NodeStarted) and event.body.path == "hostile":
                break
        quick = await run_in(eng, one_model())
        assert not hostile.done, "on the loop nothing else would have had a turn before its end"
        assert quick.result.status == "committed"
        assert (await hostile.result()).status == "rolled_back"
