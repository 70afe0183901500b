"""Gradients of a linear head, one for each row, in the metric of its Hessian; never written out for all rows at once.

At the optimum of a logistic head the gradient of a row is an outer product, u ⊗ v: u = p − onehot(y), and v the
standardised features with a 1 for the bias. The Hessian is close to A ⊗ B, A = mean(diag p − pp′) and B = mean(vv′)
(K-FAC, Martens & Grosse 2015), so that with their eigenvectors Qa, Qb and eigenvalues a, b

    F = M ∘ (uQa ⊗ vQb),   M_ab = 1 / √(a·b + λ)

has inner products that measure what a change of the loss does to the head. A has no curvature along equal changes of
all logits, where the gradient is 0: that direction is left out. Every sum over rows is a product of the factors with a
small matrix, which is what makes millions of rows cheap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from tithe.arrays import Array, Rows

_ROWS = 4096  # of one product: enough work for BLAS, and factors that stay in the cache
_NUMBERS = 4_000_000  # of gradients that are written out at a time


class Factors(Protocol):
    """Where u and v of some rows come from."""

    def __len__(self) -> int: ...
    def of(self, rows: slice | Rows, /) -> tuple[Array, Array]:
        """Return u, shape (R, C), and v, shape (R, B)."""
        ...


@dataclass(frozen=True)
class Gradients:
    """The gradients F of some rows; a sum of gradients is a matrix of shape (A, B): classes less one, width and one.

    Attributes
    ----------
    factors
        u and v of the rows.
    Q
        Eigenvectors of the two factors of the Hessian, shapes (C, A) and (B, B); None where u and v are turned already.
    M_AB
        What makes a gradient count as much as the change of the head that it asks for.
    """

    factors: Factors
    Q: tuple[Array, Array] | None
    M_AB: Array

    @classmethod
    def of(cls, X_ND: Array, probs_NC: Array, labels_N: Rows, penalty: float) -> Self:
        """Return the gradients of all rows at the optimum of a head.

        Parameters
        ----------
        X_ND
            Features as they are; float64 ones are computed with in float64, others in float32.
        probs_NC
            What the head, trained on these rows, predicts for them.
        penalty
            λ of the loss that the head minimises: mean cross-entropy + λ/2 ‖weights‖².
        """
        centre_D, spread_D = _moments(X_ND)
        factors, classes, width = _Made(X_ND, probs_NC, labels_N, centre_D, spread_D), probs_NC.shape[1], len(centre_D)
        A_CC, B_BB = np.zeros((classes, classes)), np.zeros((width + 1, width + 1))
        for rows in _parts(len(X_ND)):
            p_RC, (_, v_RB) = np.asarray(probs_NC[rows], dtype=np.float64), factors.of(rows)
            A_CC += np.diag(p_RC.sum(axis=0)) - p_RC.T @ p_RC
            B_BB += v_RB.T @ v_RB
        (a_C, Qa_CC), (b_B, Qb_BB) = (np.linalg.eigh(matrix / len(X_ND)) for matrix in (A_CC, B_BB))
        M_AB, dtype = 1 / np.sqrt(np.outer(a_C[1:].clip(0), b_B.clip(0)) + penalty), centre_D.dtype
        return cls(factors, (Qa_CC[:, 1:].astype(dtype), Qb_BB.astype(dtype)), M_AB.astype(dtype))

    def __len__(self) -> int:
        return len(self.factors)

    def labelled(self, labels_N: Rows) -> Self:
        """Return the gradients that all rows would have with other labels, in the same metric."""
        assert isinstance(self.factors, _Made)  # factors that are written out have no labels
        return replace(self, factors=replace(self.factors, labels_N=labels_N))

    def take(self, rows_K: Rows) -> Self:
        """Return the gradients of some rows, in the same metric; their factors are written out.

        Those of few rows are turned once, which is most of the work of a product with them.
        """
        u_KC = np.empty((len(rows_K), len(self.M_AB) if self.Q is None else len(self.Q[0])), dtype=self.M_AB.dtype)
        v_KB = np.empty((len(rows_K), self.M_AB.shape[1]), dtype=self.M_AB.dtype)
        for part in _parts(len(rows_K)):
            u_KC[part], v_KB[part] = self.factors.of(rows_K[part])
        if len(rows_K) > _ROWS:
            return replace(self, factors=_Written(u_KC, v_KB))
        return replace(self, factors=_Written(*self._turned(u_KC, v_KB)), Q=None)

    def _turned(self, u_RC: Array, v_RB: Array) -> tuple[Array, Array]:
        return (u_RC, v_RB) if self.Q is None else (u_RC @ self.Q[0], v_RB @ self.Q[1])

    def total(self, weight_N: Array | None = None) -> Array:
        """Return Σ w F, shape (A, B), in float64; every weight is 1 where none are given."""
        sum_CB = np.zeros(self.M_AB.shape if self.Q is None else (len(self.Q[0]), len(self.Q[1])))
        for rows in _parts(len(self)):
            u_RC, v_RB = self.factors.of(rows)
            sum_CB += (u_RC if weight_N is None else u_RC * weight_N[rows, None].astype(u_RC.dtype)).T @ v_RB
        total_AB: Array = self.M_AB * (sum_CB if self.Q is None else self.Q[0].T @ sum_CB @ self.Q[1])
        return total_AB

    def along(self, direction_AB: Array) -> Array:
        """Return the inner product of each gradient with a matrix of shape (A, B); shape (N,), float64."""
        W_BC = (self.M_AB * direction_AB).T
        W_BC = (W_BC if self.Q is None else self.Q[1] @ W_BC @ self.Q[0].T).astype(self.M_AB.dtype)
        product_N = np.empty(len(self))
        for rows in _parts(len(self)):
            u_RC, v_RB = self.factors.of(rows)
            product_N[rows] = np.einsum("rc,rc->r", u_RC, v_RB @ W_BC)
        return product_N

    def squared_norms(self) -> Array:
        """Return ‖F‖² of each row, shape (N,), float64."""
        squared_N = np.empty(len(self))
        for rows in _parts(len(self)):
            uQ_RA, vQ_RB = self._turned(*self.factors.of(rows))
            squared_N[rows] = np.einsum("ra,ra->r", uQ_RA**2, vQ_RB**2 @ (self.M_AB**2).T)
        return squared_N

    def input_norms(self) -> Array:
        """Return ‖v‖ of each row, shape (N,), float64."""
        norms = (np.linalg.norm(self.factors.of(rows)[1], axis=1) for rows in _parts(len(self)))
        return np.concatenate([norm_R.astype(np.float64) for norm_R in norms])

    def gram(self) -> Array:
        """Return the inner products of all pairs of these rows, shape (N, N); only a few classes at a time."""
        uQ_NA, vQ_NB = self._turned(*self.factors.of(slice(0, len(self))))
        gram_NN = np.zeros((len(self), len(self)), dtype=self.M_AB.dtype)
        step = max(1, _NUMBERS // max(1, vQ_NB.size))
        for first in range(0, uQ_NA.shape[1], step):
            part = slice(first, first + step)
            F_NX = np.einsum("na,ab,nb->nab", uQ_NA[:, part], self.M_AB[part], vQ_NB).reshape(len(self), -1)
            gram_NN += F_NX @ F_NX.T
        return gram_NN


@dataclass(frozen=True)
class _Written:
    """Factors that are there."""

    u_NC: Array
    v_NB: Array

    def __len__(self) -> int:
        return len(self.u_NC)

    def of(self, rows: slice | Rows) -> tuple[Array, Array]:
        return self.u_NC[rows], self.v_NB[rows]


@dataclass(frozen=True)
class _Made:
    """Factors that are made when they are needed, so that no second copy of the features is."""

    X_ND: Array
    probs_NC: Array
    labels_N: Rows
    centre_D: Array
    spread_D: Array

    def __len__(self) -> int:
        return len(self.X_ND)

    def of(self, rows: slice | Rows) -> tuple[Array, Array]:
        x_RD, labels_R = self.X_ND[rows], self.labels_N[rows]
        u_RC = np.array(self.probs_NC[rows], dtype=self.centre_D.dtype)
        u_RC[np.arange(len(u_RC)), labels_R] -= 1
        v_RB = np.ones((len(x_RD), len(self.centre_D) + 1), dtype=self.centre_D.dtype)
        np.subtract(x_RD, self.centre_D, out=v_RB[:, :-1])
        v_RB[:, :-1] /= self.spread_D
        return u_RC, v_RB


def _parts(count: int) -> Iterator[slice]:
    return (slice(first, first + _ROWS) for first in range(0, count, _ROWS))


def _moments(X_ND: Array) -> tuple[Array, Array]:
    """Return mean and deviation of the columns, without a copy of them; a constant column deviates by 1."""
    mean_D, square_D = np.zeros(X_ND.shape[1]), np.zeros(X_ND.shape[1])
    for rows in _parts(len(X_ND)):
        mean_D += X_ND[rows].sum(axis=0, dtype=np.float64) / len(X_ND)
    for rows in _parts(len(X_ND)):
        square_D += ((X_ND[rows] - mean_D) ** 2).sum(axis=0) / len(X_ND)
    spread_D, dtype = np.sqrt(square_D), np.result_type(X_ND.dtype, np.float32)
    return mean_D.astype(dtype), np.where(spread_D > 1e-8, spread_D, 1).astype(dtype)
