"""Which rows a report shows, which labels it doubts, and how right the answers are for each kind of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tithe.arrays import Array
from tithe.data import Dataset
from tithe.evaluate import details
from tithe.evaluate.details import Answers


def answers(labels: list[int], probs: Array, texts: list[str] | None = None) -> Answers:
    rows = np.arange(len(labels))
    table = pa.table({"id": 10 + rows, "input": texts or [f"text {row}" for row in rows]})
    return Answers(rows, Dataset(table, rows, np.array(labels), "source"), np.asarray(probs))


SURE = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.05, 0.95], [0.3, 0.7]]


def test_the_worst_mistakes_are_those_that_were_surest() -> None:
    assert details.worst(answers([0, 0, 1, 0, 1], SURE)).tolist() == [3, 1, 2]
    many = answers([1] * 50, [[0.9, 0.1]] * 50)
    assert details.worst(many).tolist() == list(range(12))


def test_every_cell_has_a_few_rows() -> None:
    rng, classes = np.random.default_rng(0), 3
    labels = rng.integers(classes, size=2000)
    made = answers(labels.tolist(), rng.dirichlet(np.ones(classes), 2000))
    shown = details.of_cells(made)
    cells = {(t, p): 0 for t in range(classes) for p in range(classes)}
    for place in shown:
        cells[int(made.labels[place]), int(made.predicted[place])] += 1
    assert cells == {(t, p): 3 if t == p else 5 for t in range(classes) for p in range(classes)}
    first = shown[(made.labels[shown] == 0) & (made.predicted[shown] == 1)][0]
    of_cell = np.flatnonzero((made.labels == 0) & (made.predicted == 1))
    margin = made.probs_NC[of_cell, 1] - made.probs_NC[of_cell, 0]
    assert first == of_cell[margin.argmax()]


def test_many_classes_show_no_more_rows_and_the_fullest_cells() -> None:
    classes = 400
    labels = np.arange(4000) % classes
    probs_NC = np.full((4000, classes), 0.001)
    probs_NC[np.arange(4000), (labels + 1) % classes] = 0.6
    probs_NC[labels == 7, :] = 0.001
    probs_NC[labels == 7, 300] = 0.6
    more = answers([*labels.tolist(), *[9] * 90], np.vstack([probs_NC, np.eye(classes)[[10] * 90]]))
    shown = details.of_cells(more)
    assert len(shown) == 200 and (more.labels[shown[:5]] == 9).all()


def test_a_label_is_doubted_where_the_model_is_surer_than_usual_of_another_class() -> None:
    # Class 0 is usually given .9 or .7, .8 on average: of the rows of class 1, .9 is more than that and .6 is not.
    made = answers([0, 0, 1, 1, 1], np.array([[0.9, 0.1], [0.7, 0.3], [0.9, 0.1], [0.6, 0.4], [0.1, 0.9]]))
    assert details.suspects(made).tolist() == [False, False, True, False, False]
    nobody = answers([0, 0], np.array([[0.1, 0.9], [0.2, 0.8]]))
    assert details.suspects(nobody).tolist() == [False, False], "no row has class 1: nothing is usual for it"


SCRIPTS = [("plain words", 0), ("обычные слова and two", 1), ("12:30, 中文", 2), ("", 2)]


@pytest.mark.parametrize(("text", "script"), SCRIPTS)
def test_the_script_of_a_text_is_that_of_most_letters(text: str, script: int) -> None:
    assert details._script(text) == script
