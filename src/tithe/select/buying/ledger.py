"""The labels of a pool, of which only bought ones can be read: labels cost money, texts do not (track T0)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Rows
from tithe.errors import TitheError


class Ledger:
    """The labels of a pool, of which only bought ones can be read."""

    def __init__(self, labels_N: Rows) -> None:
        self._labels_N = labels_N
        self._is_bought_N = np.zeros(len(labels_N), dtype=bool)

    def buy(self, rows_K: Rows) -> None:
        """Buy the labels of some rows; what is bought already costs nothing."""
        self._is_bought_N[rows_K] = True

    def read(self, rows_K: Rows) -> Rows:
        """Return the labels of some rows, shape (K,).

        Raises
        ------
        TitheError
            One of them was not bought.
        """
        if not self._is_bought_N[rows_K].all():
            raise TitheError(f"{int((~self._is_bought_N[rows_K]).sum())} labels were read that nobody has bought")
        return self._labels_N[rows_K]

    @property
    def cost(self) -> int:
        """How many labels were bought."""
        return int(self._is_bought_N.sum())
