"""The classifiers: what they learn from examples, with embeddings and with words alone."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.routing.classifier import EmbeddingClassifier, WordClassifier, learn_embeddings, word_classifier
from engine.routing.examples import MAX_CHARACTERS, Example, examples_of, learning
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
    classifier = word_classifier(ANIMALS)
    for label, texts in ANIMALS.items():
        for text in texts:
            judgement = classifier.judge(text)
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
    assert other.fits == learnt.fits


def test_only_the_beginning_of_a_question_counts() -> None:
    classifier = word_classifier(ANIMALS)
    head = "the dog barks " * (MAX_CHARACTERS // 14) + "xxxx"
    assert classifier.scores(head[:MAX_CHARACTERS] + " cat" * 250_000) == classifier.scores(head[:MAX_CHARACTERS])


def test_a_text_that_is_like_nothing_has_no_label() -> None:
    classifier = word_classifier(ANIMALS)
    assert classifier.scores("") == classifier.scores("☃") == classifier.scores("0192")
    assert max(classifier.scores("☃").values()) < 0.5


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
    classifier = EmbeddingClassifier(examples, vectors)
    for point, labels in (((101.5, 100, 0), {"a"}), ((98.5, 100, 0), {"b"}), ((100, 103, 0), {"a", "b"})):
        judgement = classifier.judge(point)
        assert {label for label, score in judgement.scores.items() if score >= 0.5} == labels, judgement
        assert set(judgement.nearest[0].labels) == labels
        assert [each.similarity for each in judgement.nearest] == sorted(
            (each.similarity for each in judgement.nearest), reverse=True
        )


def test_the_length_of_an_embedding_says_nothing() -> None:
    examples, vectors = points(("a", 1, 0, 0), ("a", 2, 0.1, 0), ("b", -1, 0, 0), ("b", -2, -0.1, 0))
    classifier = EmbeddingClassifier(examples, vectors)
    assert classifier.judge([5, 0, 0]).scores == pytest.approx(classifier.judge([0.5, 0, 0]).scores)


def test_regressions_that_were_learnt_before_give_the_same_scores() -> None:
    examples, vectors = cloud()
    learnt = EmbeddingClassifier(examples, vectors)
    again = EmbeddingClassifier(examples, vectors, learnt.fits)
    assert again.judge([101, 101, 0]) == learnt.judge([101, 101, 0])


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
