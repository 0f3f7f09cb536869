"""The embedded model, really running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from engine.config import EmbeddedConfig
from engine.errors import EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.models import embedded_child
from engine.models.embedded import EmbeddedBackend, bundled_model
from engine.models.embedded_supervisor import Timing
from engine.models.protocol import ChatMessage, ChatRequest, Chunk, ModelBackend
from tests.unit.models.test_gguf import PAIRS, gguf

pytestmark = pytest.mark.embedded

SMALL = EmbeddedConfig(window=1024)
FRANCE = "What is the capital of France?"


def question(text: str = FRANCE, **rest: object) -> ChatRequest:
    system = ChatMessage("system", "Answer the question in one or two sentences.")
    values = {"model": "smollm2:135m", "max_tokens": 48, "window": 1024, **rest}
    return ChatRequest(messages=(system, ChatMessage("user", text)), **values)  # type: ignore[arg-type]


async def ask(backend: ModelBackend, request: ChatRequest) -> list[Chunk]:
    return [chunk async for chunk in backend.chat(request)]


async def rest_of(answer: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in answer]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def exists(pid: int) -> bool:
    """Whether the process is there, as a zombie or alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def arguments(pid: int) -> int:
    return len(subprocess.check_output(["ps", "-o", "args=", "-p", str(pid)], text=True).split())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - processes set no events
            await asyncio.sleep(0.01)


class Heard(list[Body]):
    """The events that a backend emitted."""

    @property
    def statuses(self) -> list[str]:
        return [event.status for event in self if isinstance(event, BackendChanged)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def backend(heard: Heard) -> AsyncIterator[EmbeddedBackend]:
    backend = EmbeddedBackend(SMALL, emit=heard.append)
    yield backend
    await backend.aclose()


async def test_the_model_answers_a_question(backend: EmbeddedBackend, heard: Heard) -> None:
    assert isinstance(backend, ModelBackend)
    assert backend.pid is None  # nothing runs before the first question
    assert (await backend.health()).ok
    chunks = await ask(backend, question())
    assert "Paris" in text_of(chunks)
    assert len(chunks) > 3
    done = chunks[-1].done
    assert done is not None
    assert done.finish == "stop"
    assert (done.prompt_tokens or 0) > 10
    assert (done.completion_tokens or 0) > 3
    assert (done.eval_ms or 0) > 0
    assert heard.statuses == ["starting", "ready"]


async def test_questions_asked_together_while_it_starts_are_all_answered_by_one_child(
    backend: EmbeddedBackend, heard: Heard
) -> None:
    answers = await asyncio.gather(*(ask(backend, question(max_tokens=8)) for _ in range(4)))
    assert all(text_of(answer) for answer in answers)
    assert heard.statuses == ["starting", "ready"]


async def test_it_shows_the_window_that_each_request_really_has(backend: EmbeddedBackend) -> None:
    assert (await backend.models())[0].loaded is False
    info = await backend.show("smollm2:135m")
    assert (info.window, info.loaded, info.family, info.quantization) == (1024, True, "llama", "Q4_1")
    assert info.parameters_b == pytest.approx(0.135, abs=0.001)
    assert info.capabilities == {"chat", "json_schema", "embed"}
    long = question("word " * 800, max_tokens=4)  # more than half of the window, which slots would share otherwise
    first, second = await asyncio.gather(ask(backend, long), ask(backend, long))
    assert first[-1].done is not None
    assert (first[-1].done.prompt_tokens or 0) > 800
    assert second[-1].done is not None


async def test_a_prompt_over_the_window_is_a_context_overflow(backend: EmbeddedBackend) -> None:
    with pytest.raises(EngineError) as caught:
        await ask(backend, question("word " * 4000))
    assert caught.value.error_class is ErrorClass.CONTEXT_OVERFLOW
    assert "of 1024" in caught.value.message


async def test_the_limit_of_tokens_is_kept(backend: EmbeddedBackend) -> None:
    done = (await ask(backend, question("Tell a long story.", max_tokens=5)))[-1].done
    assert done is not None
    assert (done.finish, done.completion_tokens) == ("length", 5)


async def test_a_schema_is_enforced(backend: EmbeddedBackend) -> None:
    schema = {
        "type": "object",
        "properties": {"route": {"enum": ["code", "math", "general"]}},
        "required": ["route"],
        "additionalProperties": False,
    }
    answer = json.loads(text_of(await ask(backend, question("What is 2 + 2?", schema=schema))))
    assert answer["route"] in {"code", "math", "general"}


async def test_another_models_name_is_refused(backend: EmbeddedBackend) -> None:
    with pytest.raises(EngineError) as caught:
        await ask(backend, question(model="qwen2.5:3b"))
    assert caught.value.error_class is ErrorClass.NOT_FOUND
    assert backend.pid is None


async def test_a_child_killed_during_an_answer_fails_that_answer_and_the_next_one_waits_for_its_successor(
    backend: EmbeddedBackend, heard: Heard
) -> None:
    story = backend.chat(question("Write a long story about the sea.", max_tokens=400))
    await anext(story)
    before = backend.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    with pytest.raises(EngineError) as caught:
        await rest_of(story)
    assert caught.value.retryable
    assert caught.value.code == "embedded_died"
    assert "Paris" in text_of(await ask(backend, question()))
    assert backend.pid not in {None, before}
    assert heard.statuses == ["starting", "ready", "restarting", "ready"]


async def test_a_child_killed_between_answers_is_not_noticed_by_the_next_one(
    backend: EmbeddedBackend, heard: Heard
) -> None:
    await ask(backend, question(max_tokens=2))
    assert backend.pid is not None
    os.kill(backend.pid, signal.SIGKILL)
    await until(lambda: "restarting" in heard.statuses)
    assert "Paris" in text_of(await ask(backend, question()))


async def test_the_supervisor_gives_up_after_three_quick_deaths_and_tries_again_later(heard: Heard) -> None:
    clock = [0.0]
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    backend = EmbeddedBackend(SMALL, emit=heard.append, timing=Timing(sleep=sleep, now=lambda: clock[0]))
    for deaths in range(1, 4):
        await ask(backend, question(max_tokens=2))
        assert backend.pid is not None
        os.kill(backend.pid, signal.SIGKILL)
        await until(lambda n=deaths: heard.statuses.count("restarting") + heard.statuses.count("offline") >= n)
    with pytest.raises(EngineError) as caught:
        await ask(backend, question())
    assert (caught.value.code, caught.value.retryable) == ("embedded_gave_up", False)
    assert "SIGKILL" in caught.value.message
    assert caught.value.remedy
    assert not (await backend.health()).ok
    assert heard.statuses[-1] == "offline"
    assert delays == sorted(delays)
    assert len(delays) == 2

    clock[0] += 60
    assert "Paris" in text_of(await ask(backend, question()))
    await backend.aclose()


async def test_deaths_far_apart_are_not_added_up(heard: Heard) -> None:
    clock = [0.0]
    backend = EmbeddedBackend(SMALL, emit=heard.append, timing=Timing(now=lambda: clock[0]))
    for deaths in range(1, 5):
        await ask(backend, question(max_tokens=2))
        assert backend.pid is not None
        clock[0] += 3600
        os.kill(backend.pid, signal.SIGKILL)
        await until(lambda n=deaths: heard.statuses.count("restarting") >= n)
    assert "offline" not in heard.statuses
    await backend.aclose()


async def test_a_file_that_cannot_be_loaded_is_reported_once_and_clearly(heard: Heard, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(gguf(*PAIRS))
    backend = EmbeddedBackend(EmbeddedConfig(model_path=path), emit=heard.append)
    with pytest.raises(EngineError) as caught:
        await ask(backend, question(model="broken"))
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.RESOURCE, "embedded_load_failed")
    assert "embedded.model_path" in caught.value.remedy
    assert heard.statuses == ["starting", "offline"]
    assert backend.pid is None
    await backend.aclose()


async def test_only_the_event_loop_waits_for_a_child_that_is_ended(
    heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    polled: list[int] = []
    real = subprocess.Popen.poll

    def poll(process: subprocess.Popen[bytes]) -> int | None:
        if process.returncode is None:
            polled.append(process.pid)
        return real(process)

    monkeypatch.setattr(subprocess.Popen, "poll", poll)
    path = tmp_path / "broken.gguf"
    path.write_bytes(gguf(*PAIRS))
    backend = EmbeddedBackend(EmbeddedConfig(model_path=path), emit=heard.append)
    with pytest.raises(EngineError):
        await ask(backend, question(model="broken"))
    await backend.aclose()
    assert polled == []
    assert "Unknown child process" not in caplog.text


async def test_a_file_removed_before_the_start_is_reported_with_its_remedy(heard: Heard, tmp_path: Path) -> None:
    backend = EmbeddedBackend(EmbeddedConfig(model_path=tmp_path / "gone.gguf"), emit=heard.append)
    with pytest.raises(EngineError) as caught:
        await ask(backend, question(model="gone"))
    assert caught.value.code == "model_file_absent"
    health = await backend.health()
    assert (health.ok, health.remedy) == (False, caught.value.remedy)
    await backend.aclose()


async def test_leaving_an_answer_frees_the_only_slot() -> None:
    backend = EmbeddedBackend(EmbeddedConfig(window=4096, slots=1), emit=lambda _: None)
    story = backend.chat(question("Write a very long story about the sea.", max_tokens=3000))
    await anext(story)
    await story.aclose()
    async with asyncio.timeout(20):  # 3000 tokens would take longer
        assert "Paris" in text_of(await ask(backend, question()))
    await backend.aclose()


async def test_closing_during_an_answer_leaves_no_process_and_fails_it(backend: EmbeddedBackend) -> None:
    story = backend.chat(question("Write a long story.", max_tokens=400))
    await anext(story)
    pid = backend.pid
    assert pid is not None
    async with asyncio.timeout(5):  # a graceful end would take 30 s
        await backend.aclose()
    assert not exists(pid)
    with pytest.raises(EngineError):
        await rest_of(story)
    with pytest.raises(EngineError, match="closed"):
        await ask(backend, question())
    assert not (await backend.health()).ok


async def test_closing_during_the_start_ends_the_child_and_the_waiting_request(
    backend: EmbeddedBackend, heard: Heard
) -> None:
    waiting = asyncio.create_task(ask(backend, question()))
    await until(lambda: "starting" in heard.statuses)
    await asyncio.sleep(0)
    await backend.aclose()
    with pytest.raises(EngineError, match="closed"):
        await waiting
    assert backend.pid is None


async def test_cancelling_a_waiting_request_does_not_stop_the_start(backend: EmbeddedBackend, heard: Heard) -> None:
    waiting = asyncio.create_task(ask(backend, question()))
    await until(lambda: "starting" in heard.statuses)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert "Paris" in text_of(await ask(backend, question()))
    assert heard.statuses == ["starting", "ready"]


async def test_the_child_answers_nobody_without_its_key(backend: EmbeddedBackend) -> None:
    await backend.show("smollm2:135m")
    assert backend.pid is not None
    supervisor = backend._children.supervisor("smollm2:135m", "chat")
    assert supervisor is not None
    process = supervisor.process
    assert process is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        url = f"{process.address}/v1/chat/completions"
        answer = await client.post(url, json=body, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 401
    assert "evil" not in str(answer.headers)
    assert process.address.startswith("http://127.0.0.1:")
    assert arguments(backend.pid) == 3  # interpreter, -P, file: nothing secret


async def test_nothing_of_the_childs_output_reaches_our_terminal(
    backend: EmbeddedBackend, capfd: pytest.CaptureFixture[str]
) -> None:
    await ask(backend, question(max_tokens=2))
    await backend.aclose()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


async def test_a_folder_named_engine_where_the_person_is_does_not_matter(
    backend: EmbeddedBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("engine", "xllamacpp", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    assert text_of(await ask(backend, question(max_tokens=4)))


_PARENT = """
import asyncio
from engine.config import EmbeddedConfig
from engine.models import embedded_child
from engine.models.embedded import EmbeddedBackend, bundled_model
from engine.models.embedded_supervisor import Timing

async def main():
    backend = EmbeddedBackend(EmbeddedConfig(window=1024), emit=lambda _: None)
    await backend.show(backend.model_name)
    print(backend.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_child_ends_with_its_parent_even_when_that_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", _PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert exists(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: not running(pid))


def test_the_child_ends_when_its_parent_is_gone_before_it_could_answer() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", str(Path(embedded_child.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        settings = {"path": str(bundled_model()), "alias": "x", "slots": 1, "window": 512, "threads": 1}
        settings |= {"embedding": False, "pooling": "", "prompt_cache_mb": 0}
        child.stdout.close()  # nobody reads the address
        child.stdin.write((json.dumps({**settings, "batch_threads": 1, "api_key": "k"}) + "\n").encode())
        child.stdin.close()
        try:
            child.wait(60)
        finally:
            child.kill()


def running(pid: int) -> bool:
    """Whether the process runs; an orphan's zombie may stay where nobody reaps it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return exists(pid) and not Path("/proc/self").exists()
