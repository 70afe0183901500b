"""Single rows on the page of a run: the confusion matrix that opens them, the worst mistakes, kinds of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tithe.arrays import Array
from tithe.report.classification_figures import NUMBERED_CLASSES
from tithe.report.html import Cell, Table, Value
from tithe.report.words import Phrase, say

Json = Mapping[str, Any]

_PAIRS = 30  # of classes, listed where the confusion matrix has no numbers
_SCRIPTS = {"latin": say("Latin letters"), "cyrillic": say("Cyrillic letters"), "other": say("other letters, or none")}


class Square(NamedTuple):
    """A cell of the confusion matrix: rows of a class with a prediction, and what share of the class they are."""

    label: int
    predicted: int
    rows: int
    share: float
    shown: int


def names_of(scores: Json) -> list[str]:
    """Return the classes in the order of their indices."""
    return [str(row["class"]) for row in scores["per_class"]]


def squares(scores: Json, examples: Sequence[Json]) -> list[list[Square]]:
    """Return the confusion matrix row by row, each cell with the number of its rows that can be shown.

    Empty where there are more classes than a page has room for.
    """
    matrix_CC, shown_CC = _matrices(scores, examples)
    if len(matrix_CC) > NUMBERED_CLASSES:
        return []
    return [[_square(matrix_CC, shown_CC, t, p) for p in range(len(matrix_CC))] for t in range(len(matrix_CC))]


def pairs(scores: Json, examples: Sequence[Json]) -> list[Square]:
    """Return the cells with the most mistakes; none if there are none, or the matrix itself has numbers."""
    matrix_CC, shown_CC = _matrices(scores, examples)
    classes = len(matrix_CC)
    if classes <= NUMBERED_CLASSES:
        return []
    wrong_CC = matrix_CC - np.diag(np.diag(matrix_CC))
    places = np.argsort(-wrong_CC, axis=None, kind="stable")[:_PAIRS]
    cells = [divmod(int(place), classes) for place in places if wrong_CC.flat[place]]
    return [_square(matrix_CC, shown_CC, t, p) for t, p in cells]


def _matrices(scores: Json, examples: Sequence[Json]) -> tuple[Array, Array]:
    matrix_CC = np.array(scores["confusion_matrix"])
    shown_CC = np.zeros_like(matrix_CC)
    for example in examples:
        shown_CC[example["label"], example["predicted"]] += 1
    return matrix_CC, shown_CC


def _square(matrix_CC: Array, shown_CC: Array, label: int, predicted: int) -> Square:
    rows = int(matrix_CC[label, predicted])
    share = rows / max(int(matrix_CC[label].sum()), 1)
    return Square(label, predicted, rows, share, int(shown_CC[label, predicted]))


def classes(scores: Json) -> Table:
    """Return the classes by what they cost: their missed rows and those of others that were taken for them."""
    matrix_CC = np.array(scores["confusion_matrix"])
    missed_C = matrix_CC.sum(axis=1) - np.diag(matrix_CC)
    taken_C = matrix_CC.sum(axis=0) - np.diag(matrix_CC)
    rows = scores["per_class"]
    order = sorted(range(len(rows)), key=lambda c: (-int(missed_C[c] + taken_C[c]), float(rows[c]["f1"])))
    head = (
        *(say("class, most mistakes first"), "precision", "recall", "F1"),
        *(say("rows"), say("missed"), say("taken for it")),
    )
    keys = ("class", "precision", "recall", "f1", "rows")
    return Table(head, [[*(rows[c][key] for key in keys), int(missed_C[c]), int(taken_C[c])] for c in order])


def for_script(examples: Sequence[Json], names: Sequence[str]) -> dict[str, Any]:
    """Return what the page's script shows: classes and rows, without what only the page itself shows."""
    rows = [{key: value for key, value in row.items() if key != "words"} for row in examples]
    return {"names": list(names), "examples": rows}


def worst(details: Json, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows that were most surely wrong, with their texts in pieces, words colored where they are known."""
    rows = [details["examples"][place] for place in details["worst"]]
    return [
        {**row, "label": names[row["label"]], "predicted": names[row["predicted"]], "pieces": list(_pieces(row))}
        for row in rows
    ]


def _pieces(row: Json) -> Iterator[dict[str, Any]]:
    text, end = row["text"], 0
    largest = max((abs(weight) for *_, weight in row.get("words", ())), default=0.0) or 1.0
    for start, stop, weight in row.get("words", ()):
        yield {"text": text[end:start], "weight": None}
        yield {"text": text[start:stop], "weight": weight, "share": weight / largest}
        end = stop
    yield {"text": text[end:], "weight": None}


def slices(details: Json) -> Table | None:
    """Return the accuracy of each kind of rows with its interval; None where all rows are of a kind."""
    rows: list[list[Value | Cell]] = []
    for kind in details["slices"]:
        accuracy, (low, high) = kind["right"] / kind["rows"], kind["interval"]
        rows.append([_kind(kind["by"], kind["value"]), kind["rows"], accuracy, f"{low:.3f} – {high:.3f}"])
    return Table((say("kind of rows"), say("rows"), "accuracy", "95 %"), rows) if rows else None


def _kind(by: str, value: Any) -> Phrase:
    if by == "length":
        return say("{low} to {high} tokens", low=value[0], high=value[1])
    if by == "script":
        return _SCRIPTS[value]
    if by == "cut":
        return say("cut at max_length") if value else say("read whole")
    return say("near copies of training rows") if value else say("unlike any training row")
