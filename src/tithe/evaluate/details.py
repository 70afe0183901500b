"""What a report shows beyond scores: single rows with their texts and the words that decided, and kinds of rows.

Whatever the number of rows and classes, it is a few hundred rows, and the words of a few of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data import Dataset
from tithe.data.text import near_duplicates
from tithe.metrics import wilson
from tithe.models import inference
from tithe.models.examples import Truncated
from tithe.predict import occlusion
from tithe.tasks import TextTask
from tithe.train.setup import Setup

_WORST = 12  # mistakes that are shown one by one
_PER_CELL, _IN_CELLS = 5, 200  # rows of a cell of the confusion matrix, and of all cells with mistakes
_RIGHT, _RIGHT_CLASSES = 3, 20  # the least sure right rows of a class, where the classes are so few
_CHARACTERS = 400  # of a text
# Copies of texts that are classified to find words: a share of the rows that the run itself has read, and at least so
# many, which a short text needs.
_SHARE, _LEAST = 0.04, 64
_LOOKED_AT = 5000  # rows whose script is found
_FEWEST = 10  # rows of a kind: an interval of fewer says nothing
_SCRIPTS = {"latin": re.compile("[A-Za-z\u00c0-\u024f]"), "cyrillic": re.compile("[\u0400-\u052f]")}


@dataclass(frozen=True)
class Answers:
    """The rows of a part of the data and the model's answers.

    Attributes
    ----------
    rows
        Positions in the rows of the setup, shape (N,).
    dataset
        The same rows.
    probs_NC
        Probabilities, those of `tithe predict`.
    """

    rows: Rows
    dataset: Dataset
    probs_NC: Array

    @property
    def labels(self) -> Rows:
        """Class indices, shape (N,)."""
        return self.dataset.labels

    @property
    def predicted(self) -> Rows:
        """Class indices, shape (N,)."""
        return np.asarray(self.probs_NC.argmax(axis=1))

    @property
    def of_label(self) -> Array:
        """Probability of each row's label, shape (N,)."""
        return np.asarray(self.probs_NC[np.arange(len(self.rows)), self.labels])


def describe(setup: Setup, rows: Rows, probs_NC: Array) -> dict[str, Any]:
    """Return what a report shows of the rows of a part, as plain data.

    Parameters
    ----------
    rows
        Positions in the rows of the setup, shape (N,).
    probs_NC
        Probabilities of these rows.

    Returns
    -------
    `examples`, a list of rows; `worst`, the places of the worst mistakes in it; `suspects`, the number of labels that
    may be wrong; `slices`, the right answers among rows of a kind.
    """
    answers = Answers(rows, setup.splits.rows.take(rows), probs_NC)
    worst_K, others = worst(answers), of_cells(answers)
    shown = list(dict.fromkeys([*worst_K.tolist(), *others.tolist()]))
    suspect_N = suspects(answers)
    examples = [_example(answers, place, bool(suspect_N[place])) for place in shown]
    for place, words in _words(setup, answers, worst_K.tolist()).items():
        examples[place]["words"] = [list(word) for word in words if word.end <= _CHARACTERS]
    return {
        "examples": examples,
        "worst": list(range(len(worst_K))),
        "suspects": int(suspect_N.sum()),
        "slices": list(slices(setup, answers)),
    }


def _example(answers: Answers, place: int, is_suspect: bool) -> dict[str, Any]:
    text = str(answers.dataset.inputs(place, place + 1)[0])
    predicted = int(answers.predicted[place])
    return {
        "row": int(answers.dataset.ids[place]),
        "label": int(answers.labels[place]),
        "predicted": predicted,
        "probability": round(float(answers.probs_NC[place, predicted]), 4),
        "probability_of_label": round(float(answers.of_label[place]), 4),
        "text": text[:_CHARACTERS],
        "cut": len(text) > _CHARACTERS,
        "suspect": is_suspect,
    }


def worst(answers: Answers) -> Rows:
    """Return the places of the rows that were most surely wrong, the surest first."""
    return _most_surely_wrong(answers)[:_WORST]


def _most_surely_wrong(answers: Answers) -> Rows:
    wrong = np.flatnonzero(answers.predicted != answers.labels)
    margin = answers.probs_NC[wrong].max(axis=1) - answers.of_label[wrong]
    return wrong[np.argsort(-margin, kind="stable")]


def of_cells(answers: Answers) -> Rows:
    """Return the places of a few rows of each cell of the confusion matrix: of the largest with mistakes, and right."""
    wrong, classes = _most_surely_wrong(answers), answers.probs_NC.shape[1]
    cell = answers.labels[wrong] * classes + answers.predicted[wrong]
    _, group, count = np.unique(cell, return_inverse=True, return_counts=True)
    rank = _rank_within(group)
    kept = np.flatnonzero(rank < _PER_CELL)
    largest_first = np.lexsort((rank[kept], cell[kept], -count[group[kept]]))
    mistakes = wrong[kept[largest_first]][:_IN_CELLS]
    if classes > _RIGHT_CLASSES:
        return mistakes
    right = np.flatnonzero(answers.predicted == answers.labels)
    right = right[np.argsort(answers.of_label[right], kind="stable")]
    return np.concatenate([mistakes, right[_rank_within(answers.labels[right]) < _RIGHT]])


def _rank_within(group_N: Rows) -> Rows:
    """Return how many rows of the same group come before each row, shape (N,)."""
    order = np.argsort(group_N, kind="stable")
    _, first, count = np.unique(group_N[order], return_index=True, return_counts=True)
    rank_N: Rows = np.empty(len(group_N), np.int64)
    rank_N[order] = np.arange(len(group_N)) - np.repeat(first, count)
    return rank_N


def suspects(answers: Answers) -> Array:
    """Return which labels may be wrong, shape (N,): a hint, since the model may be the one that is wrong.

    The predicted class is another one, and at least as probable as it is on average for the rows that have it as their
    label (the thresholds of Northcutt, Jiang and Chuang 2021).
    """
    classes = answers.probs_NC.shape[1]
    total_C = np.bincount(answers.labels, weights=answers.of_label, minlength=classes)
    count_C = np.bincount(answers.labels, minlength=classes)
    usual_C = np.where(count_C, total_C / np.maximum(count_C, 1), np.inf)
    is_wrong_N = answers.predicted != answers.labels
    return np.asarray(is_wrong_N & (answers.probs_NC.max(axis=1) >= usual_C[answers.predicted]))


def _words(setup: Setup, answers: Answers, places: list[int]) -> dict[int, tuple[occlusion.Word, ...]]:
    """Return the words that decided, by the place in the list, of as many of these rows as the run can afford."""
    if not isinstance(setup.task, TextTask):
        return {}
    texts = [str(answers.dataset.inputs(place, place + 1)[0]) for place in places]
    affordable, left = [], _passes(setup)
    for number, text in enumerate(texts):
        cost = min(len(text.split()), occlusion.PASSES)
        if cost <= left:
            affordable.append(number)
            left -= cost
    if not affordable:
        return {}
    model, accelerator = setup.network.classifier.to(setup.accelerator.device), setup.accelerator
    classes = answers.predicted[np.array(places)[affordable]]
    words = occlusion.word_weights(
        [texts[number] for number in affordable],
        classes,
        setup.task.examples,
        lambda examples: inference.logits(model, examples, autocast=accelerator.autocast),
    )
    return dict(zip(affordable, words, strict=True))


def _passes(setup: Setup) -> int:
    """Return how many copies of texts may be classified: a small share of what the run has computed."""
    frozen = setup.network.on_features
    read = len(setup.splits.rows) if frozen else 3 * len(setup.splits.train) * setup.run.train.epochs
    return max(_LEAST, int(_SHARE * read))


def slices(setup: Setup, answers: Answers) -> Iterator[dict[str, Any]]:
    """Yield the right answers among the rows of each kind, with the 95 % interval of their share (Wilson 1927).

    `by` says what is compared, `value` what the rows are.
    """
    is_right_N = answers.predicted == answers.labels
    for by, kind_N, values in _kinds(setup, answers):
        counts = [(kind_N == kind).sum() for kind in range(len(values))]
        if sum(count >= _FEWEST for count in counts) < 2:
            continue
        for kind, (value, count) in enumerate(zip(values, counts, strict=True)):
            if count:
                right = int(is_right_N[kind_N == kind].sum())
                yield {
                    "by": by,
                    "value": value,
                    "rows": int(count),
                    "right": right,
                    "interval": tuple(float(end) for end in wilson(right, int(count))),
                }


def _kinds(setup: Setup, answers: Answers) -> Iterator[tuple[str, Array, list[Any]]]:
    """Yield what rows can be divided by, the kind of each row, shape (N,), and what the kinds are."""
    if not isinstance(setup.task, TextTask):
        return
    encoded, splits = setup.encoded.take(answers.rows), setup.splits
    if isinstance(encoded, Truncated):
        edges = np.unique(np.quantile(encoded.uncut, [0.25, 0.5, 0.75], method="lower"))
        kind_N = np.searchsorted(edges, encoded.uncut)
        low = [int(encoded.uncut.min()), *(int(edge) + 1 for edge in edges)]
        yield "length", kind_N, list(zip(low, [*map(int, edges), int(encoded.uncut.max())], strict=True))
        yield "cut", (encoded.uncut > setup.run.model.reach).astype(int), [False, True]
    looked_at = np.arange(0, len(answers.rows), -(-len(answers.rows) // _LOOKED_AT))
    script_N = np.full(len(answers.rows), -1)
    script_N[looked_at] = [_script(str(text)) for text in answers.dataset.take(looked_at).inputs()]
    yield "script", script_N, [*_SCRIPTS, "other"]
    if any(splits.report["splits"].get("near_copies_in_train", {}).values()):
        group_N = near_duplicates.groups_of(splits.rows)
        yield "near", np.isin(group_N[answers.rows], group_N[splits.split.train]).astype(int), [False, True]


def _script(text: str) -> int:
    """Return the place of the script of most letters of a text; after the last one where there are none of them."""
    counts = [len(letters.findall(text, 0, _CHARACTERS)) for letters in _SCRIPTS.values()]
    return counts.index(max(counts)) if max(counts) else len(counts)
