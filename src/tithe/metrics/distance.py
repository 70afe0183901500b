"""How far an embedding is from the classes of the training rows: Mahalanobis distance to the nearest class mean.

Shapes: N rows, C classes, D width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tithe.arrays import Array, Rows

_ROWS = 4096


@dataclass(frozen=True)
class ClassDistance:
    """Class means of embeddings of length 1, with a covariance that all classes share (Lee et al. 2018).

    The length of an embedding says more about its text than about its class, so it is left out (Müller and Hein 2025).
    The covariance is shrunk as in Ledoit and Wolf (2004): there may be fewer rows than dimensions.

    Attributes
    ----------
    means_CD
        Class means after whitening, float32, shape (C, D).
    whitening_DD
        Matrix whose product with an embedding of length 1 has the covariance 1, float32, shape (D, D).
    """

    means_CD: Array
    whitening_DD: Array

    @classmethod
    def fit(cls, embeddings_ND: Array, labels_N: Rows) -> ClassDistance:
        """Return the means and the covariance of training rows; every class has at least one."""
        from sklearn.covariance import ledoit_wolf

        units_ND = _units(embeddings_ND)
        means_CD = np.stack([units_ND[labels_N == label].mean(axis=0) for label in np.unique(labels_N)])
        own_ND = means_CD[np.searchsorted(np.unique(labels_N), labels_N)]
        covariance_DD = ledoit_wolf(units_ND - own_ND, assume_centered=True)[0]
        values_D, vectors_DD = np.linalg.eigh(covariance_DD)
        whitening_DD = vectors_DD / np.sqrt(values_D.clip(1e-12))
        # As they are saved: a distance is compared with those of validation rows, now and later.
        return cls((means_CD @ whitening_DD).astype(np.float32), whitening_DD.astype(np.float32))

    def to(self, embeddings_ND: Array) -> Array:
        """Return the distance of each row to the nearest class mean, shape (N,); further columns have no part in it."""
        from scipy.spatial.distance import cdist

        embeddings_ND = embeddings_ND[:, : len(self.whitening_DD)]
        blocks = (embeddings_ND[first : first + _ROWS] for first in range(0, len(embeddings_ND), _ROWS))
        near = [cdist(_units(block_ND) @ self.whitening_DD, self.means_CD).min(axis=1) for block_ND in blocks]
        return np.concatenate(near) if near else np.zeros(0)


def _units(embeddings_ND: Array) -> Array:
    values_ND = np.asarray(embeddings_ND, dtype=np.float64)
    units_ND: Array = values_ND / np.linalg.norm(values_ND, axis=1, keepdims=True).clip(1e-12)
    return units_ND
