"""The classifiers: what they learn from examples, with embeddings and with words alone."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.routing import classifier
from engine.routing.classifier import (
    EmbeddingClassifier,
    WordClassifier,
    learn_embeddings,
    learn_words,
    word_classifier,
)
from engine.routing.examples import MAX_CHARACTERS, Example, examples_of, learning, texts_hash, utterances_in
from engine.routing.regression import Matrix
from tests.routing_graph import birds_or_stones

ANIMALS = {
    "cat": ["the cat purrs", "a kitten sleeps on the sofa", "my cat drinks milk", "cats chase mice"],
    "dog": ["the dog barks", "a puppy plays with a ball", "my dog guards the house", "dogs chase cars"],
}


def points(*rows: tuple[str, float, float, float]) -> tuple[tuple[Example, ...], list[list[float]]]:
    """(labels joined with +, x, y, z) as examples and their vectors."""
    examples = tuple(Example(f"{labels} {x} {y} {z}", frozenset(labels.split("+"))) for labels, x, y, z in rows)
    return examples, [[x, y, z] for _, x, y, z in rows]


def cloud(seed: int = 1) -> tuple[tuple[Example, ...], list[list[float]]]:
    """30 points around each of three corners far from zero; the third has the labels of both others."""
    rng = random.Random(seed)
    corners = {"a": (101.0, 100.0, 0.0), "b": (99.0, 100.0, 0.0), "a+b": (100.0, 102.0, 0.0)}
    rows = [
        (labels, *(value + rng.gauss(0, 0.3) for value in corner))
        for labels, corner in corners.items()
        for _ in range(30)
    ]
    return points(*rows)


def test_labels_come_from_the_examples_alone() -> None:
    scores = word_classifier(ANIMALS).scores("a little kitten purrs")
    assert list(scores) == ["cat", "dog"]
    assert scores["cat"] > 0.5 > scores["dog"]


def test_what_was_learnt_by_words_is_recognised() -> None:
    learnt = word_classifier(ANIMALS)
    for label, texts in ANIMALS.items():
        for text in texts:
            judgement = learnt.judge(text)
            assert max(judgement.scores, key=lambda name: judgement.scores[name]) == label
            assert (judgement.nearest[0].text, judgement.nearest[0].labels) == (text, (label,))
            assert judgement.nearest[0].similarity == pytest.approx(1.0)
            assert len(judgement.nearest) == 3


def test_a_text_under_two_labels_has_both() -> None:
    both = "the cat and the dog fight"
    scores = word_classifier({name: [*texts, both] for name, texts in ANIMALS.items()}).scores(both)
    assert min(scores.values()) > 0.5


def test_learning_is_deterministic_and_done_once_for_the_same_examples() -> None:
    first = word_classifier(ANIMALS)
    assert word_classifier({name: list(texts) for name, texts in ANIMALS.items()}) is first
    assert word_classifier({name: [*texts, "x"] for name, texts in ANIMALS.items()}) is not first
    examples, vectors = cloud()
    learnt = learn_embeddings(examples, vectors, "digest")
    assert learn_embeddings(examples, vectors, "digest") is learnt
    other = learn_embeddings(examples, vectors, "another digest")
    assert other is not learnt
    assert other.judge(vectors[0]) == learnt.judge(vectors[0])


def test_only_the_beginning_of_a_question_counts() -> None:
    learnt = word_classifier(ANIMALS)
    head = "the dog barks " * (MAX_CHARACTERS // 14) + "xxxx"
    assert learnt.scores(head[:MAX_CHARACTERS] + " cat" * 250_000) == learnt.scores(head[:MAX_CHARACTERS])


def test_a_text_that_is_like_nothing_has_no_label() -> None:
    learnt = word_classifier(ANIMALS)
    assert learnt.scores("") == learnt.scores("☃") == learnt.scores("0192")
    assert max(learnt.scores("☃").values()) < 0.5


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_scores_are_probabilities_for_any_text(text: str) -> None:
    assert all(0 <= score <= 1 for score in word_classifier(ANIMALS).scores(text).values())


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.lists(st.text(max_size=20), max_size=4), max_size=3))
def test_any_examples_can_be_learnt(texts: dict[str, list[str]]) -> None:
    scores = word_classifier(texts).scores("a question")
    assert set(scores) == {label for label, each in texts.items() if each}
    assert all(0 <= score <= 1 for score in scores.values())


def test_embeddings_far_from_zero_are_told_apart_because_they_are_centred() -> None:
    examples, vectors = cloud()
    learnt = EmbeddingClassifier(examples, vectors)
    for point, labels in (((101.5, 100, 0), {"a"}), ((98.5, 100, 0), {"b"}), ((100, 103, 0), {"a", "b"})):
        judgement = learnt.judge(point)
        assert {label for label, score in judgement.scores.items() if score >= 0.5} == labels, judgement
        assert set(judgement.nearest[0].labels) == labels
        assert [each.similarity for each in judgement.nearest] == sorted(
            (each.similarity for each in judgement.nearest), reverse=True
        )


def test_the_length_of_an_embedding_says_nothing() -> None:
    examples, vectors = points(("a", 1, 0, 0), ("a", 2, 0.1, 0), ("b", -1, 0, 0), ("b", -2, -0.1, 0))
    learnt = EmbeddingClassifier(examples, vectors)
    assert learnt.judge([5, 0, 0]).scores == pytest.approx(learnt.judge([0.5, 0, 0]).scores)


def test_what_was_learnt_before_gives_the_same_scores() -> None:
    examples, vectors = cloud()
    learnt = EmbeddingClassifier(examples, vectors)
    again = EmbeddingClassifier(examples, vectors, learnt.factor)
    assert again.judge([101, 101, 0]) == learnt.judge([101, 101, 0])


def taught(*texts: str) -> tuple[Example, ...]:
    return tuple(Example(text, frozenset({"b"}), taught=True) for text in texts)


@pytest.mark.parametrize("earlier", [(), ("x",), ("x", "y"), ("y",), ("x", "y", "z")])
def test_what_a_person_teaches_is_learnt_the_same_whatever_was_learnt_before(earlier: tuple[str, ...]) -> None:
    examples, vectors = cloud()
    places = {"x": [100.0, 101.0, 1.0], "y": [90.0, 99.0, 2.0], "z": [1.0, 2.0, 3.0]}
    before = EmbeddingClassifier((*examples, *taught(*earlier)), [*vectors, *(places[each] for each in earlier)])
    wanted, given = (*examples, *taught("x", "y")), [*vectors, places["x"], places["y"]]
    anew = EmbeddingClassifier(wanted, given)
    extended = EmbeddingClassifier(wanted, given, before=before)
    assert extended.judge([100, 101, 1]) == anew.judge([100, 101, 1])
    assert extended.judge([100, 101, 1]).scores["b"] > 0.5

    by_words = WordClassifier(wanted, before=WordClassifier((*examples, *taught(*earlier))))
    assert by_words.judge("x") == WordClassifier(wanted).judge("x")


def test_teaching_works_out_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[int] = []
    real = classifier.inverse_factor

    def counting(gram: Matrix, ridge: float, known: Matrix = ()) -> list[Sequence[float]]:
        worked.append(len(gram))
        return real(gram, ridge, known)

    monkeypatch.setattr(classifier, "inverse_factor", counting)
    examples, vectors = cloud(seed=9)
    learn_embeddings(examples, vectors, "m")
    learn_embeddings((*examples, *taught("new")), [*vectors, [1.0, 2.0, 3.0]], "m")
    relabelled = (Example(examples[0].text, frozenset({"b"})), *examples[1:])
    learn_embeddings(relabelled, vectors, "m")
    learn_embeddings(examples[1:], vectors[1:], "m")
    assert worked == [90, 1, 0, 89], "the graph's own utterances: another centre, all anew"
    worked.clear()
    learn_words(examples)
    learn_words((*examples, *taught("new", "newer")))
    assert worked == [90, 2]


def test_the_factor_that_comes_with_the_program_saves_the_training_and_a_damaged_one_does_not_count() -> None:
    examples, vectors = cloud(seed=4)
    anew = EmbeddingClassifier(examples, vectors)
    name = texts_hash(utterances_in(examples))
    for digest, factor in (("whole", anew.factor), ("short", anew.factor[:-1])):
        learnt = learn_embeddings(examples, vectors, digest, {name: factor})
        assert learnt.judge(vectors[0]) == anew.judge(vectors[0])
        assert (learnt.factor[5] is anew.factor[5]) == (digest == "whole")


def test_an_embedding_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width 3 is needed, not of 2"):
        EmbeddingClassifier(*cloud()).judge([1.0, 2.0])


def test_embeddings_that_are_all_the_same_are_no_failure() -> None:
    examples, vectors = points(("a", 1, 1, 1), ("b", 1, 1, 1))
    scores = EmbeddingClassifier(examples, vectors).judge([1, 1, 1]).scores
    assert all(math.isfinite(score) and score < 0.5 for score in scores.values())


def test_a_correction_changes_what_a_question_is_about() -> None:

    (config,) = learning(birds_or_stones())
    question = "Do magpies collect shiny pebbles?"
    before = WordClassifier(examples_of(config)).scores(question)
    after = WordClassifier(examples_of(config, [Example(question, frozenset({"stones"}))])).scores(question)
    assert after["stones"] > 0.5 > after["birds"]
    assert after["stones"] > before["stones"]
