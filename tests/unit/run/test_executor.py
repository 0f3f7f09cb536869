from __future__ import annotations

import asyncio
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import BreakerConfig, EngineConfig
from engine.errors import ErrorClass
from engine.graph.spec import GraphSpec
from engine.nodes.context import Outcome
from engine.nodes.factory import make_inline
from tests.graphs import chain, make_graph, node, one_model, parallel
from tests.running import Ran, ask, run_in
from tests.scripted_backend import ScriptedBackend, fault, model, system_of
from tests.waiting import until


def settled(ran: Ran) -> dict[str, str]:
    """Node -> outcome of its latest visit."""
    return {body.path: body.outcome for body in ran.all(ev.NodeFinished)}


async def test_branches_really_overlap(scripted: ScriptedBackend) -> None:
    met = asyncio.Event()

    def script(_request: object) -> list[Any]:
        if scripted.open_streams == 3:
            met.set()
        return [met, "all three are here"]

    scripted.script = script
    ran = await ask(parallel(*(node(f"m{i}", "model", system_prompt=f"{i}") for i in range(3))))
    assert ran.result.status == "committed"
    assert scripted.most_open == 3


async def test_the_first_exit_ends_the_run_and_cancels_the_other_branches(scripted: ScriptedBackend) -> None:
    never = asyncio.Event()
    scripted.answers_by_system(slow=["part", never], quick=["quick"])
    ran = await ask(parallel(node("a", "model", system_prompt="slow"), node("b", "model", system_prompt="quick")))
    assert (ran.result.text, ran.result.status) == ("quick", "committed")
    assert settled(ran)["a"] == "cancelled"
    assert scripted.open_streams == 0
    assert ran.view.nodes["a"].state == "cancelled"
    (failed,) = ran.all(ev.AttemptFailed)
    assert (failed.error.error_class, failed.partial) == (ErrorClass.CANCELLED, "part")


async def test_two_exits_reached_together_give_one_terminal_event() -> None:
    ran = await ask(parallel(*(node(f"t{i}", "transform", operation="strip") for i in range(5))))
    assert sum(isinstance(event.body, ev.TERMINAL) for event in ran.events) == 1
    assert len(ran.all(ev.NodeStarted)) < 12


@pytest.mark.usefixtures("no_task_left")
async def test_cancellation_leaves_no_task_and_closes_the_model_streams(scripted: ScriptedBackend) -> None:
    scripted.answers(["part", asyncio.Event()])
    async with engine.open() as eng:
        before = asyncio.all_tasks()
        run = eng.start(parallel(*(node(f"m{i}", "model", system_prompt=f"{i}") for i in range(3))), "Why?")
        await until(lambda: scripted.open_streams == 3)
        run.cancel()
        result = await run.result()
        assert scripted.open_streams == 0
        assert asyncio.all_tasks() - before == set()
    assert result.cancelled
    assert {(path, outcome) for path, outcome, _ in result.nodes if path != "start"} == {
        ("m0", "cancelled"),
        ("m1", "cancelled"),
        ("m2", "cancelled"),
    }


async def test_closing_the_engine_rolls_back_what_runs(tmp_path: Any, scripted: ScriptedBackend) -> None:
    scripted.answers(["part", asyncio.Event()])
    async with engine.open(tmp_path) as eng:
        run = eng.start(one_model(), "Why?")
        await scripted.busy.wait()
    result = await run.result()
    assert (result.status, result.reason, result.text) == ("rolled_back", "interrupted", "part")
    assert not result.cancelled
    assert result.error is not None
    assert result.error.code == "closed"
    async with engine.open(tmp_path) as eng:
        assert eng.recovered == ()
        assert (await eng.view(run.transaction)).answer == "part"


async def test_a_node_may_take_as_long_as_its_own_limit_says(scripted: ScriptedBackend) -> None:
    scripted.answers([asyncio.Event()])
    ran = await ask(one_model(timeout_ms=50))
    assert ran.result.error is not None
    assert (ran.result.reason, ran.result.error.code, ran.result.error.node) == ("failed", "node_deadline", "m")
    assert "timeout_ms" in ran.result.error.remedy
    assert scripted.open_streams == 0
    scripted.answers(["in time"])
    assert (await ask(one_model(timeout_ms=20_000))).result.text == "in time"


async def test_a_timeout_of_the_model_is_not_taken_for_the_nodes_own_limit(
    scripted: ScriptedBackend, no_backoff: None
) -> None:
    scripted.answers([fault(ErrorClass.TIMEOUT, "read_timeout")])
    ran = await ask(one_model(timeout_ms=60_000))
    assert ran.result.error is not None
    assert ran.result.error.code == "read_timeout"


async def test_max_steps_bounds_a_wide_fan_out_too(scripted: ScriptedBackend) -> None:
    scripted.answers([asyncio.Event()])
    wide = parallel(*(node(f"m{i}", "model", system_prompt=f"{i}") for i in range(20)))
    ran = await ask(wide, config=EngineConfig(max_steps=6))
    assert ran.result.reason == "budget"
    assert len(ran.all(ev.NodeStarted)) <= 6


@pytest.mark.parametrize("steps", [2, 3])
async def test_a_run_may_take_exactly_its_steps(steps: int) -> None:
    ran = await ask(chain(node("t", "transform", operation="strip")), config=EngineConfig(max_steps=steps))
    assert ran.result.reason == ("" if steps == 3 else "budget")


@pytest.mark.parametrize(("every", "expected"), [(1, 8), (5, 1), (4, 2), (100, 0)])
async def test_a_checkpoint_is_taken_every_so_many_visits(every: int, expected: int) -> None:
    graph = chain(*(node(f"t{i}", "transform", operation="strip") for i in range(6)))
    ran = await ask(graph, config=EngineConfig(checkpoint_every=every))
    checkpoints = ran.all(ev.Checkpoint)
    assert len(checkpoints) == expected
    assert [body.number for body in checkpoints] == list(range(1, expected + 1))
    for event in ran.events:
        if isinstance(event.body, ev.Checkpoint):
            assert event.body.log_length == event.seq - 1
            assert event.body.frontier


async def test_parallel_tasks_take_checkpoints_as_often_as_others(scripted: ScriptedBackend) -> None:
    wide = parallel(*(node(f"m{i}", "model", system_prompt=f"{i}") for i in range(9)))
    ran = await ask(wide, config=EngineConfig(checkpoint_every=5))
    assert len(ran.all(ev.Checkpoint)) == 2


# -- edges -------------------------------------------------------------------------------------------------------------


def error_edges(**model: Any) -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("m", "model", **model),
            node("mend", "transform", operation="template", template="mended: {{ content }}"),
            node("end", "exit"),
        ],
        [("start", "m"), ("m", "end", 'status == "ok"'), ("m", "mend", 'status == "failed"'), ("mend", "end")],
    )


async def test_an_edge_on_the_status_handles_a_failure(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    ran = await ask(error_edges())
    assert (ran.result.status, ran.result.text) == ("committed", "mended: Why?")
    assert settled(ran)["m"] == "failed"
    scripted.answers(["fine"])
    assert (await ask(error_edges())).result.text == "fine"


@pytest.mark.parametrize(("code", "text"), [("tired", "handled"), ("other", None)])
async def test_an_edge_on_the_error_handles_that_error_only(
    scripted: ScriptedBackend, code: str, text: str | None
) -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("m", "model"),
            node("mend", "transform", operation="template", template="handled"),
            node("end", "exit"),
        ],
        [("start", "m"), ("m", "end", "error == null"), ("m", "mend", 'error == "tired"'), ("mend", "end")],
    )
    scripted.answers([fault(code=code)])
    ran = await ask(graph)
    if text is None:
        assert ran.result.error is not None
        assert (ran.result.status, ran.result.error.code) == ("rolled_back", "other")
    else:
        assert (ran.result.status, ran.result.text) == ("committed", "handled")


async def test_plain_edges_are_not_followed_after_a_failure(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    ran = await ask(one_model())
    assert ran.result.status == "rolled_back"
    assert [body.target for body in ran.all(ev.EdgeTaken)] == ["m"]


async def test_a_condition_that_cannot_be_decided_is_a_failure_that_names_the_node() -> None:
    graph = make_graph(
        [node("start", "entry"), node("end", "exit")], [("start", "end", "data.nothing > 3")]
    )  # fmt: skip
    ran = await ask(graph)
    assert ran.result.error is not None
    assert (ran.result.reason, ran.result.error.code, ran.result.error.node) == ("failed", "condition_failed", "start")
    assert "data.nothing" in ran.result.error.message
    assert ran.result.error.remedy


async def test_conditions_choose_the_edges_and_the_verdicts_are_in_the_log() -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("long", "transform", operation="upper"),
            node("short", "transform", operation="lower"),
            node("end", "exit"),
        ],
        [
            ("start", "long", "len(content) > 5"),
            ("start", "short", "len(content) <= 5"),
            ("long", "end"),
            ("short", "end"),
        ],
    )
    ran = await ask(graph, "Short")
    assert ran.result.text == "short"
    assert [(body.target, body.taken) for body in ran.all(ev.EdgeTaken)][:2] == [("long", False), ("short", True)]
    assert (await ask(graph, "Long one")).result.text == "LONG ONE"


@pytest.mark.parametrize(("weights", "taken"), [((1.0, 2.0), ["b"]), ((3.0, 2.0), ["a"]), ((1.0, 1.0), ["a", "b"])])
async def test_of_edges_with_equal_conditions_the_heaviest_is_taken(
    weights: tuple[float, float], taken: list[str]
) -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("a", "transform", operation="strip"),
            node("b", "transform", operation="strip"),
            node("end", "exit"),
        ],
        [("start", "a", None, weights[0]), ("start", "b", None, weights[1]), ("a", "end"), ("b", "end")],
    )
    ran = await ask(graph)
    assert [body.target for body in ran.all(ev.EdgeTaken) if body.source == "start"] == taken


# -- retries and breakers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempts", "status"), [(1, "rolled_back"), (2, "rolled_back"), (3, "committed")])
async def test_the_retry_of_a_model_node_is_that_of_its_call(
    scripted: ScriptedBackend, attempts: int, status: str
) -> None:
    scripted.answers([fault(ErrorClass.SERVER)], [fault(ErrorClass.OVERLOADED)], ["at last"])
    ran = await ask(one_model(retry={"attempts": attempts, "base_delay_ms": 0}))
    assert (ran.result.status, len(scripted.requests)) == (status, attempts)
    assert len(ran.all(ev.NodeStarted)) == len(settled(ran))


async def test_a_node_that_is_not_idempotent_is_never_repeated(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(ErrorClass.SERVER)], ["too late"])
    ran = await ask(one_model(idempotent=False, retry={"attempts": 3, "base_delay_ms": 0}))
    assert (ran.result.status, len(scripted.requests)) == ("rolled_back", 1)


async def test_what_cannot_help_is_not_repeated(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(ErrorClass.AUTH)], ["too late"])
    ran = await ask(one_model(retry={"attempts": 3, "base_delay_ms": 0}))
    assert (ran.result.status, len(scripted.requests)) == ("rolled_back", 1)


async def test_a_nodes_breaker_opens_after_three_failed_runs_and_then_fails_fast(
    scripted: ScriptedBackend,
) -> None:
    scripted.answers([fault()])
    async with engine.open() as eng:
        for _ in range(3):
            ran = await run_in(eng, one_model())
            assert ran.result.error is not None
            assert ran.result.error.code == "scripted"
        assert len(scripted.requests) == 3
        states = {breaker.key: breaker.state for breaker in eng.breakers()}
        assert states["graph.test/m"] == "open"
        ran = await run_in(eng, one_model())
        assert len(scripted.requests) == 3, "not asked"
        assert ran.result.error is not None
        assert ran.result.error.error_class is ErrorClass.BREAKER_OPEN
        assert ran.result.error.node == "m"
        assert ran.result.error.retry_after_ms is not None
        assert 0 < ran.result.error.retry_after_ms <= 60_000
        assert ran.view.breakers["graph.test/m"].state == "open", "the begin event carries it"
        other = make_graph(
            [node("start", "entry"), node("m", "model"), node("end", "exit")],
            [("start", "m"), ("m", "end")],
            id="graph.other",
        )
        scripted.answers(["fine"])
        assert (await run_in(eng, other)).result.status == "committed", "another graph has breakers of its own"
        eng.force_breaker("graph.test/m", "closed")
        assert (await run_in(eng, one_model())).result.status == "committed"


async def test_breakers_outlive_the_process(tmp_path: Any, scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    config = EngineConfig(breaker=BreakerConfig(failure_threshold=1))
    async with engine.open(tmp_path, config=config) as eng:
        await run_in(eng, one_model())
    async with engine.open(tmp_path, config=config) as eng:
        ran = await run_in(eng, one_model())
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.BREAKER_OPEN
    assert len(scripted.requests) == 1


async def test_a_cancelled_run_says_nothing_against_the_node(scripted: ScriptedBackend) -> None:
    scripted.answers([asyncio.Event()])
    async with engine.open(config=EngineConfig(breaker=BreakerConfig(failure_threshold=1))) as eng:
        run = eng.start(one_model(), "Why?")
        await scripted.busy.wait()
        run.cancel()
        await run.result()
        assert {breaker.state for breaker in eng.breakers()} == {"closed"}


async def test_breakers_that_change_during_a_run_are_in_its_events(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    ran = await ask(one_model(), config=EngineConfig(breaker=BreakerConfig(failure_threshold=1)))
    changes = [body.breaker for body in ran.all(ev.BreakerChanged)]
    assert [(change.key, change.state) for change in changes] == [("graph.test/m", "open")]


async def test_fallback_models_answer_when_the_first_fails(scripted: ScriptedBackend, no_backoff: None) -> None:
    scripted.installed = [model("small"), model("big", parameters_b=8)]
    scripted.script = lambda request: [fault(ErrorClass.SERVER)] if request.model == "small" else ["from the big one"]
    ran = await ask(one_model(model="small", fallback_models=["big"]))
    assert (ran.result.text, ran.result.model) == ("from the big one", "big")
    assert system_of(scripted.requests[0]) == system_of(scripted.requests[-1])


async def test_the_retry_of_a_router_is_that_of_its_model_call(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(ErrorClass.OVERLOADED)])
    graph = make_graph(
        [
            node("start", "entry"),
            node(
                "router",
                "router",
                method="model",
                routes=[{"name": "one", "target": "end"}],
                retry={"attempts": 2, "base_delay_ms": 0},
            ),
            node("end", "exit"),
        ],
        [("start", "router"), ("router", "end")],
    )
    ran = await ask(graph)
    assert (ran.result.status, len(scripted.requests)) == ("rolled_back", 2)


class Flaky:
    """A node that waits for something, and fails so often."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures

    async def run(self, ctx: Any, message: Any) -> Outcome:
        if self.failures:
            raise self.failures.pop(0)
        return Outcome(content=f"visit {ctx.visit}")


@pytest.mark.parametrize(
    ("failures", "status", "attempts"),
    [
        ([], "committed", [1]),
        ([fault(ErrorClass.SERVER)], "committed", [1, 2]),
        ([TimeoutError(), ConnectionResetError()], "committed", [1, 2, 3]),
        ([fault(ErrorClass.SERVER)] * 3, "rolled_back", [1, 2, 3]),
        ([fault(ErrorClass.AUTH)], "rolled_back", [1]),
        ([ZeroDivisionError()], "rolled_back", [1]),
    ],
)
async def test_a_node_that_calls_no_model_is_visited_again_as_its_retry_says(
    monkeypatch: pytest.MonkeyPatch, failures: list[Exception], status: str, attempts: list[int]
) -> None:
    flaky = Flaky(list(failures))
    monkeypatch.setattr("engine.run.plan.make_inline", lambda s, back: None if s.id == "t" else make_inline(s, back))
    monkeypatch.setattr("engine.run.plan.make_async", lambda s, _back: flaky if s.id == "t" else None)
    ran = await ask(chain(node("t", "transform", operation="strip", retry={"attempts": 3, "base_delay_ms": 0})))
    assert ran.result.status == status
    started = [body for body in ran.all(ev.NodeStarted) if body.path == "t"]
    assert [body.attempt for body in started] == attempts
    assert {body.visit for body in started} == {1}
    if status == "committed":
        assert ran.result.text == "visit 1"
        assert len(ran.view.nodes["t"].visits) == 1


async def test_an_error_edge_that_cannot_be_decided_is_a_failure_of_its_own(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    graph = make_graph(
        [node("start", "entry"), node("m", "model"), node("end", "exit")],
        [("start", "m"), ("m", "end", 'status == "failed" and data.nothing == 1')],
    )
    ran = await ask(graph)
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("condition_failed", "m")


async def test_a_long_line_of_quick_nodes_leaves_the_loop_its_turns() -> None:
    graph = chain(*(node(f"t{i}", "transform", operation="strip") for i in range(150)))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with engine.open() as eng:
        run = eng.start(graph, "Why?")
        beside = asyncio.create_task(other())
        assert (await run.result()).status == "committed"
        beside.cancel()
    assert turns > 2
