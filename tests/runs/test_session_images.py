"""Whole runs on photographs: workers, accumulated batches, waiting, what goes missing, and that it learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from support.photographs import final, history, train, twins, with_little_detector, without_pictures
from tithe import storage
from tithe.errors import InputError
from tithe.runs import step_log
from tithe.tasks import image
from tithe.track.tracks import RunTracker


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set")


def test_workers_do_not_change_a_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    with_little_detector(monkeypatch)
    homes = [train(root, tmp_path / str(n), num_workers=n, augment="all").home for n in (0, 2)]
    assert final(homes[0]) == final(homes[1])
    assert (homes[0] / "history.jsonl").read_bytes() == (homes[1] / "history.jsonl").read_bytes()


@pytest.mark.parametrize("worth_it", [True, False])
def test_waiting_long_for_images_is_told_with_its_cure(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, worth_it: bool
) -> None:
    without_pictures(monkeypatch)
    with_little_detector(monkeypatch)
    if worth_it:
        monkeypatch.setattr(step_log, "_LONG_WAIT", 0.0)
        monkeypatch.setattr(step_log, "_LARGE_SHARE", 0.0)
    home = train(root, tmp_path / "out", epochs=1).home
    said = "seconds were spent waiting for data: raise data.num_workers (now 0)"
    assert (said in caplog.text) == worth_it
    waited = json.loads((home / "metrics.json").read_text())["training"]["waited_seconds"]
    assert f"{waited} s of " in (home / "report.html").read_text()
    kept = json.loads((home / "best" / "state.json").read_text())["idle"]
    assert waited == pytest.approx(kept, abs=0.006), "a run that goes on counts from there"


def test_accumulated_batches_change_nothing_but_the_pairs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    weights = {"ranking_weight": 0.0, "epochs": 1}
    whole = train(root, tmp_path / "whole", **weights).home
    parts = train(root, tmp_path / "parts", batch_size=4, gradient_accumulation_steps=2, **weights).home
    (a, b), (c, d) = ([history(home, "train")[-1], history(home, "val")[0]] for home in (whole, parts))
    for name in ("total", "regression", "classification"):
        assert c[name] == pytest.approx(a[name], rel=1e-4) and d[name] == pytest.approx(b[name], rel=1e-3)
    assert (a["pairs"], c["pairs"]) == (16, 4)  # pairs are those of a micro-batch


def test_a_photograph_that_goes_during_training_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_little_detector(monkeypatch)
    root = twins(tmp_path / "set", 8)
    sift, gone = image.Image.load, root / "fake/001.png"

    def load(self: image.Image) -> Any:
        found = sift(self)
        gone.unlink()
        return found

    monkeypatch.setattr(image.Image, "load", load)
    with pytest.raises(InputError) as caught:
        train(root, tmp_path / "out", "train.drop_last=false", num_workers=2)
    assert str(caught.value).startswith(f"{gone} can't be read") and "\n" not in str(caught.value)


def test_it_learns(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    flags = {"warmup_epochs": 1, "lr": 0.002, "batch_size": 4, "augment": "none", "full_mode": True}
    assert train(root, tmp_path / "out", **flags).scores["validation"]["authenticity"]["auc"] > 0.9


def test_a_loss_is_the_same_thing_in_training_and_in_the_result(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    with_little_detector(monkeypatch)
    sent: dict[str, float] = {}
    monkeypatch.setattr(RunTracker, "final", lambda self, values: sent.update(values))
    outcome = train(root, tmp_path / "out", test_ratio=0.25)
    result, best = outcome.scores, outcome.scores["best"]
    (check,) = [line for line in history(outcome.home, "val") if line["epoch"] == best["epoch"]]
    for name in ("loss", "total", "regression", "classification", "ranking"):
        assert result["validation"][name] == pytest.approx(check[name], rel=1e-5), name
    assert sent["validation/loss"] == result["validation"]["loss"] == pytest.approx(result["best_val_score"], rel=1e-5)
    assert sent["test/loss"] == result["test_score"] == storage.read_json(outcome.home / "test/metrics.json")["loss"]
    right_N = pq.read_table(outcome.home / "test/predictions.parquet").column("probability_of_label").to_numpy()
    assert result["test"]["log_loss"] == pytest.approx(-np.log(right_N).mean()) != result["test"]["loss"]
