"""`tx compare` and `replay`: two transactions beside each other, and a file that is no run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.conftest import Call
from tests.unit.cli.test_tx import ask

__all__ = ["ask"]


def test_two_transactions_stand_beside_each_other(ask: object, call: Call) -> None:
    ask("What is here?", "What is there?")  # type: ignore[operator]
    plain = call("tx", "compare", "1", "2")
    assert plain.status == 0
    lines = plain.out.splitlines()
    assert lines[0].split() == ["#1", "#2"]
    assert any(line.startswith("!") and "What is here?" in line and "What is there?" in line for line in lines)
    assert any(line.startswith("=") and line.split()[1] == "outcome" for line in lines)
    assert "What is [-here?-]{+there?+}" in plain.out
    found = json.loads(call("tx", "compare", "1", "2", "--json").out)
    assert (found["one"]["number"], found["other"]["number"]) == (1, 2)
    assert {fact["name"]: fact["differs"] for fact in found["facts"]}["question"]
    assert found["same_words"] == round(2 / 3, 4)


def test_what_cannot_be_compared_or_replayed_is_said_in_one_message(ask: object, call: Call, tmp_path: Path) -> None:
    ask("What?")  # type: ignore[operator]
    missing = call("tx", "compare", "1", "7")
    assert missing.status == 1
    assert "7" in missing.err
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\x1b[2Jno run")
    refused = call("replay", str(bad))
    assert refused.status == 1
    assert "is no exported run" in refused.err
    assert "Remedy: Name a file that `tinyllm-tui tx export` wrote." in refused.err
    assert "\x1b" not in refused.err
