"""Gradients of a head in the metric of its Hessian: sums without writing them out, and what a subset needs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from tithe.arrays import Array, Rows
from tithe.select.geometry import gradients as module
from tithe.select.geometry.gradients import Gradients
from tithe.select.signals import linear_probes

LAMBDA = 0.01


def written_out(X_ND: Array, probs_NC: Array, labels_N: Rows) -> Array:
    """F by its definition, shape (N, A·B)."""
    X_ND = (X_ND - X_ND.mean(axis=0)) / X_ND.std(axis=0)
    v_NB, u_NC = np.c_[X_ND, np.ones(len(X_ND))], probs_NC - np.eye(probs_NC.shape[1])[labels_N]
    A_CC = np.mean([np.diag(p_C) - np.outer(p_C, p_C) for p_C in probs_NC], axis=0)
    (a_C, Qa_CC), (b_B, Qb_BB) = np.linalg.eigh(A_CC), np.linalg.eigh(v_NB.T @ v_NB / len(v_NB))
    M_AB = 1 / np.sqrt(np.outer(a_C[1:], b_B) + LAMBDA)
    return np.einsum("na,ab,nb->nab", u_NC @ Qa_CC[:, 1:], M_AB, v_NB @ Qb_BB).reshape(len(X_ND), -1)


def test_sums_and_products_are_those_of_gradients_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 7)
    monkeypatch.setattr(module, "_NUMBERS", 100)
    rng = np.random.default_rng(1)
    X_ND, probs_NC, labels_N = rng.normal(2, 3, (40, 3)), rng.dirichlet(np.ones(4), 40), rng.integers(0, 4, 40)
    found, F_NM = Gradients.of(X_ND, probs_NC, labels_N, LAMBDA), written_out(X_ND, probs_NC, labels_N)
    weight_N = np.random.default_rng(2).random(len(found))
    assert np.allclose(found.gram(), F_NM @ F_NM.T)
    assert np.allclose(found.squared_norms(), (F_NM**2).sum(axis=1))
    total_AB = found.total(weight_N)
    assert np.isclose((total_AB**2).sum(), ((weight_N @ F_NM) ** 2).sum())
    assert np.allclose(found.along(total_AB), F_NM @ (weight_N @ F_NM))
    few = np.array([3, 30, 8])
    assert np.allclose(found.take(few).along(total_AB), found.along(total_AB)[few]), "in the metric of all rows"


def exact(X_KD: Array, labels_K: Rows, weight_K: Array, strength: float) -> Array:
    """Return the head of two classes, bias last, by Newton's method from the regression's solution."""
    theta_B = np.concatenate([part.ravel() for part in linear_probes.weighted(X_KD, labels_K, weight_K, strength)])
    v_KB, penalty_B = np.c_[X_KD, np.ones(len(X_KD))], np.append(np.full(X_KD.shape[1], strength), 0)
    start_B = theta_B
    for _ in range(20):
        p_K = 1 / (1 + np.exp(-v_KB @ theta_B))
        hessian_BB = (v_KB * (weight_K * p_K * (1 - p_K))[:, None]).T @ v_KB + np.diag(penalty_B)
        theta_B = theta_B - np.linalg.solve(hessian_BB, v_KB.T @ (weight_K * (p_K - labels_K)) + penalty_B * theta_B)
    assert np.allclose(theta_B, start_B, atol=0.01), "the regression solves the same problem"
    return theta_B


def test_a_handful_of_weighted_rows_has_the_same_head_if_the_penalty_follows_the_weights() -> None:
    rng = np.random.default_rng(0)
    X_ND, true_D = rng.normal(size=(200, 5)), rng.normal(size=5)
    labels_N = (rng.random(200) < 1 / (1 + np.exp(-X_ND @ true_D))).astype(np.int64)
    theta_B = exact(X_ND, labels_N, np.ones(200), LAMBDA * 200)
    p_N = 1 / (1 + np.exp(-(X_ND @ theta_B[:-1] + theta_B[-1])))
    found = Gradients.of(X_ND, np.c_[1 - p_N, p_N], labels_N, LAMBDA)
    F_NM = np.stack([found.along(np.eye(6)[m : m + 1]) for m in range(6)], axis=1)

    def error(weight_N: Array, strength: float) -> float:
        kept = np.flatnonzero(weight_N)
        return float(np.abs(exact(X_ND[kept], labels_N[kept], weight_N[kept], strength) - theta_B).max())

    weight_N, _ = nnls(np.c_[F_NM, np.ones(200)].T, np.append(F_NM.sum(axis=0), 200))
    assert (weight_N > 0).sum() <= 7 and weight_N.sum() == pytest.approx(200)
    assert error(weight_N, LAMBDA * 200) < 1e-8

    light_N, _ = nnls(F_NM.T, F_NM.sum(axis=0))  # nothing holds the sum of the weights
    assert light_N.sum() / 200 == pytest.approx(0.202, abs=0.001)
    assert error(light_N, LAMBDA * light_N.sum()) > 1, "the mean loss with the λ of all rows"
    assert error(light_N, LAMBDA * 200) < 1e-8, "λ·n/Σw for the mean loss"
