"""Numbers of words, in the order of their first appearance, for millions of words at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tithe.arrays import Array, Rows

_SLOTS = 1 << 20  # of the table that knows most words; the others are looked up one by one
_SPREAD, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - 20)
_CODECS = {2: "utf-16-le", 4: "utf-32-le"}
# By how many of eight bytes belong to a word, the mask of them.
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(9)], dtype=np.uint64)


class Numbers:
    """The distinct words so far, and a table in front of them that answers for whole arrays."""

    def __init__(self) -> None:
        self._number_of: dict[bytes, int] = {}
        self._key_S = np.zeros(_SLOTS, dtype=np.uint64)
        self._number_S = np.zeros(_SLOTS, dtype=np.uint32)

    def __len__(self) -> int:
        return len(self._number_of)

    def of(self, unit_U: Array, begin_W: Rows) -> Array:
        """Return the number of each word, from 1, uint32, shape (W,).

        Parameters
        ----------
        unit_U
            Characters of 1, 2 or 4 bytes; NUL after each word.
        begin_W
            Where each word begins, and the end of the last one; shape (W + 1,).
        """
        key_W = _keys(unit_U, begin_W)
        slot_W = ((key_W * _SPREAD) >> _SHIFT).view(np.int64)
        number_W = self._number_S.take(slot_W)
        number_W *= self._key_S.take(slot_W) == key_W
        if len(unknown := np.flatnonzero(number_W == 0)):
            number_W[unknown] = self._looked_up(key_W[unknown], slot_W[unknown], unit_U, begin_W, unknown)
        return number_W

    def _looked_up(self, key_X: Array, slot_X: Array, unit_U: Array, begin_W: Rows, words: Rows) -> Array:
        """Number some words by their text, and let the table know those that find an empty place in it."""
        index_X = pa.array(key_X).dictionary_encode().indices.to_numpy()  # in the order of first appearance
        first_D = np.empty(int(index_X.max()) + 1, dtype=np.int64)
        first_D[index_X[::-1]] = np.arange(len(index_X))[::-1]
        spans = zip(begin_W[words[first_D]].tolist(), begin_W[words[first_D] + 1].tolist(), strict=True)
        texts = [_utf8(unit_U[begin:end]) for begin, end in spans]
        number_of = self._number_of
        number_D = np.array([number_of.setdefault(text, len(number_of) + 1) for text in texts], dtype=np.uint32)
        free_D = np.flatnonzero(self._number_S[slot_X[first_D]] == 0)
        place = slot_X[first_D[free_D]]
        self._key_S[place], self._number_S[place] = key_X[first_D[free_D]], number_D[free_D]
        return np.asarray(number_D[index_X])


def mix(x: Array) -> Array:
    """Return a bijective hash of uint64 numbers (SplitMix64, Steele et al. 2014)."""
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return np.asarray(x)


def _keys(unit_U: Array, begin_W: Rows) -> Array:
    """Return a key of each word: its bytes, if they are eight or fewer, else a hash of them; shape (W,)."""
    width = unit_U.itemsize
    padded = np.concatenate([unit_U.view(np.uint8), np.zeros(8, np.uint8)])
    eight_U = np.ndarray(len(padded) - 7, "<u8", padded, strides=(1,))  # the bytes from each one on
    at_W, size_W = begin_W[:-1] * width, np.diff(begin_W) * width
    key_W = eight_U[at_W] & _MASKS.take(np.minimum(size_W, 8))
    if width > 1:  # else words of characters of two sizes may have the same bytes
        key_W = mix(key_W + (_SPREAD >> np.uint64(width)))
    words, done = np.flatnonzero(size_W > 8), 8
    while len(words):
        more = eight_U[at_W[words] + done] & _MASKS[np.minimum(size_W[words] - done, 8)]
        words, more = words[more != 0], more[more != 0]
        key_W[words] = mix(key_W[words]) + more
        done += 8
        words = words[size_W[words] > done]
    return np.asarray(key_W)


def _utf8(unit_U: Array) -> bytes:
    raw = unit_U.tobytes()
    return raw.rstrip(b"\0") if unit_U.itemsize == 1 else raw.decode(_CODECS[unit_U.itemsize]).rstrip("\0").encode()
