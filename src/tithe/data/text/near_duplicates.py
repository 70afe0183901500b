"""Near-duplicate texts: MinHash over word trigrams finds candidates (Broder 1997), exact similarity decides.

Two texts are near-duplicates if their sets of word trigrams, ignoring case and punctuation, have a Jaccard similarity
of 0.7 or more: one word changed in twenty, for example. A text of fewer than three words has a single, padded trigram.
Scripts written without spaces are not segmented, so only complete sentences are compared.
"""

from __future__ import annotations

import re

import numpy as np

from tithe import storage
from tithe.arrays import Array, Rows
from tithe.data.dataset import Dataset
from tithe.data.grouping import connected_components, rows_sharing_value
from tithe.storage import cache

SIMILARITY = 0.7
_VERSION = 1  # part of the cache's key
_WORDS = 3  # of a trigram
# Rows that agree in all four hashes of a band are compared: one in 240 pairs at the similarity threshold is missed, and
# one in 30 pairs with a similarity of 0.2 is compared.
_BANDS, _NUMBERS = 20, 4
_CHUNK = 8192  # rows whose sets are in memory at once

_WORD = re.compile(r"\w+")


def groups_of(texts: Dataset) -> Rows:
    """Return the group of near-duplicates of each text, shape (N,); a text without any has a group of its own.

    Two texts are in one group if a chain of near-duplicates connects them. Cached for these rows.
    """
    place = cache.place("near", storage.digest([texts.fingerprint, _VERSION]))
    if not cache.is_whole(place):
        with storage.atomic_folder(place) as aside:
            np.save(aside / "groups.npy", connected_components(len(texts), near_copies(texts).tolist()))
        cache.make_room()
    group_N: Rows = np.load(place / "groups.npy")
    return group_N


def near_copies(texts: Dataset) -> Rows:
    """Return pairs of near-duplicate rows, enough to connect every group, in order, shape (P, 2)."""
    trigrams, rng = _Trigrams(), np.random.default_rng(0x3A5E)
    factor_H, summand_H = (
        rng.integers(2**64, size=_BANDS * _NUMBERS, dtype=np.uint64) | np.uint64(1) for _ in range(2)
    )
    band_NB = np.concatenate(
        [_bands(*trigrams.hashes(texts.inputs(start, start + _CHUNK)), factor_H, summand_H) for start in _starts(texts)]
        or [np.empty((0, _BANDS), np.uint64)]
    )
    code_P = np.empty(0, np.int64)  # a pair of rows as one number
    for band_N in band_NB.T:
        code_P = np.union1d(code_P, _neighbours(band_N))
    pair_P2 = np.stack(np.divmod(code_P, max(1, len(texts))), axis=1)
    return pair_P2[_similar(texts, trigrams, pair_P2)]


def summary(group_N: Rows, labels_N: Rows, ids_N: Rows) -> dict[str, object]:
    """Return the report on near-duplicates: counts, and the rows of the largest groups in the file."""
    groups = sorted(rows_sharing_value(group_N.tolist()), key=len, reverse=True)
    return {
        "groups": len(groups),
        "rows": sum(map(len, groups)),
        "of_different_classes": sum(len(set(labels_N[rows].tolist())) > 1 for rows in groups),
        "examples": [ids_N[rows[:4]].tolist() for rows in groups[:5]],
    }


def seen_in_training(group_N: Rows, train: Rows, others: Rows) -> int:
    """Return how many of the other rows have a near-duplicate among the training rows."""
    return int(np.isin(group_N[others], group_N[train]).sum())


def _starts(texts: Dataset) -> range:
    return range(0, len(texts), _CHUNK)


class _Trigrams:
    """Hashes of the word trigrams of texts."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def hashes(self, texts: list[str]) -> tuple[Array, Rows]:
        """Return the trigrams of all texts in order, shape (T,), and where each text's begin, shape (N,)."""
        numbers, words, counts = self._numbers, [], []
        for text in texts:
            split = _WORD.findall(text.lower()) or [text]
            split += [""] * (_WORDS - len(split))
            counts.append(len(split))
            words += [numbers.setdefault(word, len(numbers) + 1) for word in split]
        word_W, count_N = np.array(words, dtype=np.uint64), np.array(counts)
        # Trigrams across the end of a text are computed too, then removed.
        hash_W = _mix(word_W)
        trigram_W = hash_W[:-2] + _mix(hash_W[1:-1] + np.uint64(1)) + _mix(hash_W[2:] + np.uint64(2))
        end_N = np.cumsum(count_N)
        inside_W = np.ones(len(word_W), dtype=bool)
        inside_W[np.concatenate([end_N - 1, end_N - 2])] = False
        return _mix(trigram_W)[inside_W[:-2]], np.cumsum(count_N - 2) - (count_N - 2)


def _mix(x: Array) -> Array:
    """Return a bijective hash of uint64 numbers (SplitMix64, Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _bands(trigram_T: Array, start_N: Rows, factor_H: Array, summand_H: Array) -> Array:
    """Return a hash for each band of the MinHashes of each text, shape (N, 20)."""
    least_HN = np.stack(
        [np.minimum.reduceat(trigram_T * a + b, start_N) for a, b in zip(factor_H, summand_H, strict=True)]
    )
    least_BKN = least_HN.reshape(_BANDS, _NUMBERS, -1)
    band_BN = least_BKN[:, 0]
    for k in range(1, _NUMBERS):
        band_BN = _mix(band_BN) + least_BKN[:, k]
    return band_BN.T


def _neighbours(band_N: Array) -> Rows:
    """Return each row with the previous row of the same value, and with the first row of that value, as numbers."""
    order = np.argsort(band_N, kind="stable")
    is_same = band_N[order][1:] == band_N[order][:-1]
    begins = np.maximum.accumulate(np.where(np.concatenate([[True], ~is_same]), np.arange(len(order)), 0))
    row, before, first = order[1:][is_same], order[:-1][is_same], order[begins[1:][is_same]]
    return np.unique(np.concatenate([before, first]) * len(band_N) + np.tile(row, 2))


def _similar(texts: Dataset, trigrams: _Trigrams, pair_P2: Rows) -> Array:
    """Return for each pair whether the similarity of its texts reaches `SIMILARITY`, shape (P,)."""
    rows_R, place_P = np.unique(pair_P2, return_inverse=True)
    place_P2, is_similar_P = place_P.reshape(pair_P2.shape), np.zeros(len(pair_P2), dtype=bool)
    trigram_T, count_R = _sets(texts, trigrams, rows_R)
    for start in range(0, len(pair_P2), _CHUNK):
        pair_M2 = place_P2[start : start + _CHUNK]
        shared_M = _shared(trigram_T, count_R, pair_M2)
        is_similar_P[start : start + _CHUNK] = shared_M >= SIMILARITY * (count_R[pair_M2].sum(axis=1) - shared_M)
    return is_similar_P


def _sets(texts: Dataset, trigrams: _Trigrams, rows_R: Rows) -> tuple[Array, Rows]:
    """Return the trigrams of some texts, those of a text sorted and each once, and how many each text has, (R,)."""
    found, counts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for start in range(0, len(rows_R), _CHUNK):
        rows = rows_R[start : start + _CHUNK]
        trigram_T, start_N = trigrams.hashes(texts.take(rows).inputs())
        text_T = np.repeat(np.arange(len(rows)), np.diff(start_N, append=len(trigram_T)))
        trigram_T, text_T, is_again_T = _sorted(trigram_T, text_T)
        found.append(trigram_T[~is_again_T])
        counts.append(np.bincount(text_T[~is_again_T], minlength=len(rows)))
    return np.concatenate(found), np.concatenate(counts)


def _shared(trigram_T: Array, count_R: Rows, pair_M2: Rows) -> Rows:
    """Return how many trigrams the texts of each pair have in common, shape (M,)."""
    start_R, text_2M = np.cumsum(count_R) - count_R, pair_M2.ravel()
    count_2M = count_R[text_2M]
    end_2M = np.cumsum(count_2M)
    place_S = np.arange(end_2M[-1]) + np.repeat(start_R[text_2M] - (end_2M - count_2M), count_2M)
    pair_S = np.repeat(np.arange(len(text_2M)) // 2, count_2M)
    _, pair_S, is_again_S = _sorted(trigram_T[place_S], pair_S)
    return np.bincount(pair_S[is_again_S], minlength=len(pair_M2))


def _sorted(trigram_T: Array, owner_T: Rows) -> tuple[Array, Rows, Array]:
    """Return trigrams by owner and value, their owners, and whether each is the same as the one before it."""
    order_T = np.lexsort((trigram_T, owner_T))
    trigram_T, owner_T = trigram_T[order_T], owner_T[order_T]
    is_same_T = (trigram_T[1:] == trigram_T[:-1]) & (owner_T[1:] == owner_T[:-1])
    return trigram_T, owner_T, np.concatenate([[False], is_same_T])
