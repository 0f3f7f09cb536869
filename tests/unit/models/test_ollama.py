from __future__ import annotations

import asyncio
import json
import threading

import pytest

from engine.errors import EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.models.ollama import OllamaBackend
from engine.models.protocol import ChatMessage, ModelBackend, TokenLogprob, ToolCall
from tests.doubles.fake_ollama import OMIT, FakeModel, FakeOllama, Reply
from tests.unit.models.asking import ask, question, text_of


@pytest.fixture
async def backend(fake_ollama: FakeOllama):
    backend = OllamaBackend(fake_ollama.address)
    yield backend
    await backend.aclose()


async def failure(backend: ModelBackend, request=None) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await ask(backend, request or question())
    return caught.value


def test_it_is_a_backend() -> None:
    assert isinstance(OllamaBackend(""), ModelBackend)


# -- streaming --------------------------------------------------------------------------------------------------------


async def test_an_answer_streams_piece_by_piece_and_ends_with_the_counts(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("The capital is Paris.", prompt_tokens=26))
    chunks = await ask(backend, question())
    assert text_of(chunks) == "The capital is Paris."
    assert len(chunks) == 5
    done = chunks[-1].done
    assert done is not None
    assert (done.finish, done.prompt_tokens, done.completion_tokens) == ("stop", 26, 4)
    assert done.prompt_ms == pytest.approx(13.07, abs=0.01)  # from nanoseconds
    assert done.eval_ms == pytest.approx(52.48, abs=0.01)
    assert done.load_ms == pytest.approx(101.4, abs=0.01)


async def test_missing_counts_are_unknown_not_zero(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("x", prompt_tokens=OMIT, completion_tokens=OMIT))
    done = (await ask(backend, question()))[-1].done
    assert (done.prompt_tokens, done.completion_tokens) == (None, None)


async def test_text_with_unicode_line_separators_arrives_whole(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("a\u0085b\u2028c"))
    assert text_of(await ask(backend, question())) == "a\u0085b\u2028c"


async def test_the_limit_of_tokens_shows_as_length(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("cut of", done_reason="length"))
    assert (await ask(backend, question()))[-1].done.finish == "length"


@pytest.mark.parametrize("end", ["silent", "cut"])
async def test_a_stream_that_ends_without_done_is_a_protocol_error(fake_ollama, backend, end) -> None:
    fake_ollama.script(Reply("half an", end=end))
    assert (await failure(backend)).error_class is ErrorClass.PROTOCOL


async def test_an_error_line_inside_an_answer_is_the_servers_fault(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("half", error="an error was encountered while running the model"))
    error = await failure(backend)
    assert (error.error_class, error.code) == (ErrorClass.SERVER, "error_in_stream")
    assert "running the model" in error.message


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"[1]\n",
        b'{"message": 3}\n',
        b'{"message": {"content": 3}}\n',
        b'{"message": {"content": "a"}, "done": "no"}\n',
        b'{"message": {"tool_calls": ["x"]}}\n',
        b'{"done": true, "prompt_eval_count": "many"}\n',
        b'{"message": {"content": "caf\xc3"}}\n',
        b'{"message": {"content": "ok"}}\n{"unrelated": true}\n',
    ],
)
async def test_a_line_that_makes_no_sense_is_a_protocol_error(fake_ollama, backend, line) -> None:
    fake_ollama.script(Reply(body=line))
    assert (await failure(backend)).error_class is ErrorClass.PROTOCOL


async def test_a_model_that_is_unloaded_while_it_answers_is_the_servers_fault(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("half an", done_reason="unload"))
    error = await failure(backend)
    assert (error.error_class, error.code) == (ErrorClass.SERVER, "model_unloaded")


async def test_a_prompt_that_fills_its_window_did_not_fit(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("cut at the front", prompt_tokens=8192))
    assert (await failure(backend)).error_class is ErrorClass.CONTEXT_OVERFLOW


async def test_lone_surrogates_are_replaced(fake_ollama, backend) -> None:
    body = b'{"message":{"role":"assistant","content":"a\\ud800b"},"done":false}\n{"done":true}\n'
    fake_ollama.script(Reply(body=body))
    assert text_of(await ask(backend, question())) == "a\ufffdb"


async def test_closing_the_iterator_closes_the_connection(fake_ollama, backend) -> None:
    hold = threading.Event()
    fake_ollama.script(Reply("one two", hold=hold))
    chunks = backend.chat(question())
    assert (await anext(chunks)).text == "one"
    await chunks.aclose()
    assert await asyncio.to_thread(fake_ollama.gone.wait, 10)


async def test_cancelling_the_reader_closes_the_connection(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("one two", hold=threading.Event()))
    started = asyncio.Event()

    async def read() -> None:
        async for _ in backend.chat(question()):
            started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(fake_ollama.gone.wait, 10)


# -- the request ------------------------------------------------------------------------------------------------------


async def test_window_limit_and_refusal_to_truncate_are_always_sent(fake_ollama, backend) -> None:
    await ask(backend, question(temperature=0.5, seed=7, stop=("END",), max_tokens=33))
    body = fake_ollama.chats[0]
    assert body["options"] == {"num_ctx": 8192, "num_predict": 33, "temperature": 0.5, "seed": 7, "stop": ["END"]}
    assert (body["stream"], body["truncate"], body["shift"]) == (True, False, False)
    assert "think" not in body
    assert "format" not in body


async def test_the_window_sent_is_never_more_than_the_models_own() -> None:
    with FakeOllama([FakeModel("small:1b", context_length=2048)]) as server:
        backend = OllamaBackend(server.address)
        await ask(backend, question(model="small:1b"))
        assert server.chats[0]["options"]["num_ctx"] == 2048
        assert (await backend.show("small:1b")).window == 2048
        await backend.aclose()


async def test_the_models_facts_are_asked_once(fake_ollama, backend) -> None:
    for _ in range(3):
        await ask(backend, question())
    paths = [request.path for request in fake_ollama.requests]
    assert paths.count("/api/show") == 1
    assert paths.count("/api/ps") == 1


async def test_a_server_that_allocates_less_than_asked_is_believed(fake_ollama, backend) -> None:
    fake_ollama.allocate_at_most = 4096
    assert (await backend.show("qwen2.5:3b")).window == 8192
    await ask(backend, question())
    assert (await backend.show("qwen2.5:3b")).window == 4096
    await ask(backend, question())
    assert fake_ollama.chats[1]["options"]["num_ctx"] == 4096


async def test_less_context_than_asked_for_is_said_once_and_in_the_health() -> None:
    said: list[Body] = []
    with FakeOllama() as server:
        server.allocate_at_most = 4096
        backend = OllamaBackend(server.address, emit=said.append)
        await ask(backend, question())
        await ask(backend, question())
        health = await backend.health()
        await backend.aclose()
    (event,) = said
    assert isinstance(event, BackendChanged)
    assert "4096 tokens where 8192" in event.detail
    assert (health.ok, event.detail in health.detail) == (True, True)
    assert "`window`" in health.remedy


async def test_an_answer_does_not_wait_for_a_server_that_does_not_say_what_it_allocated(fake_ollama, backend) -> None:
    fake_ollama.faults["/api/ps"] = Reply(status=500, body=b'{"error": "broken"}')
    assert (await ask(backend, question()))[-1].done is not None
    assert (await backend.show("qwen2.5:3b")).window == 8192


async def test_a_schema_is_sent_as_format_and_in_the_prompt(fake_ollama, backend) -> None:
    schema = {"type": "object", "properties": {"route": {"enum": ["code", "math"]}}}
    chunks = await ask(backend, question(schema=schema))
    body = fake_ollama.chats[0]
    assert body["format"] == schema
    assert json.dumps(schema) in body["messages"][0]["content"]
    assert body["messages"][0]["content"].startswith("Answer briefly.")
    assert json.loads(text_of(chunks)) == {"route": "code"}


async def test_a_schema_makes_a_system_message_where_there_is_none(fake_ollama, backend) -> None:
    await ask(backend, question(messages=(ChatMessage("user", "Hi"),), schema={"type": "string"}))
    assert [message["role"] for message in fake_ollama.chats[0]["messages"]] == ["system", "user"]


async def test_think_goes_only_to_models_that_can() -> None:
    thinker = FakeModel("qwen3:4b", capabilities=("completion", "tools", "thinking"))
    with FakeOllama([thinker, "qwen2.5:3b"]) as server:
        server.script(Reply("42", thinking="let me see"))
        backend = OllamaBackend(server.address)
        chunks = await ask(backend, question(model="qwen3:4b"))
        await ask(backend, question())
        await ask(backend, question(model="qwen3:4b", schema={"type": "string"}))
        await backend.aclose()
        assert [chat.get("think") for chat in server.chats] == [True, None, False]
    assert "".join(chunk.thinking for chunk in chunks) == "let me see"
    assert text_of(chunks) == "42"


async def test_tool_calls_are_read_and_sent_back(fake_ollama, backend) -> None:
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    fake_ollama.script(Reply(tool_calls=[call, {"id": "given", **call}]))
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    chunks = await ask(backend, question(tools=(tool,)))
    calls = [call for chunk in chunks for call in chunk.tool_calls]
    assert calls == [ToolCall("call_1", "add", {"a": 1}), ToolCall("given", "add", {"a": 1})]
    assert chunks[-1].done.finish == "tool_calls"
    assert fake_ollama.chats[0]["tools"] == [tool]

    history = (
        ChatMessage("user", "1+1?"),
        ChatMessage("assistant", "", thinking="use add", tool_calls=(calls[0],)),
        ChatMessage("tool", "2", tool_call_id="call_1"),
    )
    await ask(backend, question(messages=history))
    sent = fake_ollama.chats[1]["messages"]
    assert sent[1]["thinking"] == "use add"
    assert sent[1]["tool_calls"][0]["function"] == {"name": "add", "arguments": {"a": 1}}
    assert (sent[2]["role"], sent[2]["tool_name"]) == ("tool", "add")


async def test_a_tool_call_without_arguments_is_invalid_output(fake_ollama, backend) -> None:
    fake_ollama.script(Reply(tool_calls=[{"function": {"name": "add", "arguments": "oops"}}]))
    assert (await failure(backend)).error_class is ErrorClass.INVALID_OUTPUT


async def test_the_key_travels_as_a_bearer_token(fake_ollama) -> None:
    backend = OllamaBackend(fake_ollama.address, api_key=" secret ")
    await backend.health()
    await backend.aclose()
    assert fake_ollama.requests[0].headers["authorization"] == "Bearer secret"


async def test_log_probabilities_come_where_they_are_asked_for(fake_ollama, backend) -> None:
    fake_ollama.script(Reply("Yes."), Reply("Yes."))
    assert not any(chunk.logprobs for chunk in await ask(backend, question()))
    chunks = await ask(backend, question(logprobs=2))
    assert [chunk.logprobs for chunk in chunks if chunk.text] == [
        (TokenLogprob("Yes.", -0.1, (("Yes.", -0.1), ("other", -2.5))),)
    ]
    asked = [(chat.get("logprobs"), chat.get("top_logprobs")) for chat in fake_ollama.chats]
    assert asked == [(None, None), (True, 2)]


@pytest.mark.parametrize(("text", "sent"), [("10m", "10m"), (" 1h30m ", "1h30m"), ("-1", -1), ("0", 0), ("300", 300)])
async def test_keep_alive_goes_with_chats_and_embeddings(fake_ollama, text, sent) -> None:
    backend = OllamaBackend(fake_ollama.address, keep_alive=text)
    await ask(backend, question())
    await backend.embed("qwen2.5:3b", ["a"])
    await backend.aclose()
    assert [r.body["keep_alive"] for r in fake_ollama.requests if r.path in {"/api/chat", "/api/embed"}] == [sent, sent]


@pytest.mark.parametrize("text", ["ten minutes", "5 m", "m", "1.5"])
def test_a_keep_alive_that_ollama_would_refuse_is_refused_before(text) -> None:
    with pytest.raises(EngineError) as caught:
        OllamaBackend("", keep_alive=text)
    assert (caught.value.error_class, "10m" in caught.value.remedy) == (ErrorClass.CONFIGURATION, True)


# -- failures ---------------------------------------------------------------------------------------------------------


async def test_a_missing_model_names_the_pull_command(backend) -> None:
    error = await failure(backend, question(model="nope:7b"))
    assert error.error_class is ErrorClass.NOT_FOUND
    assert "`ollama pull nope:7b`" in error.remedy


async def test_a_prompt_that_does_not_fit_is_a_context_overflow(fake_ollama, backend) -> None:
    error = await failure(backend, question("word " * 20_000))
    assert error.error_class is ErrorClass.CONTEXT_OVERFLOW


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "the input length exceeds the context length"),
        (500, "the input length exceeds the context length"),
        (413, "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it"),
    ],
)
async def test_every_form_of_too_long_is_a_context_overflow(fake_ollama, backend, status, text) -> None:
    fake_ollama.script(Reply(status=status, body=json.dumps({"error": text}).encode(), content_type="application/json"))
    assert (await failure(backend)).error_class is ErrorClass.CONTEXT_OVERFLOW


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ErrorClass.INVALID_REQUEST),
        (401, ErrorClass.AUTH),
        (403, ErrorClass.AUTH),
        (429, ErrorClass.RATE_LIMITED),
        (500, ErrorClass.SERVER),
        (502, ErrorClass.SERVER),
        (503, ErrorClass.OVERLOADED),
    ],
)
async def test_failures_are_classified_by_status(fake_ollama, backend, status, expected) -> None:
    fake_ollama.script(Reply(status=status, body=b'{"error": "no"}', content_type="application/json"))
    assert (await failure(backend)).error_class is expected


async def test_a_busy_server_says_when_to_come_back(fake_ollama, backend) -> None:
    fake_ollama.script(Reply(status=503, body=b'{"error": "busy"}', headers={"Retry-After": "7"}))
    assert (await failure(backend)).retry_after == 7


@pytest.mark.parametrize("header", ["soon", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_useless_retry_after_does_no_harm(fake_ollama, backend, header) -> None:
    fake_ollama.script(Reply(status=503, body=b'{"error": "busy"}', headers={"Retry-After": header}))
    assert (await failure(backend)).retry_after in {None, 0}


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (200, b"<html>hello</html>", "text/html"),
        (404, b"<html>not here</html>", "text/html"),
        (404, b'{"detail":"Not Found"}', "application/json"),
        (404, b'{"error":{"code":404,"message":"File Not Found"}}', "application/json"),
        (302, b"", "text/html"),
        (200, b'{"status": "ok"}', "application/json"),
        (200, b'{\n  "status": "ok"\n}', "application/json"),
        (200, b'{"unrelated": true}\n', "application/x-ndjson"),
        (200, b"<!doctype html>\n<p>hello</p>", "application/x-ndjson"),
    ],
)
async def test_another_service_at_the_address_is_a_configuration_error(
    fake_ollama, backend, status, body, content_type
) -> None:
    fake_ollama.script(Reply(status=status, body=body, content_type=content_type))
    error = await failure(backend)
    assert (error.error_class, error.code) == (ErrorClass.CONFIGURATION, "wrong_endpoint")
    assert "OLLAMA_HOST" in error.remedy


async def test_a_gateway_page_is_a_passing_failure_not_a_wrong_address(fake_ollama, backend) -> None:
    fake_ollama.script(Reply(status=502, body=b"<html>bad gateway</html>", content_type="text/html"))
    assert (await failure(backend)).retryable


async def test_a_dead_server_is_a_connection_error_with_a_remedy(fake_ollama) -> None:
    address = fake_ollama.address
    with FakeOllama() as gone:
        address = gone.address
    backend = OllamaBackend(address)
    error = await failure(backend)
    assert error.error_class is ErrorClass.CONNECTION
    assert "ollama serve" in error.remedy
    health = await backend.health()
    assert (health.ok, health.remedy) == (False, error.remedy)
    await backend.aclose()


# -- models -----------------------------------------------------------------------------------------------------------


async def test_models_come_with_window_capabilities_and_size() -> None:
    installed = [
        FakeModel("qwen2.5:3b"),
        FakeModel("nomic-embed-text", "137M", 2048, ("embedding",), "nomic-bert"),
        FakeModel("gpt-oss:120b-cloud", remote_host="https://ollama.com:443"),
    ]
    with FakeOllama(installed) as server:
        backend = OllamaBackend(server.address, window=16384)
        await ask(backend, question())
        found = {info.name: info for info in await backend.models()}
        await backend.aclose()
    assert set(found) == {"qwen2.5:3b", "nomic-embed-text:latest"}  # what would leave the machine is not offered
    chat, embedder = found.values()
    assert (chat.parameters_b, chat.window, chat.quantization, chat.family) == (3.1, 16384, "Q4_K_M", "qwen2")
    assert chat.capabilities == {"chat", "tools", "json_schema"}
    assert (chat.loaded, embedder.loaded) == (True, False)
    assert chat.size_bytes == 1_929_912_432
    assert chat.digest
    assert (embedder.window, embedder.capabilities) == (2048, {"embed"})


async def test_an_old_server_without_capabilities_is_judged_by_names() -> None:
    installed = [FakeModel("old:3b", capabilities=None), FakeModel("all-minilm", capabilities=None, family="bert")]
    with FakeOllama(installed) as server:
        backend = OllamaBackend(server.address)
        capabilities = [info.capabilities for info in await backend.models()]
        await backend.aclose()
    assert capabilities == [{"chat", "json_schema"}, {"embed"}]


async def test_a_model_whose_facts_cannot_be_had_is_listed_all_the_same(fake_ollama, backend) -> None:
    fake_ollama.faults["/api/show"] = Reply(status=500, body=b'{"error": "broken"}')
    assert [info.name for info in await backend.models()] == ["qwen2.5:3b"]


async def test_no_models_is_an_empty_list() -> None:
    with FakeOllama([]) as server:
        backend = OllamaBackend(server.address)
        assert await backend.models() == []
        await backend.aclose()


async def test_a_list_from_another_service_is_a_configuration_error(fake_ollama, backend) -> None:
    fake_ollama.faults["/api/tags"] = Reply(body=b'{"hello": 1}', content_type="application/json")
    with pytest.raises(EngineError) as caught:
        await backend.models()
    assert caught.value.code == "wrong_endpoint"


async def test_health_tells_the_version(backend) -> None:
    health = await backend.health()
    assert (health.ok, health.version) == (True, "0.12.6")


async def test_health_of_another_service_is_bad(fake_ollama, backend) -> None:
    fake_ollama.faults["/api/version"] = Reply(body=b"<html></html>", content_type="text/html")
    assert not (await backend.health()).ok


async def test_embeddings_come_one_per_text_with_the_same_window_as_chats(fake_ollama, backend) -> None:
    vectors = await backend.embed("qwen2.5:3b", ["a", "b"])
    assert len(vectors) == 2
    assert vectors[0] != vectors[1]
    body = fake_ollama.requests[-1].body
    assert (body["truncate"], body["options"]) == (False, {"num_ctx": 8192})
    assert await backend.embed("qwen2.5:3b", []) == []


@pytest.mark.parametrize("vectors", [[[1.0]], [[1.0], []], [[1.0], ["x"]], [[1.0], [True]], "no"])
async def test_embeddings_that_do_not_fit_are_refused(fake_ollama, backend, vectors) -> None:
    body = json.dumps({"embeddings": vectors}).encode()
    fake_ollama.faults["/api/embed"] = Reply(body=body, content_type="application/json")
    with pytest.raises(EngineError) as caught:
        await backend.embed("qwen2.5:3b", ["a", "b"])
    assert caught.value.error_class is ErrorClass.PROTOCOL


async def test_a_pull_reports_its_progress_and_installs_the_model(backend) -> None:
    steps = [step async for step in backend.pull("llama3.2:1b")]
    assert [(step.completed, step.total) for step in steps if step.total] == [(0, 1000), (400, 1000), (1000, 1000)]
    assert steps[-1].status == "success"
    assert (await backend.show("llama3.2:1b")).parameters_b == 1.0


async def test_a_deleted_model_is_gone_and_a_missing_one_is_said_to_be(backend) -> None:
    await ask(backend, question())
    await backend.delete("qwen2.5:3b")
    assert await backend.models() == []
    with pytest.raises(EngineError) as caught:
        await backend.delete("qwen2.5:3b")
    assert caught.value.error_class is ErrorClass.NOT_FOUND
    assert (await failure(backend)).error_class is ErrorClass.NOT_FOUND  # what was known of it is forgotten


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"status":"pulling manifest"}\n{"error":"pull model manifest: file does not exist"}\n', ErrorClass.SERVER),
        (b'{"status":"pulling manifest"}\n', ErrorClass.PROTOCOL),
    ],
)
async def test_a_pull_that_fails_says_so(fake_ollama, backend, body, expected) -> None:
    fake_ollama.faults["/api/pull"] = Reply(body=body)
    with pytest.raises(EngineError) as caught:
        async for _ in backend.pull("nope"):
            pass
    assert caught.value.error_class is expected
