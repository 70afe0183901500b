"""Near-duplicate texts: MinHash over word trigrams finds candidates (`bands`), exact similarity decides.

Two texts are near-duplicates if their sets of word trigrams, ignoring case and punctuation, have a Jaccard similarity
of 0.7 or more: one word changed in twenty, for example. A text of fewer than three words has a single, padded trigram.
Scripts written without spaces are not segmented, so only complete sentences are compared.

Rows that are in one group already are not compared again: a group of many copies costs in proportion to its size.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tithe import storage
from tithe.arrays import Array, Rows
from tithe.data.dataset import Dataset
from tithe.data.grouping import Groups
from tithe.data.text.bands import Bands
from tithe.data.text.words import NumberedWords, Words
from tithe.storage import cache

SIMILARITY = 0.7
_VERSION = 1  # part of the cache's key
_CHUNK = 8192  # pairs that are compared at once
_AT_ONCE = 8192  # rows whose words are in memory at once
_COMPARED = 1 << 21  # trigrams that are compared at once
_EXAMPLES, _SHOWN = 5, 4  # groups in the report, and rows of each


def groups_of(texts: Dataset) -> Rows:
    """Return the group of near-duplicates of each text, shape (N,); a text without any has a group of its own.

    Two texts are in one group if a chain of near-duplicates connects them. Cached for these rows.
    """
    place = cache.place("near", storage.digest([texts.fingerprint, _VERSION]))
    if not cache.is_whole(place):
        with storage.atomic_folder(place) as aside:
            np.save(aside / "groups.npy", find_groups(texts, aside))
        cache.make_room()
    group_N: Rows = np.load(place / "groups.npy")
    return group_N


def find_groups(texts: Dataset, folder: Path) -> Rows:
    """Return the group of each text, as `groups_of` does; files without a name in the folder take what is computed."""
    with tempfile.TemporaryFile(dir=folder) as of_words, tempfile.TemporaryFile(dir=folder) as of_bands:
        words, bands, groups = Words(of_words), Bands(len(texts), of_bands), Groups(len(texts))
        for start in range(0, len(texts), _AT_ONCE):
            bands.add(words.add(texts.texts(start, start + _AT_ONCE)))
        numbered = words.read()
        for row_R, value_R in bands.buckets(numbered):
            for pair_P2 in _neighbours(row_R, value_R):
                root_P2 = groups.roots(pair_P2)
                unknown_P2 = pair_P2[root_P2[:, 0] != root_P2[:, 1]]
                groups.join(unknown_P2[_similar(numbered, unknown_P2)])
    return groups.numbered()


def summary(group_N: Rows, labels_N: Rows, ids_N: Rows) -> dict[str, object]:
    """Return the report on near-duplicates: counts, and the rows of the largest groups in the file."""
    size_G = np.bincount(group_N)
    labels = int(labels_N.max(initial=0)) + 1
    different_G = np.bincount(np.unique(group_N * labels + labels_N) // labels) > 1
    shared = np.flatnonzero(size_G > 1)
    largest = shared[np.argsort(-size_G[shared], kind="stable")][:_EXAMPLES]
    return {
        "groups": len(shared),
        "rows": int(size_G[shared].sum()),
        "of_different_classes": int(different_G.sum()),
        "examples": [ids_N[np.flatnonzero(group_N == group)[:_SHOWN]].tolist() for group in largest],
    }


def seen_in_training(group_N: Rows, train: Rows, others: Rows) -> int:
    """Return how many of the other rows have a near-duplicate among the training rows."""
    return int(np.isin(group_N[others], group_N[train]).sum())


def _neighbours(row_R: Rows, value_R: Array) -> Iterator[Rows]:
    """Yield pairs of each row with the previous row of the same value, then with the first one, shape (P, 2)."""
    order = np.argsort(value_R, kind="stable")
    is_same = value_R[order][1:] == value_R[order][:-1]
    begins = np.maximum.accumulate(np.where(np.append(True, ~is_same), np.arange(len(order)), 0))[: len(order)]
    row, before, first = order[1:][is_same], order[:-1][is_same], order[begins[1:][is_same]]
    yield row_R[np.stack([before, row], axis=1)]
    is_other = first != before
    yield row_R[np.stack([first, row], axis=1)[is_other]]


def _similar(words: NumberedWords, pair_P2: Rows) -> Array:
    """Return for each pair whether the similarity of its texts reaches `SIMILARITY`, shape (P,)."""
    is_similar_P = np.zeros(len(pair_P2), dtype=bool)
    size_P2 = np.stack([words.counts(rows) for rows in pair_P2.T], axis=1)
    order = np.argsort(size_P2.max(axis=1), kind="stable")  # texts of one size are compared together
    start = 0
    while start < len(order):
        width = 2 * int(size_P2[order[min(start + _CHUNK, len(order)) - 1]].max())
        some = order[start : start + max(1, min(_CHUNK, _COMPARED // width))]
        shared_M, distinct_M = _shared(words, pair_P2[some])
        is_similar_P[some] = shared_M >= SIMILARITY * (distinct_M - shared_M)
        start += len(some)
    return is_similar_P


def _shared(words: NumberedWords, pair_M2: Rows) -> tuple[Rows, Rows]:
    """Return how many trigrams the texts of each pair have in common, and how many both have together, shape (M,)."""
    sets = [_set(words, rows, side) for side, rows in enumerate(pair_M2.T)]
    both_MT = np.sort(np.concatenate([hash_MT for hash_MT, _ in sets], axis=1), axis=1)
    return (both_MT[:, 1:] == both_MT[:, :-1]).sum(axis=1), sets[0][1] + sets[1][1]


def _set(words: NumberedWords, rows: Rows, side: int) -> tuple[Array, Rows]:
    """Return the distinct trigrams of each text, filled up with numbers of no other column or side, and counts."""
    texts, count_M = words.trigrams(rows), words.counts(rows)
    filler_T = ~(2 * np.arange(count_M.max(), dtype=np.uint64) + np.uint64(side))
    hash_MT = np.tile(filler_T, (len(rows), 1))
    hash_MT[np.arange(len(filler_T)) < count_M[:, None]] = texts.hash_T
    hash_MT.sort(axis=1)
    again_MT = np.zeros(hash_MT.shape, dtype=bool)
    again_MT[:, 1:] = hash_MT[:, 1:] == hash_MT[:, :-1]
    distinct_M = count_M - again_MT.sum(axis=1)
    return np.where(again_MT, filler_T - np.uint64(2 * len(filler_T)), hash_MT), distinct_M
