"""The instant baseline of images, and what a report says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.photographs import twins
from tithe import config
from tithe.evaluate import picture_baseline
from tithe.models.photographs import ImageExamples
from tithe.report import run_page
from tithe.tasks import open_task


def examples(folder: Path) -> ImageExamples:
    raw: dict[str, Any] = {"task": "image", "data": {"path": str(folder)}, "images": {"size": 48}}
    task = open_task(config.parse(raw))
    found = task.encode(task.load_labelled()[0])
    assert isinstance(found, ImageExamples)
    return found


def test_it_tells_upsampled_images_from_photographs(tmp_path: Path) -> None:
    every = examples(twins(tmp_path, 24))
    rows = np.arange(len(every))
    scored = picture_baseline.score(every.take(rows[rows % 4 < 2]), every.take(rows[rows % 4 >= 2]))
    assert scored is not None and scored["auc"] > 0.95 and scored["rows"] == scored["evaluated"] == 24
    assert scored["interval_95"][0] <= scored["auc"] <= scored["interval_95"][1]


def test_one_class_has_no_baseline(tmp_path: Path) -> None:
    every = examples(twins(tmp_path, 4))
    reals = every.take(np.flatnonzero(every.labels == 1))
    assert picture_baseline.score(every, reals) is None and picture_baseline.score(reals, every) is None


@pytest.mark.parametrize(("reals", "fakes"), [(5, 5), (400, 400), (10_000, 100), (399, 1), (1, 400_000)])
def test_many_rows_are_thinned_and_none_of_a_class_are_lost(reals: int, fakes: int) -> None:
    labels_N = np.random.default_rng(0).permutation([1] * reals + [0] * fakes)
    chosen_N = labels_N[picture_baseline._some(labels_N)]
    assert {0, 1} == set(chosen_N.tolist()) and len(chosen_N) <= picture_baseline.ROWS + 1
    assert len(chosen_N) == reals + fakes or abs(chosen_N.mean() - labels_N.mean()) < 0.01


# The AUC of the baseline beside a detector of .8 on 200 images, how loud the remark is, and how it begins.
REMARKS = [(0.95, "grave", "A regression on"), (0.8, "caution", "Not clearly better"), (0.5, "fine", "Better than")]


@pytest.mark.parametrize(("auc", "loudness", "begins"), REMARKS)
def test_the_report_compares_a_detector_with_it(auc: float, loudness: str, begins: str) -> None:
    own = {"authenticity": {"auc": 0.8, "reals": 100, "fakes": 100}}
    ((loud, said),) = run_page._beyond_statistics({"auc": auc, "rows": 400}, own)
    assert loud == loudness and str(said).startswith(begins) and f"{auc:.3f}" in str(said)
