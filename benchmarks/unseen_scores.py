"""Scores of detectors on images of several generators, and what the tables of `unseen_generators.py` say of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from tithe.arrays import Array
from tithe.metrics.calibration import calibrate

_DRAWS = 400  # of an interval


class Scores(NamedTuple):
    """Scores and verdicts of the images of one part."""

    generator_N: Array
    source_N: Array
    score_N: Array
    verdict_N: Array

    @property
    def real_N(self) -> Array:
        """Whether each image is real."""
        return self.generator_N == ""


def stacked(first: dict[str, Scores], second: dict[str, Scores]) -> dict[str, Scores]:
    """Return the scores of a regression on those of two detectors, fitted on the validation images."""

    def inputs(part: str) -> Array:
        score_2N = np.stack([one[part].score_N for one in (first, second)]).clip(1e-6, 1 - 1e-6)
        return np.log(score_2N / (1 - score_2N)).T

    fitted = LogisticRegression(C=1.0).fit(inputs("validation"), first["validation"].real_N)
    scores = {part: fitted.predict_proba(inputs(part))[:, 1] for part in first}
    own = calibrate(first["validation"].real_N.astype(int), scores["validation"])
    return {
        part: of._replace(score_N=scores[part], verdict_N=np.array(own.verdicts(scores[part])))
        for part, of in first.items()
    }


def area(real_N: Array, score_N: Array) -> float:
    """Return the share of pairs of a real image and a fake that are in the right order; ties count half."""
    reals, rank_N = int(real_N.sum()), rankdata(score_N)
    return float((rank_N[real_N].sum() - reals * (reals + 1) / 2) / (reals * (len(real_N) - reals)))


def cell(of_seeds: Sequence[Scores], generators: Iterable[str]) -> str:
    """Return the mean AUC over seeds with its interval over photographs, and fakes caught at 5 % of false alarms."""
    names = list(generators)
    rows = [np.flatnonzero(s.real_N | np.isin(s.generator_N, names)) for s in of_seeds]
    if not any(np.isin(s.generator_N, names).any() for s in of_seeds):
        return ""
    parts = [(s.real_N[r], s.score_N[r], s.source_N[r]) for s, r in zip(of_seeds, rows, strict=True)]
    mean = np.mean([area(real_N, score_N) for real_N, score_N, _ in parts])
    caught = [(score_N[~real_N] < np.quantile(score_N[real_N], 0.05)).mean() for real_N, score_N, _ in parts]
    rng, draws = np.random.default_rng(0), []
    source_S, code_N = np.unique(parts[0][2], return_inverse=True)
    by_source = [np.flatnonzero(code_N == place) for place in range(len(source_S))]
    for _ in range(_DRAWS):
        drawn = np.concatenate([by_source[place] for place in rng.integers(len(source_S), size=len(source_S))])
        draws.append(np.mean([area(real_N[drawn], score_N[drawn]) for real_N, score_N, _ in parts]))
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return f"{mean:.3f} ({low:.3f}–{high:.3f}), {np.mean(caught):.2f}"


def unsure(of_seeds: Sequence[Scores]) -> str:
    """Return what `unsure` leaves: the share that is judged, and the errors among what is; then all errors at 0.5."""
    columns = []
    for scores in of_seeds:
        sure_N, right_N = scores.verdict_N != "unsure", np.where(scores.real_N, "real", "fake")
        for of_N in (~scores.real_N, scores.real_N):
            wrong_N = scores.verdict_N != right_N
            judged = wrong_N[of_N & sure_N]
            at_half = ((scores.score_N > 0.5) != scores.real_N)[of_N]
            columns += [sure_N[of_N].mean(), judged.mean() if len(judged) else np.nan, at_half.mean()]
    values_VS = np.array(columns).reshape(len(of_seeds), 6).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no seed judges anything
        means = np.nanmean(values_VS, axis=1)
    return " | ".join("–" if np.isnan(value) else f"{value:.0%}" for value in means)


def joined(folds: list[list[Scores]]) -> list[Scores]:
    """Return the scores of each seed over all folds."""
    return [Scores(*map(np.concatenate, zip(*of_seed, strict=True))) for of_seed in zip(*folds, strict=True)]
