"""Words that decide a class: counts and intervals by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.audit.words import given_away


def test_words_of_one_class_are_listed_and_words_of_all_are_not() -> None:
    of_zero = [f"the Byline story {n}" for n in range(30)] + [f"the story {n}" for n in range(30)]
    of_one = [f"the tale {n}" for n in range(60)] + ["a byline told"]
    labels_N = np.repeat([0, 1], [60, 61])
    found = given_away([*of_zero, *of_one], labels_N, 2, most=2)
    assert [(word.word, word.texts, word.label) for word in found.words] == [("story", 60, 0), ("tale", 60, 1)]
    assert found.total == 3 and found.covered == pytest.approx(121 / 121)  # byline is the third
    byline = given_away([*of_zero, *of_one], labels_N, 2, most=9).words[2]
    assert byline[:3] == ("byline", 31, 0) and byline.share == 30 / 31 and byline.low < 30 / 31 < byline.high


def test_rare_words_and_words_of_a_large_class_say_nothing() -> None:
    texts = [f"common {'rare' if n < 5 else n}" for n in range(100)]
    found = given_away(texts, np.repeat([0, 1], [95, 5]), 2, most=9)
    assert found.words == [] and found.total == 0 and found.covered == 0
    assert given_away(["one two", "three"], np.array([0, 1]), 2, most=9).words == []
