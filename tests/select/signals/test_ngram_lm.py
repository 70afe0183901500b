"""The n-gram model against a naive one made of dictionaries, and out-of-fold scores against models fit one by one."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tithe.data import cross_validation
from tithe.select.signals import ngram_lm

Array = np.ndarray[Any, np.dtype[Any]]
Base = Callable[[list[int], int], float]
V = 12


def draw(rows: int, seed: int, longest: int = 9) -> list[Array]:
    """Return texts of 0 to `longest` tokens in which the next token depends on the last two."""
    rng = np.random.default_rng(seed)
    texts = []
    for length in rng.integers(0, longest + 1, rows):
        text = [int(rng.integers(V)), int(rng.integers(V))]
        while len(text) < length:
            text.append((text[-1] + 2 * text[-2] + int(rng.integers(2))) % V)
        texts.append(np.array(text[:length], dtype=np.int64))
    return texts


def corpus(texts: Sequence[Array], order: int = 3) -> ngram_lm.Corpus:
    tokens = np.concatenate([np.zeros(0, np.int32), *texts]).astype(np.int32)
    return ngram_lm.Corpus.of(tokens, np.cumsum([0, *map(len, texts)]), V, order)


def histories(past: list[int], order: int) -> list[tuple[object, ...]]:
    """Return the last 0, 1, … tokens before a token, as many as there are, the start of the text included."""
    marked = ["start", *past]
    return [tuple(marked[len(marked) - n :]) for n in range(min(order, len(marked) + 1))]


class Naive:
    """Witten–Bell smoothing token by token."""

    def __init__(self, texts: Sequence[Array], order: int, base: Base) -> None:
        self.order, self.base = order, base
        self.after: dict[object, Counter[int]] = defaultdict(Counter)
        for text in texts:
            for i, token in enumerate(text.tolist()):
                for history in histories(text[:i].tolist(), order):
                    self.after[history][token] += 1

    def p(self, past: list[int], token: int) -> float:
        p = self.base(past, token)
        for history in histories(past, self.order):
            if seen := self.after.get(history):
                p = (seen[token] + len(seen) * p) / (seen.total() + len(seen))
        return p

    def log_prob(self, text: Array) -> float:
        ids = text.tolist()
        return sum(math.log(self.p(ids[:i], token)) for i, token in enumerate(ids))


def equal(past: list[int], token: int) -> float:
    return 1 / V


# ---- the model


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_model_agrees_with_a_naive_one(order: int) -> None:
    model = ngram_lm.NGram(order).fit(draw(60, seed=0), V)
    naive = Naive(draw(60, seed=0), order, equal)
    texts = [*draw(60, seed=0), *draw(60, seed=1)]
    sums_N, tokens_N = model.log_probs(texts)
    assert sums_N == pytest.approx([naive.log_prob(text) for text in texts])
    assert tokens_N.tolist() == [len(text) for text in texts]
    assert model.log_prob(texts[-1]) == sums_N[-1]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [0, 1, 60])
def test_probabilities_of_the_next_token_sum_to_one(order: int, rows: int) -> None:
    model = ngram_lm.NGram(order).fit(draw(rows, seed=3), V)
    for past in ([], [0], [5, 1], [1, 3, 5], [11, 11, 11, 11, 11, 11]):
        total = sum(math.exp(model.log_prob(np.array([*past, w])) - model.log_prob(np.array(past))) for w in range(V))
        assert total == pytest.approx(1)


def test_witten_bell_known_answer() -> None:
    # Of "0 0 1": 0 twice, 1 once, two types of three tokens; after 0 once 0 and once 1; at the start 0 once.
    model = ngram_lm.NGram(2).fit([np.array([0, 0, 1])], 4)
    zero, one = (2 + 2 / 4) / 5, (1 + 2 / 4) / 5
    assert model.log_prob(np.array([0])) == pytest.approx(math.log((1 + zero) / 2))
    assert model.log_prob(np.array([0, 1])) == pytest.approx(math.log((1 + zero) / 2 * (1 + 2 * one) / 4))
    # Nothing is known after 3, and 3 itself was never seen.
    assert model.log_prob(np.array([3, 1])) == pytest.approx(math.log((2 / 4 / 5) / 2 * one))


@pytest.mark.parametrize("length", [1, 2, 7, 500])
@pytest.mark.parametrize("vocabulary", [1, 12, 30_000])
def test_a_uniform_model_has_the_perplexity_of_its_vocabulary(length: int, vocabulary: int) -> None:
    text = np.arange(length) % vocabulary
    found = ngram_lm.perplexity(*ngram_lm.NGram().fit([], vocabulary).log_probs([text]))
    assert found == pytest.approx([vocabulary])
    every = ngram_lm.NGram(1).fit([np.arange(vocabulary)], vocabulary)
    assert ngram_lm.perplexity(*every.log_probs([text])) == pytest.approx([vocabulary])


def test_a_repeated_text_keeps_its_perplexity_under_a_unigram_model() -> None:
    model = ngram_lm.NGram(1).fit(draw(60, seed=0), V)
    text = draw(1, seed=2, longest=40)[0]
    once, twice, often = ngram_lm.perplexity(*model.log_probs([text, np.tile(text, 2), np.tile(text, 50)]))
    assert len(text) > 1
    assert twice == pytest.approx(once)
    assert often == pytest.approx(once)


def test_three_orders_know_what_depends_on_two_tokens() -> None:
    train, held_out = draw(3000, seed=0), [text for text in draw(300, seed=1) if len(text)]
    found = [
        np.median(ngram_lm.perplexity(*ngram_lm.NGram(order).fit(train, V).log_probs(held_out))) for order in (1, 2, 3)
    ]
    assert min(found[:2]) > 0.9 * V  # one token before tells nothing
    assert found[2] < 0.6 * V


def test_an_empty_text_has_log_probability_zero_and_infinite_perplexity() -> None:
    model = ngram_lm.NGram().fit(draw(10, seed=0), V)
    empty = np.zeros(0, dtype=np.int64)
    assert model.log_prob(empty) == 0
    assert ngram_lm.perplexity(*model.log_probs([empty, np.array([1]), empty]))[[0, 2]].tolist() == [np.inf, np.inf]
    assert [len(part) for part in model.log_probs([])] == [0, 0]


@pytest.mark.parametrize("token", [-1, V])
def test_a_token_outside_the_vocabulary_is_an_error(token: int) -> None:
    with pytest.raises(ValueError, match=rf"token ids -?\d+ to \d+: a vocabulary of {V} has 0 to {V - 1}"):
        ngram_lm.NGram().fit([np.array([0, token])], V)
    with pytest.raises(ValueError, match="vocabulary"):
        ngram_lm.NGram().fit([np.array([0])], V).log_prob(np.array([0, token]))


# ---- out of fold


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(("rows", "folds"), [(97, 5), (10, 3), (3, 5)])
def test_perplexities_are_those_of_models_fit_on_the_other_folds(rows: int, folds: int, order: int) -> None:
    texts = draw(rows, seed=1)
    found_N = ngram_lm.perplexity_out_of_fold(corpus(texts, order), folds, seed=4)
    fold_N = cross_validation.folds(np.zeros(rows, dtype=np.int64), folds, seed=4)
    for i, text in enumerate(texts):
        others = [other for other, fold in zip(texts, fold_N, strict=True) if fold != fold_N[i]]
        model = ngram_lm.NGram(order).fit(others, V)
        assert found_N[i] == pytest.approx(ngram_lm.perplexity(*model.log_probs([text]))[0])


def test_a_text_is_more_surprising_to_a_model_that_has_not_seen_it() -> None:
    texts = [text for text in draw(200, seed=0) if len(text)]
    seen_N = ngram_lm.perplexity(*ngram_lm.NGram().fit(texts, V).log_probs(texts))
    assert (ngram_lm.perplexity_out_of_fold(corpus(texts)) > seen_N).mean() > 0.95
    # A phrase of one text, over and over: known by heart to a model that has seen it, and new out of fold.
    texts[7] = np.tile([9, 10, 11], 20)
    texts = [text if i == 7 else text % 9 for i, text in enumerate(texts)]
    assert ngram_lm.perplexity_out_of_fold(corpus(texts))[7] > 10 * V
    assert ngram_lm.perplexity(*ngram_lm.NGram().fit(texts, V).log_probs(texts))[7] < 2


def test_another_seed_changes_the_perplexities_a_little() -> None:
    texts = [text for text in draw(2000, seed=0) if len(text) > 4]
    first, again, other = (ngram_lm.perplexity_out_of_fold(corpus(texts), seed=seed) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    assert np.median(np.abs(np.log(first / other))) < 0.05


@pytest.mark.parametrize("texts", [[], [[]], [[1]], [[], []], [[], [1, 2], []], [[3]] * 7])
def test_perplexity_of_hardly_any_texts(texts: list[list[int]]) -> None:
    arrays = [np.array(text, dtype=np.int64) for text in texts]
    found_N = ngram_lm.perplexity_out_of_fold(corpus(arrays))
    assert found_N.shape == (len(texts),)
    assert np.isinf(found_N).tolist() == [len(text) == 0 for text in texts]
    if len(texts) == 1 and texts[0]:
        assert found_N == pytest.approx([V])  # no other text: nothing is known


# ---- losses of labels


@pytest.mark.parametrize("order", [1, 3])
def test_label_losses_follow_by_bayes_from_models_of_the_other_folds(order: int) -> None:
    rng = np.random.default_rng(0)
    texts, labels = draw(50, seed=5), rng.permutation(np.repeat([0, 1, 3], [30, 19, 1]))
    conditional_N, prior_N = ngram_lm.label_losses_out_of_fold(corpus(texts, order), labels, 4, 5, seed=2)
    fold_N = cross_validation.folds(labels, 5, seed=2)
    for i, text in enumerate(texts):
        others = [j for j in range(50) if fold_N[j] != fold_N[i]]
        everything = Naive([texts[j] for j in others], order, equal)
        models = [Naive([texts[j] for j in others if labels[j] == c], order, everything.p) for c in range(4)]
        priors = [(sum(labels[j] == c for j in others) + 1) / (len(others) + 4) for c in range(4)]
        joint = [prior * math.exp(model.log_prob(text)) for prior, model in zip(priors, models, strict=True)]
        assert prior_N[i] == pytest.approx(-math.log(priors[labels[i]]))
        assert conditional_N[i] == pytest.approx(-math.log(joint[labels[i]] / sum(joint)))


def test_texts_help_to_tell_labels_that_they_show_and_mislead_where_labels_are_wrong() -> None:
    labels = np.arange(400) % 2
    texts = [(text % 6) + 6 * label for text, label in zip(draw(400, seed=0, longest=20), labels, strict=True)]
    wrong = np.flatnonzero([len(text) > 3 for text in texts])[:10]
    labels[wrong] = 1 - labels[wrong]
    conditional_N, prior_N = ngram_lm.label_losses_out_of_fold(corpus(texts), labels, 2)
    right = np.setdiff1d(np.flatnonzero([len(text) > 3 for text in texts]), wrong)
    assert (conditional_N[right] < prior_N[right]).mean() > 0.99
    assert np.median(conditional_N[right]) < 1e-6
    assert (conditional_N[wrong] > prior_N[wrong]).all()
    assert conditional_N[right].min() > 0  # never rounded to nothing: the easiest keep their order


def test_a_text_without_tokens_leaves_the_label_to_its_frequency() -> None:
    texts = [np.zeros(0, dtype=np.int64), *draw(20, seed=0)]
    conditional_N, prior_N = ngram_lm.label_losses_out_of_fold(corpus(texts), np.arange(21) % 3, 3)
    assert conditional_N[0] == pytest.approx(prior_N[0])


def test_a_class_of_one_row_says_nothing_and_one_class_is_certain() -> None:
    labels = np.array([1] + [0] * 30)
    conditional_N, prior_N = ngram_lm.label_losses_out_of_fold(corpus(draw(31, seed=0)), labels, 2)
    assert np.isfinite(conditional_N).all()
    assert prior_N[0] == pytest.approx(-math.log(1 / 27), rel=0.05)
    assert conditional_N[0] < prior_N[0] + 5  # its model is that of all texts, not the uniform one
    only = ngram_lm.label_losses_out_of_fold(corpus(draw(10, seed=0)), np.zeros(10, dtype=np.int64), 1)
    assert [part.tolist() for part in only] == [[0.0] * 10, [0.0] * 10]
    assert [len(part) for part in ngram_lm.label_losses_out_of_fold(corpus([]), np.zeros(0, np.int64), 2)] == [0, 0]


def test_cross_entropy_known_answers() -> None:
    scores_NC = np.log([[0.8, 0.2], [0.8, 0.2], [0.5, 0.5]]) - 1000
    found_N = ngram_lm._cross_entropy(scores_NC, np.array([0, 1, 0]))
    assert found_N == pytest.approx([-math.log(0.8), -math.log(0.2), -math.log(0.5)])
    assert ngram_lm._cross_entropy(np.array([[0.0, -90.0, -95.0]]), np.array([0])) == pytest.approx(
        [8.25e-40], rel=0.01
    )
    assert ngram_lm._cross_entropy(np.array([[0.0, -9000.0]]), np.array([1])) == pytest.approx([9000])
