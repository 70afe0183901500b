"""Near copies among texts: MinHash over triples of words finds them (Broder 1997), their exact similarity decides.

Two texts are near copies where their sets of three successive words, case and punctuation aside, have a Jaccard
similarity of 0.7 or more: one word changed in twenty, say. A text of fewer than three words is one set of them all.
Scripts that are written without spaces are not cut, so that only whole sentences are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tithe import storage
from tithe.arrays import Array, Rows
from tithe.data.dataset import Dataset
from tithe.data.grouping import alike, joined
from tithe.storage import cache

SIMILARITY = 0.7
_VERSION = 1  # part of the cache's key
_WORDS = 3  # of a triple
# Rows whose four numbers of a band agree are compared: of pairs that are just similar enough one in 240 is missed,
# and of pairs with a similarity of 0.2 one in 30 is looked at.
_BANDS, _NUMBERS = 20, 4
_CHUNK = 8192  # rows whose sets are in memory at once

_WORD = re.compile(r"\w+")


def groups_of(texts: Dataset) -> Rows:
    """Return the group of near copies that each text belongs to, shape (N,); a text without any is one of its own.

    Two texts are in one group where a chain of near copies leads from one to the other. Computed once for a file.
    """
    place = cache.place("near", storage.digest([texts.source, _VERSION]))
    if not cache.is_whole(place):
        with storage.atomic_folder(place) as aside:
            np.save(aside / "groups.npy", joined(len(texts), near_copies(texts)))
        cache.make_room()
    found: Rows = np.load(place / "groups.npy")
    return found


def near_copies(texts: Dataset) -> list[tuple[int, int]]:
    """Return pairs of rows that are near copies, enough to join all that hang together."""
    triples, rng = _Triples(), np.random.default_rng(0x3A5E)
    factor_H, summand_H = (
        rng.integers(2**64, size=_BANDS * _NUMBERS, dtype=np.uint64) | np.uint64(1) for _ in range(2)
    )
    band_NB = np.concatenate(
        [_bands(*triples.of(texts.inputs(start, start + _CHUNK)), factor_H, summand_H) for start in _starts(texts)]
        or [np.empty((0, _BANDS), np.uint64)]
    )
    candidates = sorted({pair for band_N in band_NB.T for pair in _neighbours(band_N)})
    return [pair for pair, similar in zip(candidates, _similar(texts, triples, candidates), strict=True) if similar]


def account(group_N: Rows, labels_N: Rows, ids_N: Rows) -> dict[str, object]:
    """Return what a report says of near copies: how many there are, and the largest groups' rows in the file."""
    groups = sorted(alike(group_N.tolist()), key=len, reverse=True)
    return {
        "groups": len(groups),
        "rows": sum(map(len, groups)),
        "of_different_classes": sum(len(set(labels_N[rows].tolist())) > 1 for rows in groups),
        "examples": [ids_N[rows[:4]].tolist() for rows in groups[:5]],
    }


def seen_in_training(group_N: Rows, train: Rows, others: Rows) -> int:
    """Return how many of the other rows have a near copy among the training rows."""
    return int(np.isin(group_N[others], group_N[train]).sum())


def _starts(texts: Dataset) -> range:
    return range(0, len(texts), _CHUNK)


class _Triples:
    """Numbers for the successive triples of words of texts."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, texts: list[str]) -> tuple[Array, Rows]:
        """Return the triples of all texts in order, shape (T,), and where each text's begin, shape (N,)."""
        numbers, words, counts = self._numbers, [], []
        for text in texts:
            found = _WORD.findall(text.lower()) or [text]
            found += [""] * (_WORDS - len(found))
            counts.append(len(found))
            words += [numbers.setdefault(word, len(numbers) + 1) for word in found]
        word_W, count_N = np.array(words, dtype=np.uint64), np.array(counts)
        # Triples over the end of a text are computed too, and left out.
        mixed_W = _mixed(word_W)
        triple_W = mixed_W[:-2] + _mixed(mixed_W[1:-1] + np.uint64(1)) + _mixed(mixed_W[2:] + np.uint64(2))
        end_N = np.cumsum(count_N)
        inside_W = np.ones(len(word_W), dtype=bool)
        inside_W[np.concatenate([end_N - 1, end_N - 2])] = False
        return _mixed(triple_W)[inside_W[:-2]], np.cumsum(count_N - 2) - (count_N - 2)


def _mixed(x: Array) -> Array:
    """Return other numbers for uint64 ones, one for one, without a trace of their order (Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _bands(triple_T: Array, start_N: Rows, factor_H: Array, summand_H: Array) -> Array:
    """Return a number for each band of the least hashes of each text, shape (N, 20)."""
    least_HN = np.stack(
        [np.minimum.reduceat(triple_T * a + b, start_N) for a, b in zip(factor_H, summand_H, strict=True)]
    )
    least_BKN = least_HN.reshape(_BANDS, _NUMBERS, -1)
    band_BN = least_BKN[:, 0]
    for k in range(1, _NUMBERS):
        band_BN = _mixed(band_BN) + least_BKN[:, k]
    return band_BN.T


def _neighbours(band_N: Array) -> Iterator[tuple[int, int]]:
    """Yield each row with the one before it that has the same number, and with the first of all that have."""
    for rows in alike(band_N.tolist()):
        for before, row in pairwise(rows):
            yield before, row
            yield rows[0], row


def _similar(texts: Dataset, triples: _Triples, pairs: list[tuple[int, int]]) -> list[bool]:
    """Say of each pair whether its texts' triples are similar enough."""
    wanted = np.unique(np.array(pairs, dtype=np.int64).ravel())
    sets: dict[int, set[int]] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = wanted[start : start + _CHUNK]
        triple_T, start_N = triples.of(texts.take(rows).inputs())
        for row, part in zip(rows.tolist(), np.split(triple_T, start_N[1:]), strict=True):
            sets[row] = set(part.tolist())
    shared = ((len(sets[a] & sets[b]), len(sets[a]) + len(sets[b])) for a, b in pairs)
    return [both >= SIMILARITY * (total - both) for both, total in shared]
