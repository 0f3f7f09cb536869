"""Graphs that the tests of this package begin with."""

from __future__ import annotations

from engine.graph.loader import parse_graph
from engine.graph.problems import GraphError
from engine.graph.spec import GraphSpec

GOOD = """\
id: graph.sample
version: 1.0.0
name: Sample
nodes:
  - id: start
    type: entry
    config:
      required_fields: [question]
      input_schema: {type: object}
  - id: router
    type: router
    config:
      model: "@router"
      multi_label: true
      max_labels: 2
      default_route: talk
      routes:
        - name: code
          target: coder
          domains: [code, fence]
        - name: talk
          target: talker
      compound_routes:
        - domains: [code, talk]
          target: coder
  - id: coder
    type: model
    config:
      model: "@code"
      max_tokens: 64
      stream: true
      input: [router]
      fallback_models: ["@worker"]
  - id: talker
    type: model
    config:
      model: qwen2.5:3b
      temperature: 0.5
      timeout_ms: 1000
  - id: shape
    type: transform
    config:
      operation: template
      template: "{{ content }} ({{ question }}) {{ data.route }} {json: 1}"
  - id: check
    type: gate
    config:
      mode: checks
      conditions:
        - expression: checks.ok
          target: answer
        - expression: retries < max_retries
          target: router
      default_target: best_effort
  - id: answer
    type: exit
  - id: best_effort
    type: exit
    config:
      status: fallback
edges:
  - {from_node: start, to_node: router}
  - {from_node: router, to_node: coder}
  - {from_node: coder, to_node: shape}
  - {from_node: talker, to_node: check, condition: "len(content) > 0"}
  - {from_node: shape, to_node: check}
entry_points: [start]
exit_points: [answer, best_effort]
allow_cycles: true
"""


def small(nodes: str = "", edges: str = "", **fields: str) -> str:
    """A graph `start -> talk -> answer` with more nodes, edges and fields, as YAML."""
    extra = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return (
        "id: g\nnodes:\n  - {id: start, type: entry}\n  - {id: talk, type: model}\n  - {id: answer, type: exit}\n"
        f"{nodes}edges:\n  - {{from_node: start, to_node: talk}}\n  - {{from_node: talk, to_node: answer}}\n"
        f"{edges}{extra}"
    )


def good() -> GraphSpec:
    return parse_graph(GOOD, "good.yaml")


def error_of(text: str) -> GraphError:
    """The error that a text gives.

    Raises:
        AssertionError: the text is a valid graph.
    """
    try:
        parse_graph(text, "bad.yaml")
    except GraphError as error:
        return error
    raise AssertionError("the graph was accepted")
