"""Weights under which the gradients of chosen rows sum to a target (calibration: Deville & Särndal 1992)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tithe.arrays import Array
from tithe.select.geometry.gradients import Gradients

_NEWTON, _PRODUCTS, _HALVINGS = 50, 100, 30  # steps at most
_CLOSE, _INEXACT = 1e-4, 0.01  # errors that are left, as shares of those at first: at the end, and of a Newton step


def calibrated(gradients: Gradients, target_AB: Array, start_K: Array, slack: float = 0.01) -> Array:
    """Return weights w ≥ 0 by which Σ w F meets a target and Σ w the number of rows, moved as little as possible.

    They minimise ‖target − Σ w F‖² + f (K − Σ w)² + slack · f · ‖w − start‖², f the mean of ‖F‖²: with a small slack
    they meet any target that can be met; a larger one keeps them even where none can. In the dual w = max(0, start +
    Fν), with as many numbers in ν as in a gradient. Each Newton step for ν takes a few products with F by conjugate
    gradients: few, since the metric makes the directions of F alike, and no matrix of rows or gradients is formed.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    sums = _Sums(gradients, float(np.sqrt(max(gradients.squared_norms().mean(), 1e-12))))
    target_M, ridge = np.append(target_AB, sums.one * len(gradients)), slack * sums.one**2
    v_M, reach_K = np.zeros_like(target_M), np.array(start_K, dtype=np.float64)
    slope_M = sums.total(reach_K.clip(0)) - target_M
    first = float(np.linalg.norm(slope_M))
    for _ in range(_NEWTON):
        if np.linalg.norm(slope_M) <= _CLOSE * first:
            break
        inside_K = reach_K > 0
        hessian = LinearOperator(
            (len(v_M), len(v_M)), lambda x_M, of_K=inside_K: sums.total(of_K * sums.along(x_M)) + ridge * x_M
        )
        step_M, _ = cg(hessian, -slope_M, rtol=_INEXACT, maxiter=_PRODUCTS)
        along_K, downhill = sums.along(step_M), float(slope_M @ step_M)
        values = (
            (share, _value(reach_K + share * along_K, v_M + share * step_M, target_M, ridge))
            for share in 0.5 ** np.arange(_HALVINGS)
        )
        before = _value(reach_K, v_M, target_M, ridge)
        share = next((share for share, value in values if value <= before + 1e-4 * share * downhill), 0.0)
        if not share:
            break
        v_M, reach_K = v_M + share * step_M, reach_K + share * along_K
        slope_M = sums.total(reach_K.clip(0)) + ridge * v_M - target_M
    return reach_K.clip(0)


def _value(reach_K: Array, v_M: Array, target_M: Array, ridge: float) -> float:
    """Return what the dual minimises."""
    w_K = reach_K.clip(0)
    return float(w_K @ w_K) / 2 + ridge * float(v_M @ v_M) / 2 - float(target_M @ v_M)


@dataclass(frozen=True)
class _Sums:
    """Gradients with one number more, the same for all, by which their weights are counted: [F, one]."""

    gradients: Gradients
    one: float

    def total(self, weight_K: Array) -> Array:
        return np.append(self.gradients.total(weight_K), self.one * weight_K.sum())

    def along(self, x_M: Array) -> Array:
        along_K: Array = self.gradients.along(x_M[:-1].reshape(self.gradients.M_AB.shape)) + self.one * x_M[-1]
        return along_K
