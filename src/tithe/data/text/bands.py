"""MinHash bands of texts (Broder 1997): rows that agree in all four hashes of a band may be near-duplicates.

The hashes of a band are computed one after another, each only for rows that agree with another row so far: in texts
that have little in common, twenty hashes of eighty are enough. What is computed lies on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data.text.numbers import mix
from tithe.data.text.words import NumberedWords, Trigrams, spans

# Of pairs at a similarity of 0.7 one in 240 is missed, and one in 30 pairs with a similarity of 0.2 is compared.
_BANDS, _NUMBERS = 20, 4
_AT_ONCE = 8192  # rows whose trigrams are in memory at once
_IN_CACHE = 1 << 15  # trigrams that a processor keeps at hand while it computes all hashes of them
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Bands:
    """The bands of texts.

    Parameters
    ----------
    rows
        The number of texts N.
    file
        An empty file for them.
    """

    def __init__(self, rows: int, file: IO[bytes]) -> None:
        rng = np.random.default_rng(0x3A5E)
        self._factor_BK, self._summand_BK = (
            (rng.integers(2**64, size=_BANDS * _NUMBERS, dtype=np.uint64) | np.uint64(1)).reshape(_BANDS, _NUMBERS)
            for _ in range(2)
        )
        self._value_BN = np.memmap(file, np.uint64, "w+", shape=(_BANDS, max(rows, 1)))
        self._rows = 0

    def add(self, texts: Trigrams) -> None:
        """Compute the first hash of each band of more texts."""
        hash_T, start_N = texts
        first, last = self._rows, self._rows + len(start_N)
        cuts = np.searchsorted(start_N, np.arange(0, len(hash_T), _IN_CACHE))
        for begin, end in zip(cuts, [*cuts[1:], len(start_N)], strict=True):
            if begin == end:
                continue
            to = start_N[end] if end < len(start_N) else len(hash_T)
            part = Trigrams(hash_T[start_N[begin] : to], start_N[begin:end] - start_N[begin])
            scratch = np.empty_like(part.hash_T)
            for band in range(_BANDS):
                least_N = self._least(part, band, 0, scratch)
                self._value_BN[band, first + begin : first + end] = least_N
        self._rows = last

    def buckets(self, words: NumberedWords) -> Iterator[tuple[Rows, Array]]:
        """Yield for each band rows that may share it with others, and its value for each of them; sorted by row."""
        alive_N = self._compared()
        for number in range(1, _NUMBERS):
            rows = np.flatnonzero(alive_N)
            for start in range(0, len(rows), _AT_ONCE):
                self._extend(words, rows[start : start + _AT_ONCE], alive_N, number)
            alive_N = self._compared(alive_N)
        for band in range(_BANDS):
            rows = np.flatnonzero(alive_N & _bit(band))
            yield rows, self._value_BN[band, rows]

    def _extend(self, words: NumberedWords, rows: Rows, alive_N: Array, number: int) -> None:
        """Add a hash to the values of the bands in which rows agree with others so far."""
        texts = words.trigrams(rows)
        count_R = np.diff(texts.start_N, append=len(texts.hash_T))
        for band in range(_BANDS):
            own = np.flatnonzero(alive_N[rows] & _bit(band))
            if len(own):
                chosen = texts if len(own) == len(rows) else _some(texts, count_R, own)
                least_R = self._least(chosen, band, number, np.empty_like(chosen.hash_T))
                self._value_BN[band, rows[own]] = mix(self._value_BN[band, rows[own]]) + least_R

    def _least(self, texts: Trigrams, band: int, number: int, scratch_T: Array) -> Array:
        """Return a MinHash of each text, shape (N,)."""
        np.multiply(texts.hash_T, self._factor_BK[band, number], out=scratch_T)
        scratch_T += self._summand_BK[band, number]
        return np.asarray(np.minimum.reduceat(scratch_T, texts.start_N))

    def _compared(self, alive_N: Array | None = None) -> Array:
        """Return a bit for each band in which a row has the value of another one; a few rows too many have it."""
        found_N = np.zeros(self._rows, dtype=np.uint32)
        for band in range(_BANDS):
            rows = np.arange(self._rows) if alive_N is None else np.flatnonzero(alive_N & _bit(band))
            again = rows[_repeated(self._value_BN[band, : self._rows][rows])]
            found_N[again] |= _bit(band)
        return found_N


def _bit(band: int) -> np.uint32:
    return np.uint32(1 << band)


def _some(texts: Trigrams, count_N: Rows, rows: Rows) -> Trigrams:
    count_R = count_N[rows]
    return Trigrams(texts.hash_T[spans(texts.start_N[rows], count_R)], np.cumsum(count_R) - count_R)


def _repeated(value_N: Array) -> Array:
    """Return of each value whether it may be there more than once: of those that are, none is missed, shape (N,)."""
    bits = min(30, max(8, len(value_N).bit_length() + 3))
    slot_N = ((value_N * _SPREAD) >> np.uint64(32)).astype(np.uint32)
    sorted_N = np.sort(slot_N)
    table = np.zeros(1 << bits, dtype=bool)
    shift = np.uint32(32 - bits)
    table[sorted_N[1:][sorted_N[1:] == sorted_N[:-1]] >> shift] = True
    return np.asarray(table[slot_N >> shift])
