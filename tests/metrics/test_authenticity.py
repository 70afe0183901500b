"""Scores of real and fake images: numbers worked by hand, against scikit-learn, and what must not change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn import metrics as reference

from support.scores import EIGHT, EIGHT_SCORES, Array, drawn
from tithe.errors import InputError
from tithe.metrics import authenticity, calibration
from tithe.metrics.calibration import calibrate


def test_the_rooms_know_the_same_classes() -> None:
    assert authenticity.CLASSES == ("fake", "real")
    assert set(authenticity.CLASSES) | {"unsure"} == set(calibration.Verdict.__args__)  # type: ignore[attr-defined]


# ---- one set of images


def test_the_interval_of_an_area_is_the_published_one() -> None:
    """Hanley and McNeil (1982): an area of .893 over 51 and 58 images has a standard error of .032."""
    low, high = authenticity.interval({"auc": 0.893, "reals": 51, "fakes": 58}) or (0.0, 0.0)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=6e-4) and (low + high) / 2 == pytest.approx(0.893)
    low, high = authenticity.interval({"auc": 1.0, "reals": 5, "fakes": 5}) or (0.0, 0.0)
    assert (low, high) == (pytest.approx(0.643, abs=2e-3), 1.0), "five of each say little"
    assert authenticity.interval({"auc": 0.0, "reals": 5, "fakes": 5}) == (0.0, pytest.approx(1 - low))
    low, _ = authenticity.interval({"auc": 1.0, "reals": 500, "fakes": 2000}) or (0.0, 0.0)
    assert 0.99 < low < 1 and authenticity.interval({"auc": low, "reals": 500, "fakes": 2000})[1] == pytest.approx(1)
    assert authenticity.interval({"auc": None, "reals": 5, "fakes": 0}) is None


def test_the_summary_of_eight_images_is_that_worked_by_hand() -> None:
    assert authenticity.summary(EIGHT, EIGHT_SCORES) == pytest.approx(
        {
            "rows": 8,
            "reals": 4,
            "fakes": 4,
            "fpr": 1 / 4,  # the real at 0.4
            "miss_rate": 1 / 4,  # the fake at 0.85
            "accuracy": 6 / 8,
            "balanced_accuracy": 6 / 8,
            "auc": (4 + 3 + 3 + 2.5) / 16,  # the pairs that each real wins; a tie is half won
            "ap_real": (1 + 2 / 3 + 3 / 4 + 4 / 6) / 4,  # precision as recall rises by each real, from the top
            "ap_fake": (1 + 1 + 3 / 4 + 4 / 7) / 4,
            "eer": 1 / 4,
            "eer_threshold": 0.5,
            "tpr_at_fpr_1": 2 / 4,  # without a false alarm, below 0.4
            "tpr_at_fpr_5": 2 / 4,
            "tpr_at_fpr_10": 2 / 4,
            "accuracy_best_threshold": 6 / 8,
            "best_threshold_on_these_rows": 0.5,  # 0.3 is as good
            "ece": (0.1 + 0.2 + 2 * 0.1 + 0.4 + 2 * 0.325 + 0.1) / 8,
            "brier": (0.01 + 0.04 + 0.16 + 0.36 + 0.7225 + 0.16 + 0.04 + 0.01) / 8,
        }
    )


def test_the_sweep_counts_what_lies_below_each_threshold() -> None:
    found = authenticity.sweep(EIGHT, EIGHT_SCORES)
    assert found.thresholds_T == pytest.approx([0, 0.15, 0.3, 0.5, 0.7, 0.825, 0.875, 0.9])
    assert found.reals_T.tolist() == [0, 0, 0, 1, 2, 3, 3, 4]
    assert found.fakes_T.tolist() == [0, 1, 2, 3, 3, 3, 4, 4]


@pytest.mark.parametrize("scores", [[0.5, np.nextafter(0.5, 1)], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.0, 5e-324]])
def test_thresholds_call_what_their_counts_say(scores: list[float]) -> None:
    found = authenticity.sweep(np.array([0, 1]), np.array(scores))
    for threshold, reals, fakes in zip(*found, strict=True):
        assert [scores[1] < threshold, scores[0] < threshold] == [reals, fakes]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_the_summary_agrees_with_scikit_learn(seed: int, decimals: int) -> None:
    labels_N, scores_N = drawn(seed, decimals=decimals)
    found = authenticity.summary(labels_N, scores_N)
    is_fake_N, called_real_N = 1 - labels_N, scores_N >= 0.5
    fpr_T, tpr_T, _ = reference.roc_curve(is_fake_N, -scores_N, drop_intermediate=False)
    expected = {
        "auc": reference.roc_auc_score(labels_N, scores_N),
        "ap_real": reference.average_precision_score(labels_N, scores_N),
        "ap_fake": reference.average_precision_score(is_fake_N, -scores_N),
        "eer": brentq(lambda x: 1 - x - interp1d(fpr_T, tpr_T)(x), 0.0, 1.0),
        "tpr_at_fpr_1": tpr_T[fpr_T <= 0.01].max(),
        "tpr_at_fpr_5": tpr_T[fpr_T <= 0.05].max(),
        "tpr_at_fpr_10": tpr_T[fpr_T <= 0.10].max(),
        "accuracy": reference.accuracy_score(labels_N, called_real_N),
        "balanced_accuracy": reference.balanced_accuracy_score(labels_N, called_real_N),
        "brier": reference.brier_score_loss(labels_N, scores_N),
        "fpr": 1 - reference.recall_score(labels_N, called_real_N),
        "miss_rate": 1 - reference.recall_score(is_fake_N, ~called_real_N),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_area_is_that_of_mann_and_whitney(seed: int) -> None:
    labels_N, scores_N = drawn(seed, rows=60, decimals=1)
    real_R, fake_F = scores_N[labels_N == 1], scores_N[labels_N == 0]
    won_RF = (real_R[:, None] > fake_F) + 0.5 * (real_R[:, None] == fake_F)
    assert authenticity.summary(labels_N, scores_N)["auc"] == pytest.approx(won_RF.mean())


@pytest.mark.parametrize("seed", range(3))
def test_the_best_threshold_does_what_is_said_of_it_and_none_does_better(seed: int) -> None:
    labels_N, scores_N = drawn(seed, rows=60)
    found = authenticity.summary(labels_N, scores_N)
    accuracy = {t: ((scores_N >= t) == labels_N).mean() for t in [*scores_N, 1.1]}
    assert found["accuracy_best_threshold"] == pytest.approx(max(accuracy.values()))
    at = found["best_threshold_on_these_rows"]
    assert ((scores_N >= at) == labels_N).mean() == pytest.approx(found["accuracy_best_threshold"])


RANKING = ("auc", "ap_real", "ap_fake", "eer", "tpr_at_fpr_1", "tpr_at_fpr_10", "accuracy_best_threshold")
MONOTONE: list[Callable[[Array], Array]] = [
    np.square,
    np.sqrt,
    lambda s: s / 1e6,
    lambda s: 1e-20 * s,  # one less these is 1, and so no way to count from the other end
    lambda s: 0.5 + s / 4,
]


@pytest.mark.parametrize("bend", MONOTONE)
def test_what_depends_on_the_order_alone_survives_a_monotone_map(bend: Callable[[Array], Array]) -> None:
    labels_N, scores_N = drawn(0)
    before, after = authenticity.summary(labels_N, scores_N), authenticity.summary(labels_N, bend(scores_N))
    assert [after[name] for name in RANKING] == [before[name] for name in RANKING]


def test_the_order_of_the_rows_does_not_matter() -> None:
    labels_N, scores_N = drawn(0)
    order = np.random.default_rng(1).permutation(len(labels_N))
    found = authenticity.summary(labels_N[order], scores_N[order])
    assert found == pytest.approx(authenticity.summary(labels_N, scores_N))


def test_the_classes_are_mirror_images() -> None:
    labels_N, scores_N = drawn(0, decimals=12)
    found = authenticity.summary(labels_N, scores_N)
    mirrored = authenticity.summary(1 - labels_N, 1 - scores_N)
    swapped = {"ap_real": "ap_fake", "fpr": "miss_rate", "reals": "fakes"}
    swapped |= {b: a for a, b in swapped.items()}
    for name in ("rows", "accuracy", "auc", "eer", "ece", "brier", "accuracy_best_threshold", *swapped):
        assert mirrored[swapped.get(name, name)] == pytest.approx(found[name]), name
    assert mirrored["eer_threshold"] == pytest.approx(1 - found["eer_threshold"])


KNOWN = [
    ("all in order", [1, 1, 0, 0], [0.9, 0.8, 0.3, 0.2], {"auc": 1, "ap_fake": 1, "eer": 0, "tpr_at_fpr_1": 1}),
    ("all reversed", [1, 1, 0, 0], [0.2, 0.3, 0.8, 0.9], {"auc": 0, "eer": 1, "tpr_at_fpr_10": 0, "accuracy": 0}),
    ("all the same", [1, 1, 0, 0], [0.5] * 4, {"auc": 0.5, "ap_fake": 0.5, "eer": 0.5, "fpr": 0, "miss_rate": 1}),
    ("sure and right", [1, 0], [1.0, 0.0], {"ece": 0, "brier": 0, "best_threshold_on_these_rows": 0.5}),
    ("sure and wrong", [1, 0], [0.0, 1.0], {"ece": 1, "brier": 1, "accuracy": 0, "accuracy_best_threshold": 0.5}),
    # As sure of fakes as it should be less of reals: in bins of the larger probability nothing would be amiss.
    ("errors that hide", [1, 0] * 4 + [0] * 8, [0.75] * 8 + [0.25] * 8, {"ece": 0.25, "fpr": 0}),
]


@pytest.mark.parametrize(("labels", "scores", "expected"), [case[1:] for case in KNOWN], ids=[c[0] for c in KNOWN])
def test_known_answers(labels: list[int], scores: list[float], expected: dict[str, float]) -> None:
    found = authenticity.summary(np.array(labels), np.array(scores))
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(("real", "known", "share"), [(1, "fpr", 1 / 4), (0, "miss_rate", 3 / 4)])
def test_of_one_class_only_its_own_errors_are_said(real: int, known: str, share: float) -> None:
    found = authenticity.summary(np.full(4, real), np.array([0.1, 0.5, 0.7, 0.9]))
    assert found[known] == share
    said = {name for name, value in found.items() if value is not None}
    assert said == {"rows", "reals", "fakes", known}
    assert found.keys() == authenticity.summary(EIGHT, EIGHT_SCORES).keys()
    json.dumps(found, allow_nan=False)


BAD = [
    ([], [], "0 labels and 0 scores"),
    ([1, 0], [0.5], "2 labels and 1 scores"),
    ([1, 2], [0.5, 0.5], "row 1 has the label 2: choose 0 (fake) or 1 (real)"),
    (["real", "fake"], [0.5, 0.5], "row 0 has the label real"),
    ([1, 0], [0.5, 1.5], "row 1 has the score 1.5: scores must be from 0 to 1"),
    ([1, 0], [-0.1, 0.5], "row 0 has the score -0.1"),
    ([1, 0], [0.5, np.nan], "row 1 has the score nan"),
]


@pytest.mark.parametrize(("labels", "scores", "says"), BAD)
@pytest.mark.parametrize("function", [authenticity.sweep, authenticity.summary, calibrate])
def test_bad_rows_are_refused(function: Callable[..., Any], labels: list[Any], scores: list[float], says: str) -> None:
    with pytest.raises(InputError) as caught:
        function(np.array(labels), np.array(scores))
    assert says in str(caught.value) and "\n" not in str(caught.value)


# ---- generators, and the worst of all


def test_each_generator_meets_all_reals_and_its_own() -> None:
    labels_N = np.array([1, 1, 0, 0, 1, 0])
    scores_N = np.array([0.9, 0.3, 0.2, 0.6, 0.5, 0.4])
    lines = authenticity.per_generator(labels_N, scores_N, ["vae", "gan", "gan", "gan", "photos", "vae"])
    assert [line["generator"] for line in lines] == ["gan", "vae", authenticity.MACRO]
    gan, vae, mean = lines
    assert (gan["fakes"], gan["auc"], gan["own_reals"], gan["auc_own_reals"]) == (2, 4 / 6, 1, 1 / 2)
    assert (vae["fakes"], vae["auc"], vae["own_reals"], vae["auc_own_reals"]) == (1, 2 / 3, 1, 1)
    assert (gan["miss_rate"], vae["miss_rate"], mean["miss_rate"]) == (1 / 2, 0, 1 / 4)
    assert mean["auc"] == pytest.approx(2 / 3) and mean["auc_own_reals"] == 3 / 4
    assert all(line.keys() == mean.keys() for line in lines)


def test_a_generator_without_reals_of_its_own_is_left_out_of_that_mean() -> None:
    names = ["a", "a", "a", "a", "a", "a", "b", "b"]
    a, b, mean = authenticity.per_generator(EIGHT, EIGHT_SCORES, names)
    assert b["own_reals"] == 0 and b["auc_own_reals"] is None and b["auc"] == 1
    assert mean["auc_own_reals"] == a["auc_own_reals"] and mean["auc"] == (a["auc"] + b["auc"]) / 2


def test_without_reals_only_the_misses_are_said_and_without_fakes_nothing() -> None:
    line, mean = authenticity.per_generator(np.zeros(2), np.array([0.2, 0.7]), ["a", "a"])
    assert line["miss_rate"] == mean["miss_rate"] == 1 / 2 and line["auc"] is None and mean["auc"] is None
    assert authenticity.per_generator(np.ones(2), np.array([0.2, 0.7]), ["a", "a"]) == []


def test_the_most_wrong_come_first() -> None:
    assert authenticity.most_wrong(EIGHT, EIGHT_SCORES, 9).tolist() == [4, 3]
    assert authenticity.most_wrong(EIGHT, EIGHT_SCORES, 1).tolist() == [4]
    even_N = np.array([0.25, 0.75, 0.25, 0.5])
    assert authenticity.most_wrong(np.array([1, 0, 1, 1]), even_N, 9).tolist() == [0, 1, 2]  # a real at 0.5 is right
    ties_N = np.tile([0.2, 0.1, 0.3], 40)
    expected = [*range(1, 120, 3), *range(0, 120, 3), *range(2, 120, 3)]
    assert authenticity.most_wrong(np.ones(120), ties_N, 120).tolist() == expected
