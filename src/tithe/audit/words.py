"""Words that give the label away: where nearly all texts with a word have one class, the word alone decides.

That is right where the word is the topic, and an artifact where it came with how the texts were collected: a byline, a
tag, a site. A count can't tell which; a person can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.metrics import wilson
from tithe.metrics.words import PATTERN

_LEAST = 20  # texts with the word
_SURE = 0.8  # lower end of the interval of the share of one class


class Word(NamedTuple):
    """A word, how many texts have it, and the share of one class among them with its 95 % interval."""

    word: str
    texts: int
    label: int
    share: float
    low: float
    high: float


class GivenAway(NamedTuple):
    """Words by falling number of texts, and how much they cover.

    Attributes
    ----------
    total
        How many words give a label away.
    covered
        Share of the texts that have at least one of them.
    texts
        Texts that were looked at.
    """

    words: list[Word]
    total: int
    covered: float
    texts: int


def given_away(texts: Sequence[str], labels_N: Rows, classes: int, most: int) -> GivenAway:
    """Return the words of at least 20 texts nearly all of which have one class.

    Nearly all: the lower end of the share's interval is .8, and halfway from the class's share of all texts to 1.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(token_pattern=PATTERN, binary=True, min_df=min(_LEAST, len(texts)), dtype=np.int32)
    try:
        has_NV = counter.fit_transform(texts)
    except ValueError:  # no word is in enough texts
        return GivenAway([], 0, 0.0, len(texts))
    texts_V, best_V, in_best_V = _largest_classes(has_NV, labels_N, classes)
    low_V, high_V = wilson(in_best_V, texts_V)
    base_V = (np.bincount(labels_N, minlength=classes) / len(labels_N))[best_V]
    enough = (texts_V >= _LEAST) & (low_V >= np.maximum(_SURE, (1 + base_V) / 2))
    places = np.flatnonzero(enough)
    places = places[np.argsort(-texts_V[places], kind="stable")]
    names, share_V = counter.get_feature_names_out(), in_best_V / texts_V
    words = [
        Word(str(names[v]), int(texts_V[v]), int(best_V[v]), float(share_V[v]), float(low_V[v]), float(high_V[v]))
        for v in places[:most]
    ]
    covered = float((has_NV[:, places].sum(axis=1) > 0).mean()) if len(places) else 0.0
    return GivenAway(words, len(places), covered, len(texts))


def _largest_classes(has_NV: Array, labels_N: Rows, classes: int) -> tuple[Rows, Rows, Rows]:
    """Return of each word its texts, the class that most of them have, and how many have it; each of shape (V,)."""
    best_V, in_best_V = np.zeros(has_NV.shape[1], np.int64), np.full(has_NV.shape[1], -1, np.int64)
    for c in range(classes):  # a class at a time: words times classes may be a large table
        in_class_V = np.asarray(has_NV[labels_N == c].sum(axis=0)).ravel()
        best_V = np.where(in_class_V > in_best_V, c, best_V)
        in_best_V = np.maximum(in_best_V, in_class_V)
    return np.asarray(has_NV.sum(axis=0)).ravel(), best_V, in_best_V
