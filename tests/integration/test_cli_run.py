"""`run`, `chat --plain` and `tx` as processes, on the real embedded model."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli_process import LIMIT_S, NOTICE, Home, read_until

pytestmark = pytest.mark.embedded

FRANCE = "What is the capital of France?"
LONG = "Write a long poem about the sea, with many verses."


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose graph is one model that says little."""
    quick = (Path(__file__).parents[2] / "graphs" / "quick.yaml").read_text(encoding="utf-8")
    graph = tmp_path / "short.yaml"
    graph.write_text(quick.replace("max_tokens: 256", "max_tokens: 32"), encoding="utf-8")
    return Home(tmp_path, {"TINYLLM_GRAPH": str(graph)})


def test_the_answer_goes_to_stdout_and_nothing_else_anywhere(home: Home) -> None:
    home.variables = {"TINYLLM_BACKEND": "embedded"}  # and the shipped default graph
    done = home.call("run", FRANCE)
    assert (done.status, done.err) == (0, "")
    assert "Paris" in done.out
    assert done.out.endswith("\n")


def test_json_trace_and_the_store_tell_the_same_run(home: Home) -> None:
    done = home.call("run", "--json", "--trace", "-", stdin=FRANCE)
    said = json.loads(done.out)
    assert done.status == 0
    assert (said["status"], said["exit"], said["error"]) == ("committed", "success", None)
    assert "Paris" in said["text"]
    assert (said["backend"], said["model"]) == ("embedded", "smollm2:135m")
    assert [node["path"] for node in said["nodes"]] == ["start", "general", "answer"]
    assert said["usage"]["completion_tokens"] > 0
    assert f"#{said['number']} {said['transaction']} committed" in done.err
    assert f"{said['usage']['prompt_tokens']} prompt + {said['usage']['completion_tokens']} completion" in done.err

    (row,) = home.transactions()
    assert (row["transaction"], row["answer"], row["usage"]) == (said["transaction"], said["text"], said["usage"])
    shown = home.call("tx", "show", "1").out
    assert said["text"] in shown
    detail = json.loads(home.call("tx", "show", said["transaction"][:8], "--json").out)
    assert [node["path"] for node in detail["nodes"]] == ["start", "general", "answer"]
    events = home.events(1)
    assert [event["seq"] for event in events if event["seq"]] == list(range(1, detail["events"] + 1))
    assert (events[0]["kind"], events[-1]["kind"]) == ("begin", "committed")
    assert "committed" in home.call("tx", "events", "1").out


def test_on_a_terminal_the_answer_appears_while_it_is_written(home: Home) -> None:
    controller, terminal = pty.openpty()
    process = home.start(
        "run", "--graph", "quick", LONG, stdout=terminal, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    os.close(terminal)
    pieces = []
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not piece:
            break
        pieces.append(piece.decode())
    os.close(controller)
    assert process.wait(LIMIT_S) == 0
    text = "".join(pieces).replace("\r\n", "\n")
    assert len(pieces) > 3
    assert text.strip() == home.transactions()[0]["answer"].strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run_which_is_rolled_back(home: Home, number: signal.Signals) -> None:
    process = home.start("run", "--graph", "quick", "--trace", LONG, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    read_until(process.stderr, ["general", "model smollm2"])
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (130, b"")
    assert b"Cancelled" in err
    assert b"Traceback" not in err
    (row,) = home.transactions()
    assert (row["status"], row["reason"]) == ("rolled_back", "cancelled")


def test_a_program_that_was_killed_leaves_a_transaction_that_is_told_until_it_is_gone_on_with(home: Home) -> None:
    process = home.start("run", "--graph", "quick", "--trace", LONG, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    read_until(process.stderr, ["general", "model smollm2"])
    process.kill()
    process.communicate(timeout=LIMIT_S)
    done = home.call("tx", "list", "--json")
    assert "#1 was interrupted" in done.err
    home.variables["TINYLLM_RECOVERY"] = "roll_back"
    done = home.call("tx", "list", "--json")
    assert "#1 was left unfinished" in done.err
    (row,) = json.loads(done.out)
    assert (row["status"], row["reason"]) == ("rolled_back", "interrupted")
    assert home.call("tx", "list").err == ""


def test_a_killed_model_process_is_restarted_and_the_run_goes_on(home: Home) -> None:
    process = home.start("run", "--graph", "quick", "--trace", LONG, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    read_until(process.stderr, ["general", "model smollm2"])
    (child,) = children_of(process.pid)
    os.kill(child, signal.SIGKILL)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err.decode()
    assert out.strip()
    assert b"restarting" in err
    kinds = [event["kind"] for event in home.events(1)]
    assert kinds.count("model_started") == 2
    assert not [e for e in home.events(1) if e["kind"] == "breaker_changed" and e["body"]["breaker"]["state"] == "open"]


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


@pytest.mark.parametrize("question", [b"\x1b[31m\x1b]0;title\x07", b"[/nope] [bold]", b"\xff\xfe \xed\xa0\x80"])
def test_hostile_questions_are_answered_or_refused_in_words(home: Home, question: bytes) -> None:
    done = home.call("run", "--json", question)
    assert done.status in (0, 1)
    assert json.loads(done.out)["transaction"]
    assert "\x1b" not in home.call("tx", "list").err + done.err


def refusing(tmp_path: Path) -> str:
    """A configuration file in which too long a question is an error."""
    file = tmp_path / "refusing.yaml"
    file.write_text("context: {oversize: refuse}\n", encoding="utf-8")
    return str(file)


def test_a_question_of_a_megabyte_is_refused_with_the_window(home: Home, tmp_path: Path) -> None:
    done = home.call("run", "--config", refusing(tmp_path), stdin=b"word " * 200_000)
    assert (done.status, done.out) == (1, "")
    assert "4,096 tokens" in done.err
    assert "Shorten the question" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--model", "absent:7b", "hi"], ["absent:7b", "smollm2:135m"]),
        (["run", "--graph", "absent", "hi"], ["`absent`", "quick"]),
        (["run", "--session", "absent", "hi"], ["'absent'"]),
    ],
)
def test_an_unknown_name_is_told_with_what_there_is(home: Home, arguments: list[str], says: list[str]) -> None:
    done = home.call(*arguments)
    assert (done.status, done.out) == (1, "")
    assert all(words in done.err for words in says)
    assert "Remedy:" in done.err
    told = json.loads(home.call(*arguments, "--json").out)
    assert told["error"]["message"] in done.err
    assert told["text"] == ""


def test_a_plain_chat_answers_line_by_line_in_one_session(home: Home) -> None:
    done = home.call("chat", "--plain", stdin=f"{FRANCE}\n\nAnd of Italy?\n/quit\nnot asked\n")
    assert (done.status, done.err) == (0, NOTICE)
    assert "Paris" in done.out.splitlines()[0]
    second, first = home.transactions()
    assert first["session"] == second["session"]
    assert (first["question"], second["question"]) == (FRANCE, "And of Italy?")
    assert home.events(2)[0]["body"]["history"] == [["user", FRANCE], ["assistant", first["answer"]]]
    assert home.call("run", "--session", first["session"][:8], "And of Spain?").status == 0
    assert len(home.events(3)[0]["body"]["history"]) == 4


def test_a_plain_chat_sends_no_command_to_a_model_but_routes_and_texts_with_a_slash(home: Home) -> None:
    lines = "/help\n/hlep me\n/math\n//help 1\n/math 2 + 2\n/session\n"
    done = home.call("chat", "--plain", "--graph", "multi_domain", stdin=lines)
    assert done.status == 1
    assert "/help is a command of the cockpit; here /quit and /exit alone are." in done.err
    assert "There is no command /hlep. Did you mean /help?" in done.err
    assert "/math names a route: write the question behind it." in done.err
    assert [row["question"] for row in home.transactions()] == ["/math 2 + 2", "/help 1"]


def test_a_failed_question_does_not_end_a_chat_and_the_last_one_decides(home: Home, tmp_path: Path) -> None:
    config = ("--config", refusing(tmp_path))
    long = "word " * 200_000
    done = home.call("chat", "--plain", *config, stdin=f"{long}\n{FRANCE}\n")
    assert done.status == 0
    assert "Paris" in done.out
    assert "Shorten the question" in done.err
    assert home.call("chat", "--plain", *config, stdin=f"{FRANCE}\n{long}\n").status == 1


def test_a_signal_ends_a_plain_chat_that_waits(home: Home) -> None:
    process = home.start("chat", "--plain", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{FRANCE}\n".encode())
    process.stdin.flush()
    assert b"Paris" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 130
    process.communicate()


def test_a_reader_that_goes_away_is_no_complaint(home: Home) -> None:
    home.call("run", FRANCE)
    process = home.start("tx", "events", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(LIMIT_S) == 141
    process.stderr.close()


def test_a_second_program_on_the_same_folder_says_whose_it_is_and_still_answers(home: Home) -> None:
    first = home.start("chat", "--plain", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdin.write(f"{FRANCE}\n".encode())
    first.stdin.flush()
    first.stdout.readline()
    done = home.call("run", FRANCE)
    assert done.status == 0
    assert "Paris" in done.out
    assert str(first.pid) in done.err
    assert len(home.transactions()) == 1
    first.communicate(timeout=LIMIT_S)
    assert first.returncode == 0


def test_a_fork_asks_another_question_and_names_its_parent(home: Home) -> None:
    assert home.call("run", FRANCE).status == 0
    done = home.call("tx", "fork", "1", "--question", "What is the capital of Italy?")
    assert done.status == 0
    assert "Rome" in done.out
    assert "of #1 at step 1" in home.call("tx", "show", "2").out
    said = json.loads(home.call("tx", "fork", "#1", "--json").out)
    assert (said["number"], said["usage"]["model_calls"]) == (3, 0), (
        "what was answered before the step is not asked again"
    )
    assert "Paris" in said["text"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("99",), 1, "99"),
        (("1", "--at", "9999"), 1, "no step 9999"),
        (("1", "--at", "0"), 2, "--at"),
        (("1", "--question", "  "), 2, "empty"),
        (("1", "--graph", "multi_domian"), 1, "multi_domain"),
    ],
)
def test_a_fork_that_cannot_be_is_one_message(home: Home, arguments: tuple[str, ...], status: int, said: str) -> None:
    assert home.call("run", FRANCE).status == 0
    done = home.call("tx", "fork", *arguments)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "Traceback" not in done.err
