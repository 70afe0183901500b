"""Perceptual hashes: 64 bits that hardly change when an image is compressed, resized or color-adjusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tithe.arrays import Rows
from tithe.errors import InputError
from tithe.imaging import Pixels
from tithe.imaging.backends import opencv

Hashes = np.ndarray[Any, np.dtype[np.uint64]]

_SIDE, _LOW = 32, 8
# Frequencies 1 to 8 of the DCT-II of 32 values; without frequency 0, which is the mean.
_BASIS = np.cos(np.pi / _SIDE * np.outer(np.arange(1, _LOW + 1), np.arange(_SIDE) + 0.5))


def phash(image_HW3: Pixels) -> int:
    """Return the 64-bit pHash of an image (Zauner 2010).

    The image is converted to grey, resized to 32 × 32 and transformed by a two-dimensional DCT. Each of the 64
    coefficients of vertical and horizontal frequencies 1 to 8 gives a bit, row by row, most significant first: whether
    it is above their median. An image of one colour has the hash 0.
    """
    cv2 = opencv()
    grey = cv2.resize(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    coefficients = _BASIS @ grey @ _BASIS.T
    # Equal coefficients may differ by rounding: require a margin.
    above = coefficients > np.median(coefficients) + 1e-6
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def near_duplicates(hashes_N: Hashes, distance: int = 4) -> list[Rows]:
    """Return groups of rows whose hashes differ in few bits; groups are sorted, and ordered by their first row.

    Two rows are in one group if a chain of rows connects them, each at most `distance` bits from the next. The result
    is exact: hashes that differ in d bits agree in at least one of d + 1 bands of their bits (the pigeonhole
    principle), so only rows that share a band are compared.

    Parameters
    ----------
    hashes_N
        uint64, shape (N,).
    distance
        Largest number of differing bits, 0 to 32.

    Raises
    ------
    InputError
        The distance is out of range.
    """
    if not 0 <= distance <= 32:
        raise InputError(f"cannot group hashes by a distance of {distance} bits: choose 0 to 32")
    unique_U, back_N = np.unique(np.asarray(hashes_N, dtype=np.uint64), return_inverse=True)
    root_N = _roots(unique_U, distance)[back_N]
    order = np.argsort(root_N, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(root_N[order])) + 1)
    return sorted((group for group in groups if len(group) > 1), key=lambda group: int(group[0]))


def _roots(hashes_U: Hashes, distance: int) -> Rows:
    """Return the lowest row of the group that each hash belongs to, shape (U,)."""
    root_U = np.arange(len(hashes_U))
    edges = np.linspace(0, 64, distance + 2).round().astype(int)
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        band_U = (hashes_U >> np.uint64(low)) & np.uint64(2 ** (high - low) - 1)
        for a_P, b_P in _pairs(band_U):
            close_P = np.bitwise_count(hashes_U[a_P] ^ hashes_U[b_P]) <= distance
            _join(root_U, a_P[close_P], b_P[close_P])
    return root_U


def _pairs(band_U: Hashes) -> Iterator[tuple[Rows, Rows]]:
    """Yield all pairs of rows with equal values: neighbours in sorted order, then rows two apart, and so on."""
    order = np.argsort(band_U, kind="stable")
    sorted_U = band_U[order]
    at_P, apart = np.arange(len(order)), 0
    while True:
        apart += 1
        at_P = at_P[at_P + apart < len(order)]
        at_P = at_P[sorted_U[at_P] == sorted_U[at_P + apart]]
        if not len(at_P):
            return
        yield order[at_P], order[at_P + apart]


def _join(root_U: Rows, a_P: Rows, b_P: Rows) -> None:
    """Merge the groups of each pair: lower their roots, the lowest rows, until they agree."""
    while len(apart := np.flatnonzero(root_U[a_P] != root_U[b_P])):
        a_P, b_P = a_P[apart], b_P[apart]
        high_P, low_P = np.maximum(root_U[a_P], root_U[b_P]), np.minimum(root_U[a_P], root_U[b_P])
        np.minimum.at(root_U, high_P, low_P)
        while (root_U[root_U] != root_U).any():
            root_U[:] = root_U[root_U]
