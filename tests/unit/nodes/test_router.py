from __future__ import annotations

from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import BreakerConfig, EngineConfig
from engine.errors import ErrorClass
from engine.graph.validation import validate
from engine.models.tokens import prompt_tokens
from tests.graphs import make_graph, node
from tests.running import Ran, ask, run_in
from tests.scripted_backend import ScriptedBackend, fault, model, system_of

CODE = ["Write a Python function", "Fix this bug in my program", "Explain this Java class", "Write a shell script",
        "Refactor this method"]  # fmt: skip
MATH = ["Solve the equation", "What is the integral of x", "Compute the sum of the numbers", "How much is the area",
        "Calculate the probability"]  # fmt: skip


def route(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "target": name, **fields}


def routed(*routes: dict[str, Any], extra: tuple[str, ...] = (), **config: Any) -> engine.GraphSpec:
    """entry -> router -> one transform per route (and per extra node), which says its name -> exit."""
    names = [*(each["name"] for each in routes), *extra]
    return make_graph(
        [
            node("start", "entry"),
            node("router", "router", routes=list(routes), **config),
            *(node(name, "transform", operation="template", template=name + ": {{ content }}") for name in names),
            node("end", "exit"),
        ],
        [("start", "router"), *(("router", name) for name in names), *((name, "end") for name in names)],
    )


def decision(ran: Ran) -> ev.RouteDecided:
    (decided,) = ran.all(ev.RouteDecided)
    return decided


TWO = (
    route("code", domains=["fence", "python"], utterances=CODE),
    route("math", domains=["arithmetic"], utterances=MATH),
)


@pytest.mark.parametrize(
    ("question", "name", "asked"),
    [
        ("/math tell me", "math", "tell me"),
        ("/python tell me", "code", "tell me"),
        ("what?\n```\nx = 1\n```", "code", "what?\n```\nx = 1\n```"),
        ("What is 12*7?", "math", "What is 12*7?"),
    ],
)
async def test_explicit_rules_come_first(scripted: ScriptedBackend, question: str, name: str, asked: str) -> None:
    ran = await ask(routed(*TWO, default_route="code"), question)
    assert (decision(ran).stage, decision(ran).route, decision(ran).scores) == ("rule", name, {name: 1.0})
    assert ran.result.text == f"{name}: {asked}"
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("question", "name"),
    [("Write a Python function that sorts", "code"), ("Solve the equation x + 1 = 3 for x", "math")],
)
async def test_the_classifier_decides_by_the_utterances(scripted: ScriptedBackend, question: str, name: str) -> None:
    ran = await ask(routed(*TWO, default_route="code"), question)
    assert (decision(ran).stage, decision(ran).route) == ("words", name)
    assert [stage for stage, _ in decision(ran).stages] == ["rule", "words"]
    assert decision(ran).scores[name] == max(decision(ran).scores.values())
    (started,), (finished,) = ran.all(ev.OpStarted), ran.all(ev.OpFinished)
    assert (started.op, finished.op, finished.error) == ("classify", "classify", None)
    assert finished.result["scores"] == decision(ran).scores
    assert finished.result["stage"] == "words"


async def test_the_threshold_decides_when_the_classifier_is_sure(scripted: ScriptedBackend) -> None:
    unsure = await ask(routed(*TWO, default_route="math", confidence_threshold=1.0), CODE[0])
    assert (decision(unsure).stage, decision(unsure).route) == ("default", "math")
    sure = await ask(routed(*TWO, default_route="math", confidence_threshold=0.1), CODE[0])
    assert decision(sure).stage == "words"


@pytest.mark.parametrize(("method", "stage"), [("rules", "default"), ("auto", "words"), ("model", "model")])
async def test_the_method_chooses_the_stages(scripted: ScriptedBackend, method: str, stage: str) -> None:
    scripted.answers(['{"labels": ["code"]}'])
    ran = await ask(routed(*TWO, default_route="code", method=method), CODE[0])
    assert decision(ran).stage == stage
    assert bool(scripted.requests) == (method == "model")


async def test_an_unsure_question_goes_to_a_capable_model_and_never_to_a_small_one(scripted: ScriptedBackend) -> None:
    plain = (route("code"), route("math"))
    scripted.answers(['{"labels": ["math"]}'])
    ran = await ask(routed(*plain, default_route="code"), "hm")
    assert (decision(ran).stage, decision(ran).route) == ("default", "code")
    assert scripted.requests == []
    scripted.installed = [model("able", parameters_b=3)]
    ran = await ask(routed(*plain, default_route="code"), "hm")
    assert (decision(ran).stage, decision(ran).route) == ("model", "math")
    (request,) = scripted.requests
    assert request.schema is not None
    assert request.schema["properties"]["labels"]["items"]["enum"] == ["code", "math"]
    assert not any(body.stream for body in ran.all(ev.ModelStarted)), "labels are no answer to show"


async def test_the_router_model_is_the_one_that_is_named(scripted: ScriptedBackend) -> None:
    scripted.installed = [model("a", parameters_b=3), model("b", parameters_b=3)]
    scripted.answers(['{"labels": ["code"]}'])
    await ask(routed(route("code"), default_route="code", model="b"), "hm")
    assert scripted.requests[0].model == "b"


async def test_descriptions_are_told_to_the_model(scripted: ScriptedBackend) -> None:
    scripted.installed = [model("able", parameters_b=3)]
    scripted.answers(['{"labels": ["code"]}'])
    await ask(routed(route("code", description="for programs"), default_route="code"), "hm")
    assert "- code: for programs" in system_of(scripted.requests[0])


@pytest.mark.parametrize(
    "answer", ["", "code", "{}", '{"labels": "code"}', '{"labels": [1, null, "unknown"]}', '{"labels": {}}', "[" * 9999]
)
async def test_a_model_that_names_no_label_leads_to_the_default_route(scripted: ScriptedBackend, answer: str) -> None:
    scripted.installed = [model("able", parameters_b=3)]
    scripted.answers([answer])
    ran = await ask(routed(route("code"), route("math"), default_route="math"), "hm")
    assert (decision(ran).stage, decision(ran).route) == ("default", "math")
    assert ran.result.status == "committed"


async def test_a_router_model_that_fails_leads_to_the_default_route_unless_the_graph_insists(
    scripted: ScriptedBackend,
) -> None:
    scripted.installed = [model("able", parameters_b=3)]
    scripted.answers([fault()])
    assert decision(await ask(routed(route("code"), default_route="code"), "hm")).stage == "default"
    ran = await ask(routed(route("code"), default_route="code", method="model"), "hm")
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("scripted", "router")


async def test_without_a_default_route_a_question_that_fits_nothing_is_a_failure(scripted: ScriptedBackend) -> None:
    ran = await ask(routed(route("code"), route("math")), "hm")
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("no_route", "router")
    assert "default_route" in ran.result.error.remedy


@pytest.mark.parametrize(("default", "target"), [("math", "math"), ("other", "other")])
async def test_the_default_route_is_a_route_or_a_node(scripted: ScriptedBackend, default: str, target: str) -> None:
    extra = ("other",) if default == "other" else ()
    ran = await ask(routed(route("code"), route("math"), extra=extra, default_route=default), "hm")
    assert (decision(ran).target, ran.result.text) == (target, f"{target}: hm")


# -- several labels ----------------------------------------------------------------------------------------------------


def labelled(labels: str, scripted: ScriptedBackend, **config: Any) -> engine.GraphSpec:
    scripted.installed = [model("able", parameters_b=3)]
    scripted.answers([f'{{"labels": [{labels}]}}'])
    routes = [route("a"), route("b"), route("c")]
    for name, fields in config.pop("routes", {}).items():
        next(each for each in routes if each["name"] == name).update(fields)
    return routed(*routes, method="model", default_route="c", **config)


async def test_only_one_label_counts_unless_several_are_asked_for(scripted: ScriptedBackend) -> None:
    both = '"a", "b"'
    assert decision(await ask(labelled(both, scripted))).labels == ("a",)
    assert decision(await ask(labelled(both, scripted, multi_label=True))).labels == ("a", "b")


@pytest.mark.parametrize(("most", "labels"), [(1, ("a",)), (2, ("a", "b")), (3, ("a", "b", "c"))])
async def test_max_labels_bounds_them(scripted: ScriptedBackend, most: int, labels: tuple[str, ...]) -> None:
    graph = labelled('"a", "b", "c"', scripted, multi_label=True, max_labels=most)
    assert decision(await ask(graph)).labels == labels


async def test_among_several_labels_the_highest_priority_wins(scripted: ScriptedBackend) -> None:
    both = '"a", "b"'
    assert decision(await ask(labelled(both, scripted, multi_label=True))).route == "a"
    graph = labelled(both, scripted, multi_label=True, routes={"b": {"priority": 5}})
    assert decision(await ask(graph)).route == "b"


@pytest.mark.parametrize(
    ("labels", "route_name", "compound"),
    [('"a", "b"', "a+b", "ab"), ('"a"', "a", None), ('"a", "b", "c"', "a+b+c", "abc"), ('"b", "c"', "b", None)],
)
async def test_the_compound_route_that_covers_the_most_labels_is_taken(
    scripted: ScriptedBackend, labels: str, route_name: str, compound: str | None
) -> None:
    graph = labelled(
        labels,
        scripted,
        multi_label=True,
        extra=("ab", "abc"),
        compound_routes=[{"domains": ["a", "b"], "target": "ab"}, {"domains": ["a", "b", "c"], "target": "abc"}],
    )
    ran = await ask(graph)
    assert decision(ran).route == route_name
    assert decision(ran).target == (compound or route_name)


async def test_among_equal_compound_routes_the_highest_priority_wins(scripted: ScriptedBackend) -> None:
    def compounds(first: int, second: int) -> list[dict[str, Any]]:
        return [
            {"domains": ["a", "b"], "target": "x", "priority": first},
            {"domains": ["a", "c"], "target": "y", "priority": second},
        ]

    for first, second, target in ((1, 0, "x"), (0, 1, "y")):
        graph = labelled(
            '"a", "b", "c"', scripted, multi_label=True, extra=("x", "y"), compound_routes=compounds(first, second)
        )
        assert decision(await ask(graph)).target == target


async def test_what_the_router_found_is_known_to_conditions(scripted: ScriptedBackend) -> None:
    scripted.installed = [model("able", parameters_b=3)]
    scripted.answers(['{"labels": ["a", "b"]}'])
    graph = make_graph(
        [
            node("start", "entry"),
            node(
                "router",
                "router",
                method="model",
                multi_label=True,
                routes=[{"name": "a", "target": "t"}, {"name": "b", "target": "t"}],
            ),
            node("t", "transform", operation="strip"),
            node("end", "exit"),
        ],
        [("start", "router"), ("router", "t"), ("t", "end", 'route == "a" and "b" in routes and len(routes) == 2')],
    )
    assert (await ask(graph)).result.status == "committed"


# -- breakers ----------------------------------------------------------------------------------------------------------


async def test_a_route_behind_an_open_breaker_is_left_for_another(scripted: ScriptedBackend) -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("router", "router", routes=list(TWO), default_route="math"),
            node("code", "model", system_prompt="code"),
            node("math", "model", system_prompt="math"),
            node("end", "exit"),
        ],
        [("start", "router"), ("router", "code"), ("router", "math"), ("code", "end"), ("math", "end")],
    )
    scripted.answers_by_system(code=[fault(ErrorClass.AUTH)], math=["mathematics"])
    async with engine.open(config=EngineConfig(breaker=BreakerConfig(failure_threshold=1))) as eng:
        first = await run_in(eng, graph, "/code why?")
        assert first.result.status == "rolled_back"
        second = await run_in(eng, graph, "/code why?")
        assert (second.result.text, decision(second).route) == ("mathematics", "math")
        assert "breaker" in decision(second).reason
        eng.force_breaker("graph.test/math", "open")
        third = await run_in(eng, graph, "/code why?")
        assert third.result.error is not None
        assert third.result.error.error_class is ErrorClass.BREAKER_OPEN, "no way is open: the first one says so"


async def test_a_route_whose_models_are_all_behind_open_breakers_is_left_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = ScriptedBackend(models=[model("a"), model("b"), model("c")])
    backend.install(monkeypatch)
    backend.script = lambda request: [fault(ErrorClass.SERVER) if request.model in ("a", "b") else request.model]
    graph = make_graph(
        [
            node("start", "entry"),
            node("router", "router", routes=list(TWO), default_route="math"),
            node("code", "model", model="a", fallback_models=["b"], retry={"attempts": 1}),
            node("math", "model", model="c"),
            node("end", "exit"),
        ],
        [("start", "router"), ("router", "code"), ("router", "math"), ("code", "end"), ("math", "end")],
    )
    async with engine.open(config=EngineConfig(breaker=BreakerConfig(failure_threshold=1))) as eng:
        await run_in(eng, graph, "/code why?")
        eng.force_breaker("graph.test/code", "closed")
        left = await run_in(eng, graph, "/code why?")
        assert (left.result.text, decision(left).route) == ("c", "math")
        eng.force_breaker("scripted b", "closed")
        assert decision(await run_in(eng, graph, "/code why?")).route == "code", "one of its models may be asked"


# -- a prompt of the graph's own ---------------------------------------------------------------------------------------


def prompted(scripted: ScriptedBackend, prompt: dict[str, Any], **config: Any) -> engine.GraphSpec:
    scripted.answers(['{"labels": ["code"]}'])
    routes = (route("code", description="programs"), route("math", description="sums"))
    graph = routed(*routes, method="model").model_dump(mode="json")
    graph["nodes"][1]["config"].update(config)
    return engine.GraphSpec.model_validate({**graph, "prompts": {"p": {"id": "p", **prompt}}})


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        ("{{ question }}", "hm?"),
        ("Which one? {{ content }}", "Which one? hm?"),
        ("{{ routes }}", '[{"name": "code", "description": "programs"}, {"name": "math", "description": "sums"}]'),
        ("{% for r in routes %}{{ r.name }}={{ r.description }};{% endfor %} {{ question }}",
         "code=programs;math=sums; hm?"),
    ],
)  # fmt: skip
async def test_the_model_stage_asks_by_the_prompt_of_the_graph(scripted: ScriptedBackend, user: str, sent: str) -> None:
    prompt = {"system": "Pick.", "user": user, "examples": [{"user": "2+2?", "assistant": "math"}]}
    ran = await ask(prompted(scripted, prompt, prompt_id="p"), "hm?")
    assert decision(ran).route == "code", ran.result.error
    (request,) = scripted.requests
    assert system_of(request).startswith("Pick.")
    assert [message.content for message in request.messages[1:]] == ["2+2?", "math", sent]
    assert request.schema is not None
    assert request.schema["properties"]["labels"]["items"]["enum"] == ["code", "math"]


async def test_without_a_prompt_the_programs_own_words_are_used(scripted: ScriptedBackend) -> None:
    await ask(prompted(scripted, {"system": "Pick."}), "hm?")
    assert "Choose the labels" in system_of(scripted.requests[0])


@pytest.mark.parametrize("window", [300, 512, 2048, 32_768])
@pytest.mark.parametrize("user", ["", "{{ question }}", " ".join(["{{ question }}"] * 60)])
async def test_a_question_of_a_megabyte_is_cut_visibly_so_that_the_request_fits_the_window(
    scripted: ScriptedBackend, window: int, user: str
) -> None:
    scripted.installed = [model("able", parameters_b=3, window=window)]
    prompt = {"system": "Pick.", "user": user or "{{ question }}"}
    graph = prompted(scripted, prompt, **({"prompt_id": "p"} if user else {}))
    question = f"Is this the head? {'word ' * 200_000} Or is that the tail?"
    ran = await ask(graph, question)
    assert decision(ran).stage == "model", ran.result.error
    (request,) = scripted.requests
    assert prompt_tokens(request) + request.max_tokens <= window
    asked = request.messages[-1].content
    assert asked.endswith("Or is that the tail?")
    assert "characters left out ...]" in asked
    assert asked.startswith("Is this the head?")
    counts = [event for event in ran.all(ev.ContextMeasured) if event.reported is not None]
    assert [event.selection for event in counts] == ["router able"]
    assert (counts[0].reported or 0) + counts[0].reserved <= window
    pruned = [event.removed[0] for event in ran.all(ev.ContextPruned)]
    assert all("cut to" in words for words in pruned)
    assert bool(pruned) == (window <= 512 or (len(user) > 20 and window <= 2048))


async def test_where_the_routes_alone_do_not_fit_the_default_route_is_taken_unless_the_graph_insists(
    scripted: ScriptedBackend,
) -> None:
    scripted.installed = [model("able", parameters_b=3, window=300)]
    routes = (route("code", description="programs " * 300), route("math"))
    ran = await ask(routed(*routes, default_route="math"), "hm?")
    assert (decision(ran).stage, decision(ran).route) == ("default", "math")
    ran = await ask(routed(*routes, default_route="math", method="model"), "hm?")
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("context_overflow", "router")
    assert scripted.requests == []


async def test_a_prompt_that_cannot_be_filled_is_a_failure_that_names_the_router(scripted: ScriptedBackend) -> None:
    ran = await ask(prompted(scripted, {"user": "{{ data.nothing }}"}, prompt_id="p"), "hm?")
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("nothing_at_path", "router")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ({}, None),
        ({"user": "{{ routes }}"}, None),
        ({"user": "{% for r in routes %}{{ r.name }}{% endfor %}"}, None),
        ({"user": "{{ router }}"}, "unknown name"),
        ({"output_schema": {"type": "object"}}, "a router has its own"),
    ],
)
def test_the_prompt_of_a_router_is_checked(
    scripted: ScriptedBackend, prompt: dict[str, Any], words: str | None
) -> None:
    problems = validate(prompted(scripted, prompt, prompt_id="p"))
    assert [words in problem.message for problem in problems] == ([] if words is None else [True]), problems


# -- what the log tells ------------------------------------------------------------------------------------------------


async def test_the_decision_tells_the_nearest_utterances_and_why_words_alone_decided(scripted: ScriptedBackend) -> None:
    ran = await ask(routed(*TWO, default_route="code"), CODE[0])
    nearest = decision(ran).nearest
    assert (nearest[0][0], nearest[0][2]) == (CODE[0], "code")
    assert len(nearest) == 3
    assert decision(ran).note == "no installed model makes embeddings"


async def test_a_question_without_any_label_takes_the_default_route_and_that_is_said(scripted: ScriptedBackend) -> None:
    ran = await ask(routed(*TWO, default_route="math"), "🦆")
    assert (decision(ran).stage, decision(ran).route, decision(ran).labels) == ("default", "math", ())
    assert decision(ran).reason.startswith("no score reaches 0.5; the best is 0.")
