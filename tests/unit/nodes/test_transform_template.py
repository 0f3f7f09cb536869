"""Transforms by template: names are filled in at once, the rest of Jinja2 in a process that can be killed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from engine.graph.spec import TransformConfig
from engine.graph.templates import compile_template
from engine.nodes import templates
from engine.nodes.templates import MAX_FILLED, fill
from engine.nodes.transform import make_transform_async, make_transform_inline
from tests.graphs import chain, make_graph, node
from tests.running import Ran, ask
from tests.waiting import until


async def run(template: str, question: str = "hi", inputs: dict[str, Any] | None = None, **config: Any) -> Ran:
    return await ask(
        chain(node("t", "transform", operation="template", template=template, **config)), question, inputs=inputs
    )


async def filled(template: str, question: str = "hi", inputs: dict[str, Any] | None = None, **config: Any) -> str:
    ran = await run(template, question, inputs, **config)
    return ran.result.text if ran.result.error is None else f"error {ran.result.error.code}"


async def test_a_template_fills_in_content_question_and_data() -> None:
    template = "[{{ content }}|{{question}}|{{ data.name }}|{{data.list}}|{{ data.list.0 }}]"
    assert await filled(template, inputs={"name": "Ada", "list": [1]}) == "[hi|hi|Ada|[1]|1]"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ content | upper }}", "HI"),
        ("{% for name in data.names %}\n- {{ name }}\n{% endfor %}\n", "- Ada\n- Bob\n"),
        ("{% if data.n > 1 %}many{% else %}one{% endif %}", "many"),
        ("{{ data.names | join(' and ') }}", "Ada and Bob"),
        ("{% set x = data.n * 2 %}{{ x }}", "6"),
        ("{{ data.names }} {{ true }} {{ none }} {{ 1.5 }}", '["Ada", "Bob"] true null 1.5'),
        ("{{ data.items.k }}{# a remark #}", "a field"),
        ("{{ data.html | tojson }}", '"<ä>"'),
        ("{{ '{content}' }}", "{content}"),
        ("{% for k, v in data.pair.items() %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;"),
        ("{{ data.nothing is defined }}", "false"),
        ("{% for i in range(3) %}{{ loop.index }}{% endfor %}", "123"),
        ("{{ vars }}", "{}"),
    ],
)
async def test_templates_are_jinja2(template: str, expected: str) -> None:
    inputs = {"names": ["Ada", "Bob"], "n": 3, "items": {"k": "a field"}, "html": "<ä>", "pair": {"a": 1, "b": 2}}
    assert await filled(template, inputs=inputs) == expected


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ content }}",
        "{{ question }} {{ data.secret }}",
        "{0}{}{{}}",
        "%s %(content)s ${content}",
        "{% for x in y %}",
        "\\1 \\g<0>",
        "\ud800\x00",
    ],
)
@pytest.mark.parametrize("template", ["<{{ content }}>", "<{{ content | trim }}>"])
async def test_what_is_filled_in_is_never_expanded(hostile: str, template: str) -> None:
    text = await filled(template, hostile, {"secret": "x"})
    assert text == f"<{hostile}>".replace("\ud800", "\ufffd").replace("\x00", "\ufffd")


@pytest.mark.parametrize("path", ["data.__class__", "data.name.__class__", "vars.nothing", "data.name.0"])
async def test_a_template_reaches_values_only_and_no_attributes(path: str) -> None:
    assert await filled(f"{{{{ {path} }}}}", inputs={"name": "Ada"}) == "error nothing_at_path"


@pytest.mark.parametrize(
    "template",
    [
        "{{ data.nothing | upper }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ content.format.__globals__ | upper }}",
        "{{ data.update({'a': 1}) }}",
        "{{ 1 / 0 }}",
        "{{ range(100001) | length }}",
        "{{ '%d' | format('x') }}",
        "{{ namespace(a=content.__init__.__globals__).a }}",
        "{{ ('{0.__class__}' | attr('format'))(content) }}",
    ],
)
async def test_a_template_that_fails_or_reaches_too_far_is_a_failed_node(template: str) -> None:
    ran = await run(template, inputs={"a": 0})
    assert ran.result.error is not None
    assert ran.result.error.code == "template_failed"
    assert ran.result.error.remedy


@pytest.mark.parametrize("text", ["{", "}", "{}", "{ content }", "{1}", "{a-b}", "{content", 'json: {"a": 1}', "}}"])
async def test_other_braces_are_text(text: str) -> None:
    assert await filled(text) == text


@pytest.mark.parametrize("mention", ["{{ content }}", "{{ content | trim }}"])
async def test_a_template_cannot_fill_the_memory(mention: str) -> None:
    many = mention * 500
    assert await filled(many, "x" * (MAX_FILLED // 500)) == "x" * MAX_FILLED
    assert await filled(many, "x" * (MAX_FILLED // 500 + 1)) == "error template_too_long"


async def test_a_template_that_doubles_in_a_loop_ends_with_an_error() -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("double", "transform", operation="template", template="{{ content }}{{ content }}"),
            node("end", "exit"),
        ],
        [
            ("start", "double"),
            ("double", "double", "len(content) < 999999999"),
            ("double", "end", "len(content) > 999999999"),
        ],
    )
    ran = await ask(graph, "x")
    assert ran.result.error is not None
    assert ran.result.error.code == "template_too_long"


HOSTILE = [
    "{{ 9 ** (9 ** 9) }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ content }}{% endfor %}{% endfor %}",
    "{{ content | center(9999999999) }}",
    "{{ 'x' * 9999999999 }}",
    "{{ '%9999999999d' | format(1) }}",
    "{% set ns = namespace(x='a') %}{% for i in range(99999) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
]


@pytest.mark.parametrize("template", HOSTILE)
async def test_a_hostile_template_ends_with_an_error_while_the_loop_runs(template: str) -> None:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before)

    ticking = asyncio.create_task(tick())
    ran = await run(template)
    ticking.cancel()
    assert ran.result.error is not None
    assert ran.result.error.code in {"template_timeout", "template_too_long", "template_failed"}
    assert longest < 1, "generous: on the loop it would be many seconds"


async def test_a_hostile_template_is_killed_at_the_deadline_of_its_node() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    ran = await run(HOSTILE[0], timeout_ms=300)
    assert loop.time() - began < 3
    assert ran.result.error is not None
    assert ran.result.error.code == "node_deadline"
    assert children() == []


async def test_a_cancelled_filling_leaves_no_process() -> None:
    filling = asyncio.create_task(fill(compile_template(HOSTILE[1]), {}))
    await until(lambda: children() and children()[0] > 0.7)  # it has begun to render
    filling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await filling
    assert children() == []


def children() -> list[float]:
    """Processor seconds of the processes that this one has started to fill templates."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = folder.joinpath("stat").read_text().rpartition(")")[2].split()
            command = folder.joinpath("cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and "jinja.py" in command:
            found.append(int(fields[11]) / os.sysconf("SC_CLK_TCK"))
    return found


async def test_a_renderer_that_dies_is_a_failed_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "jinja.py"
    broken.write_text("raise SystemExit(3)")
    monkeypatch.setattr(templates, "_RENDERER", broken)
    assert await filled("{{ content | upper }}") == "error template_process"


@pytest.mark.parametrize(("template", "inline"), [("{{ content }}", True), ("{{ content | upper }}", False)])
def test_only_templates_that_name_values_are_filled_on_the_loop(template: str, inline: bool) -> None:
    config = TransformConfig(operation="template", template=template)
    assert (make_transform_inline(config) is not None) == inline
    assert (make_transform_async(config) is None) == inline
