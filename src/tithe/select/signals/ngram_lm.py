"""A smoothed n-gram language model of token ids, and losses of texts that it was not fit on.

Every n-gram of a corpus gets a number once, by sorting. A model is then just the counts of these numbers, so that the
model of any part of the corpus costs a few passes over arrays: folds and classes share one numbering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data import cross_validation

# A number that no n-gram and no history has; its counts are 0.
_UNSEEN = 0


class NGram:
    """An interpolated n-gram model with Witten–Bell smoothing (Witten & Bell 1991; Chen & Goodman 1999).

    p(w | h) = (c(hw) + t(h)·p(w | h')) / (c(h) + t(h)), where c counts, t(h) is the number of distinct tokens seen
    after h, and h' is h without its first token; below the first order every token is equally likely. There is no
    parameter to estimate, so that the model is defined on one text, and on none: then it is uniform.

    The start of a text is a history; its end is no event: a text is scored by its own tokens alone.

    Parameters
    ----------
    order
        Tokens of the longest n-gram, the predicted one included.
    """

    def __init__(self, order: int = 3) -> None:
        self.order = order

    def fit(self, texts: Sequence[Array], vocabulary: int) -> Self:
        """Count the n-grams of texts: arrays of token ids below `vocabulary`."""
        tokens, offsets = _joined(texts)
        self._orders, numbers = _number(tokens, offsets, vocabulary, self.order)
        self._counts = [_count(order, n.gram_T) for order, n in zip(self._orders, numbers, strict=True)]
        return self

    def log_prob(self, text: Array) -> float:
        """Return the natural-log probability of a text; 0 for an empty one."""
        return float(self.log_probs([text])[0][0])

    def log_probs(self, texts: Sequence[Array]) -> tuple[Array, Rows]:
        """Return the sum of natural-log probabilities and the number of tokens of each text, both (N,)."""
        tokens, offsets = _joined(texts)
        lengths = np.diff(offsets)
        return _sums(np.log(_probabilities(_recognise(tokens, offsets, self._orders), self._counts)), lengths), lengths


def perplexity(log_probs_N: Array, tokens_N: Rows) -> Array:
    """Return exp(mean token negative log-likelihood), shape (N,); +inf for a text without tokens."""
    mean_N = np.full(len(tokens_N), np.inf)
    np.divide(-log_probs_N, tokens_N, out=mean_N, where=tokens_N > 0)
    perplexity_N: Array = np.exp(mean_N)
    return perplexity_N


@dataclass(frozen=True)
class Corpus:
    """Texts, their n-grams numbered; made by `Corpus.of`.

    Attributes
    ----------
    orders, numbers
        The n-grams of each length up to the order, and the number of the one that ends at each token.
    offsets, lengths
        Where each text begins, shape (N + 1,), and its number of tokens, shape (N,).
    """

    orders: list[_Order]
    numbers: list[_Numbers]
    offsets: Rows
    lengths: Rows

    @classmethod
    def of(cls, tokens: Array, offsets: Rows, vocabulary: int, order: int = 3) -> Corpus:
        """Number the n-grams of texts.

        Parameters
        ----------
        tokens, offsets
            Token ids of all texts end to end; text i has tokens offsets[i] to offsets[i + 1].
        vocabulary
            More than the highest token id.
        order
            Of the models, see `NGram`.
        """
        return cls(*_number(tokens, offsets, vocabulary, order), offsets, np.diff(offsets))

    def numbers_of(self, rows: Rows) -> list[_Numbers]:
        """Return the numbers of some texts, text after text."""
        at = self._positions(rows)
        return [_Numbers(n.gram_T[at], n.history_T[at]) for n in self.numbers]

    def counts_of(self, rows: Rows) -> list[_Counts]:
        """Return the model of some texts."""
        at = self._positions(rows)
        return [_count(order, n.gram_T[at]) for order, n in zip(self.orders, self.numbers, strict=True)]

    def _positions(self, rows: Rows) -> Rows:
        lengths = self.lengths[rows]
        before = np.cumsum(lengths) - lengths
        positions: Rows = np.arange(lengths.sum()) + np.repeat(self.offsets[rows] - before, lengths)
        return positions


def perplexity_out_of_fold(corpus: Corpus, folds: int = 5, seed: int = 0) -> Array:
    """Return the perplexity of each text under a model of the texts in the other folds, shape (N,).

    Parameters
    ----------
    folds, seed
        Number of folds, and the seed of how texts are assigned to them.

    Returns
    -------
    exp(mean token negative log-likelihood); +inf for an empty text.
    """
    sums_N = np.zeros(len(corpus.lengths))
    fold_N = cross_validation.folds(np.zeros(len(sums_N), dtype=np.int64), folds, seed)
    for others, fold in cross_validation.parts(fold_N):
        p_T = _probabilities(corpus.numbers_of(fold), corpus.counts_of(others))
        sums_N[fold] = _sums(np.log(p_T), corpus.lengths[fold])
    return perplexity(sums_N, corpus.lengths)


def label_losses_out_of_fold(
    corpus: Corpus, labels_N: Rows, classes: int, folds: int = 5, seed: int = 0
) -> tuple[Array, Array]:
    """Return −ln p(y | x) and −ln p(y) of each text's label y, both (N,), from the texts in the other folds.

    p(y | x) follows by Bayes from one model of each class. Such a model backs off to the model of all texts where
    `NGram` backs off to the uniform distribution, so that a class of few texts, or of none in the other folds, has
    little influence instead of an arbitrary one. p(y) counts every class once more than it occurs, so that no loss is
    infinite.

    Parameters
    ----------
    labels_N, classes
        Class indices, shape (N,), and the number of classes.
    folds, seed
        As for `perplexity_out_of_fold`; the folds are stratified by class.
    """
    conditional_N, prior_N = np.zeros(len(labels_N)), np.zeros(len(labels_N))
    for others, fold in cross_validation.parts(cross_validation.folds(labels_N, folds, seed)):
        numbers, lengths = corpus.numbers_of(fold), corpus.lengths[fold]
        base_T = _probabilities(numbers, corpus.counts_of(others))
        seen_C = np.bincount(labels_N[others], minlength=classes) + 1
        log_prior_C = np.log(seen_C / seen_C.sum())
        joint_NC = np.empty((len(fold), classes))
        for c in range(classes):
            p_T = _probabilities(numbers, corpus.counts_of(others[labels_N[others] == c]), base_T)
            joint_NC[:, c] = _sums(np.log(p_T), lengths) + log_prior_C[c]
        conditional_N[fold] = _cross_entropy(joint_NC, labels_N[fold])
        prior_N[fold] = -log_prior_C[labels_N[fold]]
    return conditional_N, prior_N


def _cross_entropy(scores_NC: Array, labels_N: Rows) -> Array:
    """Return −ln softmax at the label, exact near 0 too, so that even the easiest rows keep their order."""
    label_N1 = labels_N[:, None]
    margin_NC = scores_NC - np.take_along_axis(scores_NC, label_N1, axis=1)
    np.put_along_axis(margin_NC, label_N1, -np.inf, axis=1)
    losses_N: Array = np.logaddexp(0, np.logaddexp.reduce(margin_NC, axis=1))
    return losses_N


# ---- numbers


class _Order(NamedTuple):
    """The n-grams of one length: sorted keys (G,), the number of each one's history (G,), how many histories.

    A key is the number of the history times the vocabulary, plus the last token; the number of an n-gram is 1 + the
    place of its key.
    """

    keys_G: Rows
    history_G: Rows
    histories: int


class _Numbers(NamedTuple):
    """For one order: the number of the n-gram that ends at each token, and that of its history, both (T,)."""

    gram_T: Rows
    history_T: Rows


def _joined(texts: Sequence[Array]) -> tuple[Rows, Rows]:
    """Return the tokens of all texts end to end, and their offsets, shape (N + 1,)."""
    offsets = np.cumsum([0, *map(len, texts)])
    return np.concatenate([np.zeros(0, dtype=np.int64), *texts]).astype(np.int64), offsets


def _number(tokens: Array, offsets: Rows, vocabulary: int, order: int) -> tuple[list[_Order], list[_Numbers]]:
    """Number the n-grams of texts, order by order."""
    keys = vocabulary + np.arange(vocabulary)
    orders, numbers = [_Order(keys, keys // vocabulary, 1)], [_unigrams(tokens, vocabulary)]
    for _ in range(1, order):
        history_T = _histories(numbers, offsets, vocabulary)
        keys, place_T = np.unique(history_T * vocabulary + tokens, return_inverse=True)
        unseen = int(np.searchsorted(keys, vocabulary))  # n-grams that would reach over the start of their text
        histories = vocabulary + 1 if len(orders) == 1 else len(orders[-1].keys_G)
        orders.append(_Order(keys[unseen:], keys[unseen:] // vocabulary, histories))
        numbers.append(_Numbers(np.maximum(place_T + 1 - unseen, _UNSEEN), history_T))
    return orders, numbers


def _recognise(tokens: Array, offsets: Rows, orders: list[_Order]) -> list[_Numbers]:
    """Number the n-grams of texts as those of another corpus."""
    vocabulary = len(orders[0].keys_G)
    numbers = [_unigrams(tokens, vocabulary)]
    for order in orders[1:]:
        history_T = _histories(numbers, offsets, vocabulary)
        key_T = history_T * vocabulary + tokens
        place_T = np.searchsorted(order.keys_G, key_T)
        known_T = place_T < len(order.keys_G)
        known_T[known_T] = order.keys_G[place_T[known_T]] == key_T[known_T]
        numbers.append(_Numbers(np.where(known_T, place_T + 1, _UNSEEN), history_T))
    return numbers


def _unigrams(tokens: Array, vocabulary: int) -> _Numbers:
    """Number single tokens; their empty history is number 1."""
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocabulary:
        # Such a token would take another n-gram's key.
        raise ValueError(
            f"token ids {tokens.min()} to {tokens.max()}: a vocabulary of {vocabulary} has 0 to {vocabulary - 1}"
        )
    return _Numbers(tokens.astype(np.int64) + 1, np.broadcast_to(np.int64(1), tokens.shape))


def _histories(numbers: list[_Numbers], offsets: Rows, vocabulary: int) -> Rows:
    """Number the histories of the next order: the n-grams of the last one, moved on by a token.

    To a bigram the start of a text is a token beyond the vocabulary; a longer n-gram does not reach over it.
    """
    history_T = np.roll(numbers[-1].gram_T, 1)
    history_T[offsets[:-1][np.diff(offsets) > 0]] = vocabulary + 1 if len(numbers) == 1 else _UNSEEN
    return history_T


# ---- counts


class _Counts(NamedTuple):
    """A model of one order: counts of n-grams and of histories, and of the distinct tokens after each history."""

    gram_G: Rows
    history_H: Array
    types_H: Rows


def _count(order: _Order, gram_T: Rows) -> _Counts:
    gram_G = np.bincount(gram_T, minlength=len(order.keys_G) + 1)
    gram_G[_UNSEEN] = 0
    seen = np.flatnonzero(gram_G)
    history, size = order.history_G[seen - 1], order.histories + 1
    return _Counts(gram_G, np.bincount(history, gram_G[seen], minlength=size), np.bincount(history, minlength=size))


def _probabilities(numbers: list[_Numbers], counts: list[_Counts], base_T: Array | None = None) -> Array:
    """Return the probability of each token, shape (T,), from those below the first order: equal ones if not given."""
    vocabulary = len(counts[0].gram_G) - 1
    p_T = np.full(len(numbers[0].gram_T), 1 / vocabulary) if base_T is None else base_T.copy()
    for (gram_T, history_T), (gram_G, history_H, types_H) in zip(numbers, counts, strict=True):
        types_T = types_H[history_T]
        at = np.flatnonzero(types_T)  # most histories are unknown to the model of a small class
        types = types_T[at]
        p_T[at] = (gram_G[gram_T[at]] + types * p_T[at]) / (history_H[history_T[at]] + types)
    return p_T


def _sums(values_T: Array, lengths: Rows) -> Array:
    """Return the sum over each text's tokens, shape (N,)."""
    return np.bincount(np.repeat(np.arange(len(lengths)), lengths), values_T, minlength=len(lengths))
