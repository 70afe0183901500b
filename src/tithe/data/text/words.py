"""The words of texts as numbers, in a file beside the texts; the trigrams of words as hashes.

Words are lower-case runs of letters, digits and underscores. A text without any is one word itself, and one of fewer
than three words is filled up with empty ones, so that every text has a trigram.
"""

from __future__ import annotations

import functools
import re
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa

from tithe.arrays import Array, Rows
from tithe.data.text.numbers import Numbers, mix

TRIGRAM = 3
_LETTERS = 0x40000  # no character from here on is a letter or a digit
_NEWLINE = ord("\n")


class Trigrams(NamedTuple):
    """Hashes of the trigrams of some texts in order, shape (T,), and where each text's begin, shape (N,)."""

    hash_T: Array
    start_N: Rows


class Words:
    """The words of texts, each a number in the order of first appearance; in memory are only the distinct words.

    Parameters
    ----------
    file
        An empty file for the numbers.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._numbers, self._mixed = Numbers(), _Mixed()
        self._counts: list[Rows] = []

    def add(self, texts: pa.LargeStringArray) -> Trigrams:
        """Number the words of more texts; return the texts' trigrams."""
        unit_U, begin_W, count_N = _words(texts)
        number_W = self._numbers.of(unit_U, begin_W)
        number_W.tofile(self._file)
        self._counts.append(count_N.astype(np.int32))
        return _trigrams(self._mixed.upto(len(self._numbers)), number_W, count_N)

    def read(self) -> NumberedWords:
        """Return the words of all texts that were added."""
        self._file.flush()
        count_N = np.concatenate([np.empty(0, np.int32), *self._counts])
        number_W = np.memmap(self._file, np.uint32, "r") if len(count_N) else np.empty(0, np.uint32)
        return NumberedWords(number_W, count_N, self._mixed.upto(len(self._numbers)))


class NumberedWords:
    """Words of texts on disk.

    Parameters
    ----------
    number_W
        The number of each word.
    count_N
        Words of each text, at least three.
    mixed_3D
        By number, three hashes of a word: at each place of a trigram.
    """

    def __init__(self, number_W: Array, count_N: Array, mixed_3D: Array) -> None:
        self._number_W, self._count_N, self._mixed_3D = number_W, count_N, mixed_3D
        self._start_N = np.cumsum(count_N, dtype=np.int64) - count_N

    def counts(self, rows: Rows) -> Rows:
        """Return the number of trigrams of some texts, each of which may be there several times."""
        return self._count_N[rows].astype(np.int64) - (TRIGRAM - 1)

    def trigrams(self, rows: Rows) -> Trigrams:
        """Return the trigrams of some texts."""
        count_R = self._count_N[rows].astype(np.int64)
        return _trigrams(self._mixed_3D, self._number_W[spans(self._start_N[rows], count_R)], count_R)


def spans(start_R: Rows, count_R: Rows) -> Rows:
    """Return the positions of several spans, one after another."""
    end_R = np.cumsum(count_R)
    return np.asarray(np.arange(end_R[-1] if len(end_R) else 0) + np.repeat(start_R - (end_R - count_R), count_R))


class _Mixed:
    """By the number of a word, three hashes of it: at each place of a trigram."""

    def __init__(self) -> None:
        self._hash_3D = np.empty((TRIGRAM, 0), dtype=np.uint64)

    def upto(self, number: int) -> Array:
        """Return the hashes of all words up to a number, shape (3, number + 1 or more)."""
        known = self._hash_3D.shape[1]
        if number >= known:
            hash_D = mix(np.arange(known, max(number + 1, 2 * known), dtype=np.uint64))
            more_3D = np.stack([hash_D, mix(hash_D + np.uint64(1)), mix(hash_D + np.uint64(2))])
            self._hash_3D = np.concatenate([self._hash_3D, more_3D], axis=1)
        return self._hash_3D


def _trigrams(mixed_3D: Array, number_W: Array, count_N: Rows) -> Trigrams:
    # Trigrams across the end of a text are computed too, then removed.
    place_W = number_W.astype(np.int64)
    hash_W = mixed_3D[0].take(place_W[:-2])
    hash_W += mixed_3D[1].take(place_W[1:-1])
    hash_W += mixed_3D[2].take(place_W[2:])
    end_N = np.cumsum(count_N)
    inside_W = np.ones(len(number_W), dtype=bool)
    inside_W[np.concatenate([end_N - 1, end_N - 2])] = False
    count_N = count_N - (TRIGRAM - 1)
    return Trigrams(mix(hash_W[inside_W[: len(hash_W)]]), np.cumsum(count_N) - count_N)


def _words(texts: pa.LargeStringArray) -> tuple[Array, Rows, Rows]:
    """Cut texts into words.

    Returns
    -------
    unit_U, begin_W, count_N
        Characters, those between words NUL; where each word begins, and the end; the number of words of each text.
    """
    word_U, start_N = _units(texts)
    is_word_U = word_U != 0
    begins_U = is_word_U.copy()
    begins_U[1:] &= ~is_word_U[:-1]
    begins_U[start_N] = is_word_U[start_N]
    begin_W = np.flatnonzero(begins_U)
    count_N = _counts(begin_W, start_N)
    if (wordless := np.flatnonzero(count_N == 0)).size:
        _keep_whole(texts, wordless, start_N, word_U)
        begins_U[start_N[wordless]] = True
        begin_W = np.flatnonzero(begins_U)
        count_N = _counts(begin_W, start_N)
    return word_U, *_filled_up(np.append(begin_W, len(word_U)), count_N)


def _units(texts: pa.LargeStringArray) -> tuple[Array, Rows]:
    """Return the characters of all texts in lower case, NUL for those outside words, and where each text begins.

    They are bytes if all are ASCII; else code points, with one more between texts.
    """
    offset_N = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    byte_U = np.frombuffer(texts.buffers()[2], np.uint8)[offset_N[0] : offset_N[-1]]
    if byte_U.max() < 0x80:
        lower = bytearray(byte_U.data).translate(_ASCII)
        return np.frombuffer(lower, np.uint8), offset_N[:-1] - offset_N[0]
    joined = "\n".join(texts.to_pylist())  # a sigma before a newline is in lower case what it is at the end of a text
    unit_U = np.frombuffer(joined.lower().encode("utf-32-le"), "<u4")
    start_N = np.concatenate([[0], np.flatnonzero(unit_U == _NEWLINE) + 1])
    is_short = bool(unit_U.max() < 0x10000)
    word_U = np.where(_letters()[np.minimum(unit_U, _LETTERS)], unit_U, np.uint32(0))
    return word_U.astype("<u2") if is_short else word_U, start_N


def _counts(begin_W: Rows, start_N: Rows) -> Rows:
    return np.diff(np.searchsorted(begin_W, start_N), append=len(begin_W))


def _keep_whole(texts: pa.LargeStringArray, rows: Rows, start_N: Rows, word_U: Array) -> None:
    """Make one word of each of some texts, in the case that it has."""
    for row in rows.tolist():
        own_U = np.frombuffer(texts[row].as_py().encode("utf-32-le"), "<u4")
        word_U[start_N[row] : start_N[row] + len(own_U)] = own_U


def _filled_up(begin_W: Rows, count_N: Rows) -> tuple[Rows, Rows]:
    """Add empty words after the last one of texts that have too few."""
    lack_N = np.maximum(TRIGRAM - count_N, 0)
    if not lack_N.any():
        return begin_W, count_N
    after = np.repeat(np.cumsum(count_N), lack_N)
    return np.insert(begin_W, after, begin_W[after]), count_N + lack_N


@functools.cache
def _letters() -> Array:
    """Return of each character whether it is part of a word, as regular expressions have it."""
    return np.array([bool(_WORD.match(chr(code))) for code in range(_LETTERS)] + [False])


_WORD = re.compile(r"\w")
# The lower case of each ASCII character that is part of a word; 0 for others.
_ASCII = bytes(ord(chr(c).lower()) if c < 0x80 and _WORD.match(chr(c)) else 0 for c in range(256))
