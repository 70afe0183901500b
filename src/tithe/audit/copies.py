"""Texts that the data have more than once, or almost: which of them have different labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tithe import storage
from tithe.arrays import Rows
from tithe.data import Dataset, LabelMap
from tithe.data.text import near_duplicates

_CONFLICT = "conflict"  # the reason for which rows of one text with several labels are dropped


class Copy(NamedTuple):
    """A row of a group: its position in the source, its text, and its label."""

    row: int
    text: str
    label: str


class Copies(NamedTuple):
    """Groups of texts that are the same, or nearly.

    Attributes
    ----------
    dropped
        Rows that cleaning left out, by reason; of copies the reasons are `duplicate` and `conflict`.
    conflicts
        Groups of rows of one text with several labels; no row of them is trained on.
    near
        As in the data report: groups and rows of near copies, and the groups with several labels.
    near_conflicts
        Groups of near copies with several labels.
    """

    dropped: dict[str, int]
    conflicts: list[list[Copy]]
    near: dict[str, object]
    near_conflicts: list[list[Copy]]


def find_copies(dataset: Dataset, labels: LabelMap, dropped: dict[str, int], lines: Path, most: int) -> Copies:
    """Find the groups of texts with several labels, in the order of their first rows.

    Parameters
    ----------
    dropped, lines
        Counts and file of the rows that cleaning left out.
    most
        Groups of each kind, and rows of each group, that are returned.
    """
    group_N = near_duplicates.groups_of(dataset)
    near = near_duplicates.summary(group_N, dataset.labels, dataset.ids)
    groups = islice(_of_several_labels(group_N, dataset.labels), most)
    near_conflicts = [list(_copies(dataset.take(rows[:most]), labels)) for rows in groups]
    return Copies(dropped, _conflicts(dataset, lines, most), near, near_conflicts)


def _of_several_labels(group_N: Rows, labels_N: Rows) -> Iterator[Rows]:
    """Yield the rows of each group, which are numbered by their first rows, whose labels differ."""
    order = np.argsort(group_N, kind="stable")
    cut_G = np.flatnonzero(np.diff(group_N[order], prepend=-1))
    label_N = labels_N[order]
    differ_G = np.minimum.reduceat(label_N, cut_G) != np.maximum.reduceat(label_N, cut_G)
    end_G = np.append(cut_G[1:], len(order))
    yield from (order[cut_G[group] : end_G[group]] for group in np.flatnonzero(differ_G))


def _copies(rows: Dataset, labels: LabelMap) -> Iterator[Copy]:
    for row, text, label in zip(rows.ids.tolist(), rows.inputs(), rows.labels, strict=True):
        yield Copy(row, text, str(labels.names[label]))


def _conflicts(dataset: Dataset, lines: Path, most: int) -> list[list[Copy]]:
    """Return the rows of one text with several labels: the table has them, the file of dropped rows their labels."""
    label_of = {line["row"]: str(line["label"]) for line in storage.read_lines(lines) if line["reason"] == _CONFLICT}
    if not label_of:
        return []
    ids_T: Rows = dataset.table.column("id").to_numpy()
    places = np.flatnonzero(np.isin(ids_T, np.array(list(label_of))))
    texts = Dataset(dataset.table, places, np.zeros_like(places), dataset.source).inputs()
    groups: dict[str, list[Copy]] = {}
    for row, text in zip(ids_T[places].tolist(), texts, strict=True):
        groups.setdefault(text, []).append(Copy(row, text, label_of[row]))
    return [group[:most] for group in list(groups.values())[:most]]
