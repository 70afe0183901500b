"""The baseline of words: a known answer, the same one twice, and classes that training lacks."""

import numpy as np
import pytest

from tithe.metrics.words import Labelled, word_baseline

TRAIN = Labelled(["red apple", "red cherry", "blue sky", "blue sea", "!!!", "???"], np.array([0, 0, 1, 1, 3, 3]))
TEST = Labelled(["red wall", "blue wall", "green blue wall", "red ??? red", "!!!"], np.array([0, 1, 0, 0, 3]))


def test_words_decide_and_the_scores_are_those_of_the_predictions() -> None:
    found = word_baseline(TRAIN, TEST, classes=4, seed=0)
    assert found.predicted.tolist() == [0, 1, 1, 0, 3]
    assert found.accuracy == 4 / 5
    # F1 by hand: class 0 precision 1 recall 2/3, class 1 precision 1/2 recall 1, class 3 all; class 2 does not occur.
    assert np.isclose(found.f1, (4 / 5 + 2 / 3 + 1) / 3)
    assert found.rows == 6 and found.seconds >= 0


def test_one_class_in_training_is_the_answer_to_everything() -> None:
    found = word_baseline(Labelled(["a", "b"], np.array([2, 2])), TEST, classes=4, seed=0)
    assert found.predicted.tolist() == [2] * 5


def test_of_many_rows_a_seeded_part_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tithe.metrics.words._MOST", 3)
    first, again = (word_baseline(TRAIN, TEST, classes=4, seed=5) for _ in range(2))
    assert first.rows == 3 and first.predicted.tolist() == again.predicted.tolist()
