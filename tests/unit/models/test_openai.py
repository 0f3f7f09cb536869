from __future__ import annotations

import asyncio
import json

import pytest

from engine.errors import EngineError, ErrorClass
from engine.models.openai import OpenAIBackend
from engine.models.protocol import ChatMessage, ModelBackend, TokenLogprob, ToolCall
from tests.doubles.fake_openai import DONE, FakeOpenAI, chunk, usage
from tests.doubles.loopback import Response, json_response
from tests.unit.models.asking import ask, question, text_of


@pytest.fixture
async def backend(fake_openai: FakeOpenAI):
    backend = OpenAIBackend(fake_openai.base_url)
    yield backend
    await backend.aclose()


def q(**rest):
    return question(model="m", **rest)


async def failure(backend: ModelBackend) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await ask(backend, q())
    return caught.value


def test_it_is_a_backend() -> None:
    assert isinstance(OpenAIBackend("http://127.0.0.1:1/v1"), ModelBackend)


# -- streaming --------------------------------------------------------------------------------------------------------


async def test_an_answer_streams_and_ends_with_the_counts_of_the_extra_event(fake_openai, backend) -> None:
    timings = {"prompt_ms": 67.8, "predicted_ms": 46.2}
    fake_openai.chat = [
        b": ping\n\n",
        chunk({"role": "assistant", "content": None}),
        chunk({"content": "Pa"}),
        b": ping\n",
        chunk({"content": "ris."}),
        chunk({}, "stop"),
        usage(20, 4, timings=timings),
        DONE,
    ]
    chunks = await ask(backend, q())
    assert [c.text for c in chunks] == ["Pa", "ris.", ""]
    done = chunks[-1].done
    assert (done.finish, done.prompt_tokens, done.completion_tokens) == ("stop", 20, 4)
    assert (done.prompt_ms, done.eval_ms) == (67.8, 46.2)


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_events_do_not_depend_on_how_the_bytes_arrive(fake_openai, backend, size) -> None:
    data = chunk({"content": "a\u2028\u0085é"}) + chunk({"content": "b"}, "length") + DONE
    data = data.replace(b"\n", b"\r\n")
    fake_openai.chat = [data[i : i + size] for i in range(0, len(data), size)]
    chunks = await ask(backend, q())
    assert text_of(chunks) == "a\u2028\u0085éb"
    assert chunks[-1].done.finish == "length"


async def test_reasoning_is_thinking(fake_openai, backend) -> None:
    fake_openai.chat = [chunk({"reasoning_content": "hm"}), chunk({"content": "42"}, "stop"), DONE]
    chunks = await ask(backend, q())
    assert (chunks[0].thinking, text_of(chunks)) == ("hm", "42")


async def test_reasoning_by_its_other_name_is_thinking_too(fake_openai, backend) -> None:
    fake_openai.chat = [chunk({"reasoning": "hm"}), chunk({"content": "42"}, "stop"), DONE]
    assert (await ask(backend, q()))[0].thinking == "hm"


async def test_log_probabilities_come_where_they_are_asked_for(fake_openai, backend) -> None:
    top = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5}]
    entry = {"token": "Yes", "logprob": -0.1, "bytes": [89], "top_logprobs": top}
    choice = {"index": 0, "delta": {"content": "Yes"}, "logprobs": {"content": [entry]}, "finish_reason": "stop"}
    fake_openai.chat = [chunk(choices=[choice]), DONE]
    chunks = await ask(backend, q(logprobs=2))
    assert chunks[0].logprobs == (TokenLogprob("Yes", -0.1, (("Yes", -0.1), ("No", -2.5))),)
    body = fake_openai.requests[-1].body
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


async def test_a_finish_without_done_is_complete(fake_openai, backend) -> None:
    fake_openai.chat = [chunk({"content": "x"}, "stop")]
    assert (await ask(backend, q()))[-1].done.finish == "stop"


async def test_done_without_the_last_empty_line_is_seen(fake_openai, backend) -> None:
    fake_openai.chat = [chunk({"content": "x"}), b"data: [DONE]"]
    assert (await ask(backend, q()))[-1].done.finish == "stop"


async def test_a_stream_without_finish_and_done_is_a_protocol_error(fake_openai, backend) -> None:
    fake_openai.chat = [chunk({"content": "half"})]
    assert (await failure(backend)).error_class is ErrorClass.PROTOCOL


async def test_a_cut_connection_is_a_protocol_error(fake_openai, backend) -> None:
    fake_openai.chat = Response([chunk({"content": "half"})], content_type="text/event-stream", cut=True)
    assert (await failure(backend)).error_class is ErrorClass.PROTOCOL


@pytest.mark.parametrize(
    "data",
    [
        b"data: nonsense\n\n",
        b"data: [1]\n\n",
        b'data: {"object": "chat.completion.chunk"}\n\n',
        b'data: {"choices": "x"}\n\n',
        b'data: {"choices": ["x"]}\n\n',
        b'data: {"choices": [{"delta": {"content": 3}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "caf\xc3"}}]}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": ["x"]}}]}\n\n',
        b'data: {"choices": [], "usage": 3}\n\n',
    ],
)
async def test_an_event_that_makes_no_sense_is_a_protocol_error(fake_openai, backend, data) -> None:
    fake_openai.chat = [data]
    assert (await failure(backend)).error_class is ErrorClass.PROTOCOL


@pytest.mark.parametrize("field", [b"data", b"error"])
async def test_an_error_object_in_the_stream_is_the_servers_fault(fake_openai, backend, field) -> None:
    fake_openai.chat = [chunk({"content": "x"}), field + b': {"error": {"code": 500, "message": "it broke"}}\n\n']
    error = await failure(backend)
    assert (error.error_class, error.code) == (ErrorClass.SERVER, "error_in_stream")
    assert "it broke" in error.message


async def test_an_overflow_reported_with_status_200_is_still_an_overflow(fake_openai, backend) -> None:
    body = {"error": {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}}
    fake_openai.chat = json_response(body)
    error = await failure(backend)
    assert error.error_class is ErrorClass.CONTEXT_OVERFLOW
    assert "14429" in error.message


async def test_tool_calls_are_put_together_from_their_pieces(fake_openai, backend) -> None:
    def part(index, **rest):
        return chunk({"tool_calls": [{"index": index, **rest}]})

    fake_openai.chat = [
        part(0, id="a", type="function", function={"name": "add", "arguments": ""}),
        part(0, function={"arguments": '{"x": '}),
        part(1, function={"name": "now", "arguments": ""}),
        part(0, function={"arguments": "1}"}),
        chunk({}, "tool_calls"),
        DONE,
    ]
    last = (await ask(backend, q()))[-1]
    assert last.tool_calls == (ToolCall("a", "add", {"x": 1}), ToolCall("call_2", "now", {}))
    assert last.done.finish == "tool_calls"


@pytest.mark.parametrize("arguments", ['{"x": 1', "[]", "x"])
async def test_tool_arguments_that_are_no_object_are_invalid_output(fake_openai, backend, arguments) -> None:
    calls = [{"index": 0, "id": "a", "function": {"name": "add", "arguments": arguments}}]
    fake_openai.chat = [chunk({"tool_calls": calls}, "length"), DONE]
    assert (await failure(backend)).error_class is ErrorClass.INVALID_OUTPUT


async def test_tool_arguments_without_end_are_refused_before_they_fill_the_memory(fake_openai, backend) -> None:
    piece = chunk({"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": "x" * 100_000}}]})
    fake_openai.chat = [piece] * 11
    assert (await failure(backend)).error_class is ErrorClass.RESOURCE


async def test_a_name_that_comes_with_every_piece_is_one_name(fake_openai, backend) -> None:
    def part(arguments):
        return chunk({"tool_calls": [{"index": 0, "function": {"name": "add", "arguments": arguments}}]})

    fake_openai.chat = [part('{"x"'), part(": 1}"), DONE]
    assert (await ask(backend, q()))[-1].tool_calls == (ToolCall("call_1", "add", {"x": 1}),)


async def test_a_prompt_that_fills_its_window_did_not_fit(fake_openai, backend) -> None:
    fake_openai.chat = [chunk({"content": "x"}, "stop"), usage(8192, 1), DONE]
    assert (await failure(backend)).error_class is ErrorClass.CONTEXT_OVERFLOW


async def test_closing_the_iterator_closes_the_connection(fake_openai, backend) -> None:
    def endless():
        while True:
            yield chunk({"content": "x"})

    fake_openai.chat = endless()
    chunks = backend.chat(q())
    assert (await anext(chunks)).text == "x"
    await chunks.aclose()
    assert await asyncio.to_thread(fake_openai.gone.wait, 10)


# -- the request ------------------------------------------------------------------------------------------------------


async def test_a_request_always_streams_with_a_limit_and_asks_for_usage(fake_openai, backend) -> None:
    fake_openai.chat = [DONE]
    schema = {"type": "object"}
    history = (ChatMessage("assistant", "", tool_calls=(ToolCall("a", "add", {"x": "é"}),)),)
    history += (ChatMessage("tool", "2", tool_call_id="a"),)
    await ask(backend, q(messages=history, schema=schema, stop=("END",), seed=1, max_tokens=9))
    body = fake_openai.requests[-1].body
    assert (body["stream"], body["stream_options"], body["max_tokens"]) == (True, {"include_usage": True}, 9)
    assert (body["seed"], body["stop"]) == (1, ["END"])
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert json.loads(body["messages"][0]["tool_calls"][0]["function"]["arguments"]) == {"x": "é"}
    assert body["messages"][1]["tool_call_id"] == "a"


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 4031, "n_ctx": 1024},
        {"code": "context_length_exceeded", "type": "invalid_request_error", "param": "messages"},
        {"code": 400, "type": "BadRequestError", "param": "input_tokens"},
    ],
)
async def test_too_long_a_prompt_is_known_by_the_fields_of_the_error(fake_openai, backend, fields) -> None:
    fake_openai.chat = json_response({"error": {"message": "no", **fields}}, 400)
    assert (await failure(backend)).error_class is ErrorClass.CONTEXT_OVERFLOW


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": {"message": "context length", "type": "invalid_request_error"}}, ErrorClass.INVALID_REQUEST),
        (401, {"error": {"message": "Invalid API Key"}}, ErrorClass.AUTH),
        (404, {"error": {"code": "model_not_found", "message": "no"}}, ErrorClass.NOT_FOUND),
        (404, {"detail": "Not Found"}, ErrorClass.CONFIGURATION),
        (404, {"object": "error", "message": "no such model", "code": 404}, ErrorClass.NOT_FOUND),
        (500, {"error": "plain words"}, ErrorClass.SERVER),
        (502, ["gateway"], ErrorClass.SERVER),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, ErrorClass.OVERLOADED),
    ],
)
async def test_failures_are_classified_by_status_and_fields(fake_openai, backend, status, body, expected) -> None:
    fake_openai.chat = json_response(body, status)
    assert (await failure(backend)).error_class is expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html></html>", "text/html"),
        (b'{"ok": 1}', "application/json"),
        (b'data: {"ok": 1}\n\n', "text/event-stream"),
    ],
)
async def test_another_service_at_the_address_is_a_configuration_error(fake_openai, backend, body, kind) -> None:
    fake_openai.chat = Response([body], content_type=kind)
    error = await failure(backend)
    assert (error.code, error.error_class) == ("wrong_endpoint", ErrorClass.CONFIGURATION)


# -- models -----------------------------------------------------------------------------------------------------------


async def test_llama_cpp_tells_window_and_tools_in_its_properties(fake_openai, backend) -> None:
    props = {"default_generation_settings": {"n_ctx": 1024}, "chat_template_caps": {"supports_tools": False}}
    fake_openai.answers["/props"] = json_response(props)
    meta = {"n_params": 134515008, "n_ctx": 2048, "size": 96576768, "ftype": "Q4_1"}
    fake_openai.answers["/v1/models"] = json_response({"data": [{"id": "m", "meta": meta}]})
    info = await backend.show("m")
    assert (info.window, info.parameters_b, info.quantization, info.loaded) == (1024, 0.134515, "Q4_1", True)
    assert info.capabilities == {"chat", "json_schema"}


async def test_a_server_without_properties_tells_its_window_in_the_list(fake_openai, backend) -> None:
    listed = [{"id": "qwen-7b", "max_model_len": 32768}, {"id": "bge-m3"}, {"id": 3}, "x"]
    fake_openai.answers["/v1/models"] = json_response({"data": listed})
    chat, embedder = await backend.models()
    assert (chat.window, chat.parameters_b) == (32768, 7.0)
    assert chat.capabilities == {"chat", "json_schema", "tools"}
    assert embedder.capabilities == {"embed"}
    with pytest.raises(EngineError) as caught:
        await backend.show("nope")
    assert (caught.value.error_class, "qwen-7b" in caught.value.remedy) == (ErrorClass.NOT_FOUND, True)


async def test_lm_studio_tells_types_windows_and_tools_in_its_own_list(fake_openai, backend) -> None:
    # https://lmstudio.ai/docs/developer/rest/endpoints
    fake_openai.answers["/v1/models"] = json_response({"data": [{"id": "chat"}, {"id": "see"}, {"id": "vectors"}]})
    own = [
        {
            "id": "chat",
            "object": "model",
            "type": "llm",
            "arch": "qwen2",
            "quantization": "4bit",
            "state": "loaded",
            "max_context_length": 32768,
            "loaded_context_length": 4096,
            "capabilities": ["tool_use"],
        },
        {"id": "see", "type": "vlm", "state": "not-loaded", "max_context_length": 8192, "capabilities": []},
        {"id": "vectors", "type": "embeddings", "state": "not-loaded", "max_context_length": 2048},
    ]
    fake_openai.answers["/api/v0/models"] = json_response({"object": "list", "data": own})
    chat, see, vectors = await backend.models()
    assert (chat.window, chat.loaded, chat.family, chat.quantization) == (4096, True, "qwen2", "4bit")
    assert chat.capabilities == {"chat", "json_schema", "tools"}
    assert (see.window, see.loaded, see.capabilities) == (8192, False, {"chat", "json_schema", "vision"})
    assert vectors.capabilities == {"embed"}


async def test_llama_cpp_tells_what_its_template_can(fake_openai, backend) -> None:
    caps = {"supports_tools": True, "supports_thinking": True}
    fake_openai.answers["/props"] = json_response({"chat_template_caps": caps, "modalities": {"vision": True}})
    assert (await backend.show("m")).capabilities == {"chat", "json_schema", "tools", "thinking", "vision"}


async def test_prompts_are_counted_where_llama_cpp_fills_its_template(fake_openai, backend) -> None:
    fake_openai.answers["/apply-template"] = json_response({"prompt": "<|im_start|>user\nHi<|im_end|>"})
    fake_openai.answers["/tokenize"] = json_response({"tokens": [1, 4093, 198, 19556, 2]})
    assert await backend.count_prompt(q()) == 5
    assert fake_openai.requests[0].body["messages"][1] == {"role": "user", "content": "Hello?"}
    body = fake_openai.requests[1].body
    assert (body["content"], body["parse_special"]) == ("<|im_start|>user\nHi<|im_end|>", True)


async def test_prompts_are_counted_where_vllm_takes_messages(fake_openai, backend) -> None:
    fake_openai.answers["/tokenize"] = json_response({"count": 33, "max_model_len": 4096, "tokens": [1] * 33})
    assert await backend.count_prompt(q()) == 33
    assert fake_openai.requests[-1].body["messages"]


async def test_a_server_without_a_tokenizer_counts_nothing(fake_openai, backend) -> None:
    assert await backend.count_prompt(q()) is None


async def test_health_tells_how_many_slots_are_busy_where_the_server_does(fake_openai, backend) -> None:
    assert "slots" not in (await backend.health()).detail
    slots = [{"id": 0, "n_ctx": 4096, "is_processing": True}, {"id": 1, "n_ctx": 4096, "is_processing": False}]
    fake_openai.answers["/slots"] = json_response(slots)
    assert "1 of 2 slots are busy" in (await backend.health()).detail


async def test_health_tells_loading_missing_models_and_strangers_apart(fake_openai, backend) -> None:
    assert (await backend.health()).ok
    fake_openai.answers["/v1/models"] = json_response({"data": []})
    assert "no model" in (await backend.health()).detail
    fake_openai.answers["/v1/models"] = json_response({"models": 1})
    assert "does not speak" in (await backend.health()).detail
    fake_openai.answers["/health"] = json_response({"error": {"code": 503}}, 503)
    assert "loading" in (await backend.health()).detail


async def test_embeddings_follow_the_order_of_the_texts(fake_openai, backend) -> None:
    rows = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1]}]
    fake_openai.answers["/v1/embeddings"] = json_response({"data": rows})
    assert await backend.embed("m", ["a", "b"]) == [[1.0], [2.0]]
    assert await backend.embed("m", []) == []


async def test_a_removal_is_refused_with_a_remedy(backend) -> None:
    with pytest.raises(EngineError) as caught:
        await backend.delete("x")
    assert caught.value.remedy


async def test_a_pull_is_refused_with_a_remedy(backend) -> None:
    with pytest.raises(EngineError) as caught:
        async for _ in backend.pull("x"):
            pass
    assert caught.value.remedy
