"""Calling a tool: arguments, limits, results, and the steps in their order."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, ErrorClass
from engine.tools.call import MAX_FIELDS, MAX_OUTPUT, InvalidArguments, OutcomeUnknown, call_tool, compensate, reconcile
from engine.tools.policy import Decision
from engine.tools.protocol import Intent, ToolContext, definition
from tests.unit.tools.doubles import TOOLS, EchoResult, EchoTool, ListJournal, Person, SendTool


async def test_an_outcome_carries_text_fields_intent_and_decision_as_plain_json() -> None:
    outcome = await call_tool(EchoTool(), {"text": "ab", "times": 2}, ToolContext())
    assert outcome.output == {"text": "abab", "items": []}
    assert outcome.intent.arguments == {"text": "ab", "times": 2}
    assert outcome.intent.arguments_hash == outcome.decision.arguments_hash
    assert json.loads(json.dumps(asdict(outcome))) == asdict(outcome)


async def test_the_decision_is_journalled_first_then_the_intent_and_only_then_the_tool_runs() -> None:
    journal = ListJournal()
    seen: list[int] = []
    tool = EchoTool(lambda arguments: (seen.append(len(journal.steps)), EchoResult(text=""))[1])
    await call_tool(tool, {"text": "a"}, ToolContext(journal=journal))
    assert [type(step) for step in journal.steps] == [Decision, Intent]
    assert seen == [2]


async def test_a_tool_does_not_run_when_its_intent_cannot_be_journalled() -> None:
    class FullDisk(ListJournal):
        async def prepared(self, intent: Intent) -> None:
            raise OSError(28, "No space left on device")

    tool = EchoTool()
    with pytest.raises(OSError, match="No space"):
        await call_tool(tool, {"text": "a"}, ToolContext(journal=FullDisk()))
    assert tool.ran == []


@pytest.mark.parametrize(
    ("arguments", "field", "remedy"),
    [
        ({}, "text", "Needed: `text`"),
        ({"text": "a", "time": 3}, "time", "Did you mean `times`?"),
        ({"text": "a", "times": "many"}, "times", "optional: `times`"),
        ({"text": ["a"]}, "text", "Needed: `text`"),
        ({"text": None}, "text", "Needed: `text`"),
    ],
)
async def test_wrong_arguments_name_the_field_and_the_remedy(
    arguments: dict[str, Any], field: str, remedy: str
) -> None:
    tool = EchoTool()
    with pytest.raises(InvalidArguments) as caught:
        await call_tool(tool, arguments, ToolContext())
    assert caught.value.error_class is ErrorClass.INVALID_REQUEST
    assert [name for name, _ in caught.value.fields] == [field]
    assert remedy in caught.value.remedy
    assert tool.ran == []


def _deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        "text",
        None,
        {"text": _deep(5000)},
        {"text": "x" * 5_000_000},
        {"text": object()},
        {"text": 10**5000},
        {"text": "a", "\ud800": 1},
    ],
)
async def test_arguments_that_are_no_bounded_json_object_are_refused(arguments: Any) -> None:
    with pytest.raises(EngineError) as caught:
        await call_tool(EchoTool(), arguments, ToolContext())
    assert caught.value.error_class is ErrorClass.INVALID_REQUEST
    assert len(str(caught.value)) < 1000


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(set(TOOLS.available()) - {"code"})), st.dictionaries(st.text(max_size=8), _json, max_size=4)
)
async def test_generated_arguments_never_get_past_validation_as_anything_but_an_engine_error(
    tool_id: str, arguments: dict[str, Any]
) -> None:
    try:
        await call_tool(TOOLS.get(tool_id), arguments, ToolContext())
    except EngineError as error:
        assert error.error_class is not ErrorClass.INTERNAL  # noqa: PT017 - the other outcome


async def test_lone_surrogates_are_replaced_on_the_way_in_and_on_the_way_out() -> None:
    tool = EchoTool(lambda arguments: EchoResult(text="\udfff", items=["\ud800"]))
    outcome = await call_tool(tool, {"text": "a\ud800"}, ToolContext())
    assert tool.ran[0].text == "a\ufffd"
    assert outcome.output == {"text": "\ufffd", "items": ["\ufffd"]}
    outcome.text.encode()


async def test_a_long_result_is_cut_and_says_so() -> None:
    outcome = await call_tool(EchoTool(), {"text": "\x01", "times": 3 * MAX_FIELDS}, ToolContext())
    assert outcome.cut
    assert len(outcome.text) <= MAX_OUTPUT
    assert outcome.text.endswith("[cut: the result was longer]")
    assert len(json.dumps(outcome.output)) <= MAX_FIELDS


async def test_a_long_list_in_a_result_keeps_its_first_elements() -> None:
    tool = EchoTool(lambda arguments: EchoResult(text="t", items=["x" * 1000] * 5000))
    outcome = await call_tool(tool, {"text": "a"}, ToolContext())
    assert outcome.cut
    assert outcome.output["text"] == "t"
    assert 100 < len(outcome.output["items"]) < 5000


async def test_a_tool_that_takes_too_long_is_ended() -> None:
    ended = asyncio.Event()

    async def endless(_arguments: Any) -> EchoResult:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    with pytest.raises(EngineError) as caught:
        await call_tool(EchoTool(endless, timeout_s=0.05), {"text": "a"}, ToolContext())
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.TIMEOUT, "tool_timeout")
    assert ended.is_set()


async def test_cancelling_a_call_cancels_the_tool_and_stays_a_cancellation() -> None:
    began = asyncio.Event()

    async def endless(_arguments: Any) -> EchoResult:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    call = asyncio.create_task(call_tool(EchoTool(endless), {"text": "a"}, ToolContext()))
    await began.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_any_exception_of_a_tool_leaves_as_an_engine_error() -> None:
    def broken(_arguments: Any) -> EchoResult:
        raise ZeroDivisionError("of the tool")

    with pytest.raises(EngineError) as caught:
        await call_tool(EchoTool(broken), {"text": "a"}, ToolContext())
    assert caught.value.error_class is ErrorClass.INTERNAL


async def test_a_result_of_another_kind_than_declared_is_an_error() -> None:
    with pytest.raises(EngineError, match="not what it declares"):
        await call_tool(EchoTool(lambda _arguments: {"text": "a"}), {"text": "a"}, ToolContext())


async def test_slots_bound_how_many_calls_run_at_once() -> None:
    running = most = 0

    async def counted(_arguments: Any) -> EchoResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return EchoResult(text="")

    context = ToolContext(slots=asyncio.Semaphore(2))
    await asyncio.gather(*(call_tool(EchoTool(counted), {"text": "a"}, context) for _ in range(10)))
    assert most == 2


@pytest.mark.parametrize(
    "failure",
    [
        TimeoutError(),
        ConnectionError("cut"),
        KeyError("a defect"),
        EngineError(ErrorClass.SERVER, "server", "It answered 500."),
    ],
)
async def test_an_irreversible_call_that_breaks_off_is_unknown_and_not_retried(failure: Exception) -> None:
    def broken(_arguments: Any) -> EchoResult:
        raise failure

    with pytest.raises(OutcomeUnknown) as caught:
        await call_tool(SendTool("unknown", work=broken), {"text": "a"}, ToolContext(approver=Person()))
    assert not caught.value.retryable


async def test_an_irreversible_call_that_times_out_is_unknown() -> None:
    async def endless(_arguments: Any) -> EchoResult:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(OutcomeUnknown):
        await call_tool(
            SendTool("unknown", work=endless, timeout_s=0.05), {"text": "a"}, ToolContext(approver=Person())
        )


async def test_an_irreversible_call_that_was_refused_for_good_did_not_happen() -> None:
    def refused(_arguments: Any) -> EchoResult:
        raise EngineError(ErrorClass.INVALID_REQUEST, "bad_address", "No such address.")

    with pytest.raises(EngineError) as caught:
        await call_tool(SendTool("unknown", work=refused), {"text": "a"}, ToolContext(approver=Person()))
    assert caught.value.code == "bad_address"


INTENT = Intent("c1", "echo", "irreversible", {"text": "a"}, "hash")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("done", "done"), ("not_done", "not_done"), ("unknown", "unknown"), (ConnectionError(), "unknown")],
)
async def test_an_intent_without_outcome_is_settled_by_asking_the_world(answer: Any, expected: str) -> None:
    assert await reconcile(SendTool(answer), INTENT, ToolContext()) == expected


async def test_a_tool_that_cannot_be_asked_leaves_its_intent_unknown() -> None:
    assert await reconcile(EchoTool(effect="irreversible"), INTENT, ToolContext()) == "unknown"


async def test_an_irreversible_effect_is_never_called_compensated() -> None:
    with pytest.raises(EngineError) as caught:
        await compensate(SendTool("done"), INTENT, ToolContext())
    assert caught.value.code == "not_reversible"


async def test_a_pure_call_needs_no_compensation() -> None:
    await compensate(EchoTool(), Intent("c1", "echo", "pure", {}, "hash"), ToolContext())


async def test_a_tool_that_claims_to_be_reversible_and_cannot_undo_never_runs() -> None:
    tool = EchoTool(effect="reversible")
    with pytest.raises(EngineError) as caught:
        await call_tool(tool, {"text": "a"}, ToolContext())
    assert caught.value.code == "no_undo"
    assert tool.ran == []


def test_a_definition_has_what_chat_apis_want_and_no_titles() -> None:
    made = definition(TOOLS.get("file_write"))
    assert made["type"] == "function"
    function = made["function"]
    assert function["name"] == "file_write"
    assert set(function["parameters"]["properties"]) == {"path", "content", "mode"}
    assert function["parameters"]["required"] == ["path", "content"]
    assert function["parameters"]["properties"]["mode"]["enum"] == ["create", "overwrite", "append"]
    assert '"title"' not in json.dumps(made)


def test_a_field_that_is_called_title_keeps_its_name_in_a_definition() -> None:
    from engine.tools.protocol import Arguments

    class Book(Arguments):
        title: str

    tool = EchoTool()
    tool.Input = Book
    assert set(definition(tool)["function"]["parameters"]["properties"]) == {"title"}
