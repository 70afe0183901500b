"""The confusion matrix of a page, the classes by their mistakes, and single rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tithe.report import mistakes
from tithe.report.mistakes import Square


def scores(matrix_CC: np.ndarray) -> dict[str, Any]:
    table = [{"class": f"c{c:02}", "precision": 0.1, "recall": 0.2, "f1": c, "rows": 5} for c in range(len(matrix_CC))]
    return {"per_class": table, "confusion_matrix": matrix_CC.tolist()}


def example(label: int, predicted: int, **more: object) -> dict[str, Any]:
    return {"label": label, "predicted": predicted, "text": "a\u202eb", "row": 3, **more}


def test_the_page_lists_the_pairs_that_a_large_matrix_cannot_show() -> None:
    matrix_CC = 4 * np.eye(21, dtype=int)
    matrix_CC[7, 3], matrix_CC[2, 9], matrix_CC[2, 4] = 6, 3, 3
    shown = [example(7, 3), example(7, 3), example(2, 9)]
    assert mistakes.squares(scores(matrix_CC), shown) == []
    assert mistakes.pairs(scores(matrix_CC), shown) == [
        Square(7, 3, 6, 0.6, 2),
        Square(2, 4, 3, 0.3, 0),
        Square(2, 9, 3, 0.3, 1),
    ]
    assert len(mistakes.pairs(scores(np.ones((400, 400), dtype=int)), [])) == 30


def test_a_small_matrix_is_shown_whole() -> None:
    assert mistakes.squares(scores(np.array([[3, 1], [0, 0]])), [example(0, 1)]) == [
        [Square(0, 0, 3, 0.75, 0), Square(0, 1, 1, 0.25, 1)],
        [Square(1, 0, 0, 0.0, 0), Square(1, 1, 0, 0.0, 0)],
    ]


@pytest.mark.parametrize("matrix_CC", [np.ones((20, 20), dtype=int), np.eye(21, dtype=int)], ids=["shown", "none"])
def test_there_is_no_list_of_what_the_matrix_shows_or_of_nothing(matrix_CC: np.ndarray) -> None:
    assert mistakes.pairs(scores(matrix_CC), []) == []


def test_the_class_with_the_most_mistakes_comes_first() -> None:
    table = mistakes.classes(scores(np.array([[90, 1, 9], [3, 2, 0], [0, 0, 5]])))
    assert [(row[0], *row[5:]) for row in table.rows] == [("c00", 10, 3), ("c02", 0, 9), ("c01", 3, 1)]


def test_a_text_is_cut_at_its_words() -> None:
    row = example(0, 1, text="no, good", words=[[0, 2, -1.0], [4, 8, 4.0]])
    [shown] = mistakes.worst({"examples": [row], "worst": [0]}, ["x", "y"])
    assert (shown["label"], shown["predicted"]) == ("x", "y")
    pieces = [(piece["text"], piece.get("share")) for piece in shown["pieces"]]
    assert pieces == [("", None), ("no", -0.25), (", ", None), ("good", 1.0), ("", None)]


KINDS = [
    ("length", [3, 9], "3 to 9 tokens"),
    ("script", "cyrillic", "Cyrillic letters"),
    ("cut", True, "cut at max_length"),
    ("near", False, "unlike any training row"),
]


@pytest.mark.parametrize(("by", "value", "name"), KINDS)
def test_kinds_of_rows_have_names(by: str, value: object, name: str) -> None:
    table = mistakes.slices({"slices": [{"by": by, "value": value, "rows": 8, "right": 6, "interval": [0.4, 0.93]}]})
    assert table is not None and [[str(cell) for cell in row] for row in table.rows] == [
        [name, "8", "0.75", "0.400 – 0.930"]
    ]
