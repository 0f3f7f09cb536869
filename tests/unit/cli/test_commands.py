"""The commands that need no model, and what wrong usage comes to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from engine.models.catalogue import ROLES
from tests.routing_graph import BIRDS, birds_or_stones
from tests.unit.cli.conftest import Call
from tinyllm_tui.cli.init import EXAMPLE_MODEL, commented_config
from tinyllm_tui.settings import Settings, load, setting_names

WRONG_GRAPH = "id: g\nnodes:\n  - {id: a, type: entry}\n  - {id: b, type: modle}\nedges: [{from_node: a, to_node: c}]\n"


# -- usage -------------------------------------------------------------------------------------------------------------


def test_version(call: Call) -> None:
    done = call("--version")
    assert done.status == 0
    assert re.fullmatch(r"tinyllm-tui \d+\.\d+\.\d+\n", done.out)


@pytest.mark.parametrize("group", ["tx", "session", "db", "graph", "route", "models"])
def test_a_group_without_a_command_prints_its_help(call: Call, group: str) -> None:
    done = call(group)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"Usage: tinyllm-tui {group} ")
    assert "Commands:" in done.err


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run", "--backend", "gpu", "hi"], ["tx", "show", "1", "2"], ["run", "--no-such-flag", "hi"]],
)
def test_wrong_usage_is_status_2_and_said_on_stderr(call: Call, arguments: list[str]) -> None:
    done = call(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "Usage:" in done.err


@pytest.mark.parametrize("arguments", [["run"], ["run", "-"], ["run", "  "]])
def test_an_empty_question_is_wrong_usage(call: Call, arguments: list[str]) -> None:
    done = call(*arguments, stdin=" \n")
    assert (done.status, done.out) == (2, "")
    assert "empty" in done.err


def test_a_question_without_an_end_is_refused(call: Call) -> None:
    done = call("run", stdin="x" * 4_000_001)
    assert done.status == 2
    assert "Shorten it" in done.err


@pytest.mark.parametrize("arguments", [[], ["chat"]])
def test_the_cockpit_without_a_terminal_says_what_to_use_instead(call: Call, arguments: list[str]) -> None:
    done = call(*arguments)
    assert (done.status, done.out) == (1, "")
    assert "run" in done.err
    assert "chat --plain" in done.err


@pytest.mark.parametrize("arguments", [["graph", "list"], ["run", "hi"], ["tx", "list"], ["models", "list"]])
def test_a_wrong_configuration_file_stops_every_command_with_one_message(
    call: Call, home: Path, arguments: list[str]
) -> None:
    home.mkdir(parents=True)
    (home / "config.yaml").write_text("backend: gpu\n")
    done = call(*arguments)
    assert (done.status, done.out) == (1, "")
    error, remedy = done.err.splitlines()
    assert error.startswith("Error: backend in ")
    assert "'gpu'" in error
    assert remedy.startswith("Remedy: ")


def test_an_option_before_and_after_the_command_is_the_same_and_the_later_counts(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("backend: gpu\n")
    (tmp_path / "b.yaml").write_text("")
    assert call("--config", str(tmp_path / "a.yaml"), "graph", "list").status == 1
    assert call("--config", str(tmp_path / "a.yaml"), "graph", "list", "--config", str(tmp_path / "b.yaml")).status == 0


def test_a_variable_that_is_no_setting_is_noted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYLLM_THEMEE", "x")
    assert "did you mean TINYLLM_THEME?" in call("graph", "list").err


# -- init --------------------------------------------------------------------------------------------------------------


def test_init_writes_a_private_file_and_a_graph_that_works(call: Call, home: Path) -> None:
    done = call("init")
    assert done.status == 0
    assert (home / "config.yaml").stat().st_mode & 0o777 == 0o600
    assert load().settings == Settings(ollama_host="http://127.0.0.1:9")
    assert call("graph", "validate", str(home / "graphs" / "quick.yaml")).status == 0


def test_init_keeps_what_is_there_unless_forced(call: Call, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "config.yaml").write_text("theme: mine\n")
    done = call("init")
    assert done.status == 0
    assert (home / "config.yaml").read_text() == "theme: mine\n"
    assert (home / "graphs" / "quick.yaml").exists()
    assert "--force" in done.err
    call("init", "--force")
    assert "theme: mine" not in (home / "config.yaml").read_text()


def settings_in(text: str) -> dict[str, str]:
    """Dotted name -> the commented line that sets it, of a written configuration file."""
    found, section = {}, ""
    for line in text.splitlines():
        if match := re.fullmatch(r"(\w+):", line):
            section = f"{match[1]}."
        elif match := re.fullmatch(r"( *)#(\w+): .+", line):
            found[(section if match[1] else "") + match[2]] = line
    return found


WRITTEN = settings_in(commented_config())
OTHER = {
    "backend": "openai",
    "ascii": "true",
    "restore": "false",
    "durability": "strict",
    "recovery": "leave",
    "embedded.threads": "7",
    "embedded.slots": "7",
    "embedded.memory_mb": "777",
    "concurrency": "7",
    "endpoints": '[{"kind": "ollama", "address": "http://127.0.0.1:9"}]',
    "retry.attempts": "7",
    "context.oversize": "refuse",
    "context.summaries": "false",
    "memory.enabled": "false",
    "memory.recall": "7",
    "keys.preset": "vim",
    "title": "false",
    "notify.how": "osc9",
    "alerts": '[{"name": "bad days", "metric": "failure_rate", "above": 0.5}]',
    "keys.map": '{"chat.copy": "ctrl+y"}',
}
"""A value that is not the default, for settings that take neither any text nor any number."""


def dumped() -> dict[str, object]:
    """Dotted name -> value of every setting, and of every role."""
    found = load().settings.model_dump()
    flat = {name: value for name, value in found.items() if not isinstance(value, dict)}
    groups = {name: value for name, value in found.items() if isinstance(value, dict)}
    return flat | {f"{name}.{part}": value for name, parts in groups.items() for part, value in parts.items()}


def test_the_written_file_has_every_setting_and_every_role(home: Path) -> None:
    groups = {"roles", "embedded", "breaker", "retry", "context", "memory", "keys", "notify"}
    assert set(WRITTEN) == {name for name in setting_names() if name not in groups} | {f"roles.{r}" for r in ROLES}


@pytest.mark.parametrize("name", WRITTEN)
def test_uncommenting_one_line_of_the_written_file_sets_exactly_that_setting(home: Path, name: str) -> None:
    home.mkdir(parents=True)
    before = dumped()
    line = WRITTEN[name]
    text = commented_config()
    assert text.count(f"\n{line}\n") == 1

    def with_line(new: str) -> dict[str, object]:
        (home / "config.yaml").write_text(text.replace(f"\n{line}\n", f"\n{new}\n"))
        return dumped()

    uncommented = with_line(line.replace("#", "", 1))
    assert uncommented == (before | {name: EXAMPLE_MODEL} if name.startswith("roles.") else before)
    other = "other" if line.endswith(('"', "null")) else "777"
    changed = with_line(line.replace("#", "", 1).partition(":")[0] + ": " + OTHER.get(name, other))
    assert {key for key in changed if key not in before or changed[key] != before[key]} == {name}


def test_all_lines_of_the_written_file_can_be_turned_on_at_once(call: Call, home: Path) -> None:
    call("init")
    file = home / "config.yaml"
    assert load().settings == Settings(ollama_host="http://127.0.0.1:9")
    file.write_text(re.sub(r"(?m)^( *)#(?=\w)", r"\1", file.read_text()))
    assert load().settings == Settings(ollama_host="http://127.0.0.1:9", roles=dict.fromkeys(ROLES, EXAMPLE_MODEL))


def test_init_in_a_folder_that_cannot_be_made_says_so(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("init", "--config", str(tmp_path / "file" / "config.yaml"))
    assert done.status == 1
    assert done.err.startswith("Error: ")


# -- graph -------------------------------------------------------------------------------------------------------------


def test_graph_list_has_the_shipped_graphs_and_the_persons_own(call: Call, home: Path) -> None:
    (home / "graphs").mkdir(parents=True)
    (home / "graphs" / "mine.yaml").write_text("id: broken\n")
    done = call("graph", "list")
    assert done.status == 0
    assert {line.split()[0] for line in done.out.splitlines()} >= {"GRAPH", "multi_domain", "quick", "mine"}
    rows = {row["name"]: row for row in json.loads(call("graph", "list", "--json").out)}
    assert rows["quick"]["error"] is None
    assert rows["quick"]["nodes"] == 3
    assert rows["mine"]["error"]


def test_validate_names_every_problem_with_its_place(call: Call, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG_GRAPH)
    done = call("graph", "validate", "quick", str(tmp_path / "wrong.yaml"))
    assert done.status == 1
    assert done.out.startswith("quick: valid")
    assert "wrong.yaml, line 4, column" in done.err
    valid, wrong = json.loads(call("graph", "validate", "quick", str(tmp_path / "wrong.yaml"), "--json").out)
    assert (valid["valid"], wrong["valid"]) == (True, False)
    assert wrong["problems"][0]["line"] == 4


def test_validate_warns_of_utterances_that_two_routes_share_with_their_place(call: Call, tmp_path: Path) -> None:
    document = birds_or_stones().model_dump(mode="json", exclude_defaults=True)
    router = next(node for node in document["nodes"] if node["type"] == "router")
    router["config"]["routes"][1]["utterances"].append(BIRDS[0])
    (tmp_path / "alike.yaml").write_text(yaml.safe_dump(document, width=1000))
    done = call("graph", "validate", str(tmp_path / "alike.yaml"))
    assert done.status == 0
    warning = f"The routes `birds` and `stones` of `router` have the same utterance: “{BIRDS[0]}”."
    assert re.search(rf"Warning: .*alike\.yaml, line \d+, column \d+: {re.escape(warning)}", done.err)
    (report,) = json.loads(call("graph", "validate", "--json", str(tmp_path / "alike.yaml")).out)
    (told,) = report["warnings"]
    assert (report["valid"], told["message"], told["line"] > 1) == (True, warning, True)


def test_the_name_of_a_file_is_that_file_but_the_name_of_a_graph_comes_first(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("notes.md", "quick"):
        (tmp_path / name).write_text("# Notes\n")
    done = call("graph", "validate", "quick", "notes.md")
    assert done.status == 1
    assert done.out.startswith("quick: valid")
    assert "notes.md, line 1" in done.err


@pytest.mark.parametrize("command", ["show", "validate"])
def test_an_unknown_graph_is_told_with_the_known_ones(call: Call, command: str) -> None:
    done = call("graph", command, "multi_domian")
    assert done.status == 1
    assert "multi_domain" in done.err


def test_show_draws_every_node(call: Call) -> None:
    drawn = call("graph", "show", "multi_domain").out
    plain = call("graph", "show", "multi_domain", "--ascii").out
    mermaid = call("graph", "show", "multi_domain", "--format", "mermaid").out
    assert plain.isascii()
    for node in ("router", "code", "math", "general"):
        assert node in drawn
        assert node in plain
    assert mermaid.startswith("flowchart")
    assert call("graph", "show", "multi_domain", "--format", "dot").out.startswith("digraph")


def test_an_output_without_unicode_gets_a_drawing_in_ascii(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyllm_tui.cli.output.draws_unicode", lambda: False)
    assert "+- start" in call("graph", "show", "quick").out


def test_the_persons_graph_hides_a_shipped_one(call: Call, home: Path) -> None:
    call("init")
    file = home / "graphs" / "quick.yaml"
    file.write_text(file.read_text().replace("version: 1.0.0", "version: 9.9.9"))
    assert "9.9.9" in call("graph", "show", "quick").out


# -- transactions of an empty store ------------------------------------------------------------------------------------


def test_an_empty_list_is_no_failure(call: Call) -> None:
    assert call("tx", "list").status == 0
    assert json.loads(call("tx", "list", "--json").out) == []


@pytest.mark.parametrize("command", ["show", "events"])
def test_an_unknown_transaction_is_told_with_the_remedy(call: Call, command: str) -> None:
    done = call("tx", command, "#7")
    assert (done.status, done.out) == (1, "")
    assert "tx list" in done.err


def test_a_data_folder_that_is_a_file_is_told(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("tx", "list", "--data-dir", str(tmp_path / "file"))
    assert done.status == 1
    assert "--data-dir" in done.err


# -- make --------------------------------------------------------------------------------------------------------------


def test_bare_make_prints_every_target_with_one_line() -> None:
    root = Path(__file__).parents[3]
    targets = re.findall(r"(?m)^([a-z-]+):", (root / "Makefile").read_text())
    if (make := shutil.which("make")) is None:
        pytest.skip("make is not installed")
    done = subprocess.run([make, "--no-print-directory"], cwd=root, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["make", target] for target in targets]
    assert all(len(line.split()) > 2 for line in lines)
