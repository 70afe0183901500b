"""Whole runs of a head on a frozen encoder of images: its features once, a checkpoint that is whole, another build."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from support import vision
from support.photographs import history, twins, without_pictures
from support.signals import asked_after
from tithe import interrupts, pipeline
from tithe.errors import InputError, Interrupted
from tithe.evaluate.checkpoint import evaluate
from tithe.export import entry
from tithe.predict import load


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set", 24)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return vision.folder(tmp_path / "encoder")


def scores(home: Path) -> np.ndarray[Any, Any]:
    table = pq.read_table(home / "test" / "predictions.parquet")
    return np.asarray(table.column("p_real"))


def test_it_learns_and_the_encoder_runs_once(
    root: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_pictures(monkeypatch)
    run = vision.settings(root, encoder, tmp_path / "first")
    longer = run.model_copy(update={"train": run.train.model_copy(update={"epochs": 20})})
    first = pipeline.train(longer)
    losses = [line["batch_loss"] for line in history(first.home, "train")]
    assert losses[-1] < 0.8 * losses[0]
    assert "the encoder does not run" not in caplog.text
    vision.train(root, encoder, tmp_path / "second", head="mlp")
    assert "the encoder does not run: features of 48 rows are in the cache" in caplog.text


def test_a_checkpoint_is_whole_and_predicts_and_evaluates_as_its_run_did(
    root: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    home = vision.train(root, encoder, tmp_path / "run").home
    assert "Verdicts by the score alone" in (home / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(encoder)
    table = pq.read_table(home / "test" / "predictions.parquet").to_pylist()
    paths = [
        str(root / row["path"]) if "path" in row else row["input"] for row in table if "path" in row or "input" in row
    ]
    found = evaluate(home, out=tmp_path / "again", splits=["test"])
    assert np.array_equal(scores(tmp_path / "again"), scores(home))
    assert found.scores["test"]["authenticity"]["robustness"]
    model = load(home)
    some = [str(path) for path in sorted(root.glob("real/*"))[:5]]
    alone = [model.predict([path])[0].probability for path in some]
    assert np.allclose([each.probability for each in model.predict(some)], alone, atol=1e-5)
    assert paths == [] or len(paths) == len(table)


def test_another_build_of_the_encoder_is_refused_in_one_line(
    root: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    vision.train(root, encoder, tmp_path / "whole")  # so that the features are in the cache
    run = vision.settings(root, encoder, tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(2))
        pipeline.train(run)
    step = max((tmp_path / "run" / "checkpoints").glob("step_*"))
    assert not (step / "encoder.pt").exists()
    assert load(step)
    shutil.rmtree(encoder)
    vision.folder(encoder, seed=1)
    with pytest.raises(InputError, match=r"the encoder '.*' is not the one that this head was trained on: restore it$"):
        load(step)
    resumed = run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"resume": "auto"})})
    with pytest.raises(InputError, match="encoder") as caught:
        pipeline.train(resumed)
    assert "\n" not in str(caught.value)


def test_a_resumed_run_ends_like_an_uninterrupted_one(
    root: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    whole = vision.train(root, encoder, tmp_path / "whole").home
    run = vision.settings(root, encoder, tmp_path / "parts")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(2))
        pipeline.train(run)
    parts = pipeline.train(run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"resume": "auto"})}))
    final = [json.loads((home / "metrics.json").read_text())["training"] for home in (whole, parts.home)]
    assert final[0]["final_weights_sha256"] == final[1]["final_weights_sha256"]


def test_pictures_may_be_changed_in_every_epoch_without_the_cache(
    root: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    run = vision.settings(root, encoder, tmp_path / "run", augment="flips")
    home = pipeline.train(run.model_copy(update={"train": run.train.model_copy(update={"cache_features": False})})).home
    assert np.isfinite(scores(home)).all()
    assert load(home).abstention  # far pictures are unsure, whether or not features are in the cache


def test_it_is_not_exported(root: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    home = vision.train(root, encoder, tmp_path / "run").home
    with pytest.raises(InputError, match=r"an export reads crops, and images\.mode foundation also whole pictures"):
        entry.export(home, entry.Request("onnx"), tmp_path / "exported")


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ({"size": 64}, r"images\.size 64: the encoder in .* takes 32 pixels: leave it out"),
        ({"encoder": "clip-vit-b16"}, r"images\.encoder 'clip-vit-b16' is not in the cache: tithe fetch clip-vit-b16"),
        ({"encoder": "./nowhere"}, r"images\.encoder: no folder nowhere: pass a model folder, .*'clip-vit-b16'"),
    ],
)
def test_what_is_no_such_encoder_is_one_line(
    images: dict[str, Any], said: str, root: Path, encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"^{said}$"):
        vision.train(root, encoder, tmp_path / "run", **images)
    assert not (tmp_path / "run").exists()
