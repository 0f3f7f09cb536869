"""What comes with the program for routing: utterances, their embeddings, and no label in the code."""

from __future__ import annotations

import ast
import re
from difflib import SequenceMatcher
from pathlib import Path

from engine.graph.loader import load_graph
from engine.graph.shipped import shipped_graphs
from engine.models.gguf import read_header
from engine.models.model_files import bundled_model
from engine.models.protocol import ModelInfo
from engine.routing.classifier import EmbeddingClassifier
from engine.routing.embedder import Embedder
from engine.routing.examples import learning, texts_hash, utterances_in
from engine.routing.shipped_vectors import shipped_files, shipped_vectors, text_key
from tests.routing.material import Recorded, development_set, shipped_examples

ROOT = Path(__file__).parents[2]
REMEDY = "run `python -m tests.routing.embeddings`"


def test_the_shipped_embeddings_are_those_of_the_shipped_utterances() -> None:
    (file,) = shipped_files()
    ((digest, known),) = shipped_vectors().items()
    embedder = Embedder(ModelInfo("any", capabilities=frozenset({"chat", "embed"})), Recorded(known))
    examples = shipped_examples()
    keys = {text_key(embedder.framed(each.text)) for each_set in examples for each in each_set}
    assert set(known.vectors) == keys, REMEDY
    assert set(known.factors) == {texts_hash(utterances_in(each)) for each in examples}, REMEDY
    assert len({len(vector) for vector in known.vectors.values()}) == 1
    assert digest == known.digest
    assert file.stat().st_size < 1_000_000


def test_what_was_learnt_from_the_shipped_embeddings_is_what_would_be_learnt_now() -> None:
    (known,) = shipped_vectors().values()
    embedder = Embedder(ModelInfo("any", capabilities=frozenset({"chat", "embed"})), Recorded(known))
    for examples in shipped_examples():
        vectors = [known.vectors[text_key(embedder.framed(each.text))] for each in examples]
        fresh, shipped = EmbeddingClassifier(examples, vectors), known.factors[texts_hash(utterances_in(examples))]
        learnt = EmbeddingClassifier(examples, vectors, shipped)
        for vector in vectors[::40]:
            ours, theirs = fresh.judge(vector).scores, learnt.judge(vector).scores
            assert all(abs(ours[label] - theirs[label]) < 1e-3 for label in ours), REMEDY


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def test_no_utterance_is_nearly_one_of_the_questions_that_routing_is_measured_with() -> None:
    questions = [words(each.text) for each in development_set()]
    for examples in shipped_examples():
        for each in examples:
            own = words(each.text)
            for question in questions:
                shared = len({*own} & {*question}) / max(len({*own} | {*question}), 1)
                assert shared < 0.6, each.text
                if shared > 0.3:
                    assert SequenceMatcher(None, own, question).ratio() < 0.75, each.text


def test_no_label_of_a_shipped_graph_stands_in_the_code_that_routes() -> None:
    routers = [config for name in shipped_graphs() for config in learning(load_graph(name))]
    rules = {"arithmetic", "fence"}  # words of the graph's language: rules that a route switches on
    labels = {route.name for config in routers for route in config.routes} - rules
    assert {"code", "math", "general"} <= labels
    files = [*(ROOT / "engine" / "routing").glob("*.py"), *(ROOT / "engine" / "nodes").glob("rout*.py")]
    assert len(files) > 8
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in labels, f"{file.name}:{node.lineno}"


def test_the_bundled_model_is_the_one_that_made_the_shipped_embeddings() -> None:
    assert read_header(bundled_model()).digest in shipped_vectors(), REMEDY
