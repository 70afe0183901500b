"""Checkpoints of a head on a frozen encoder: light on the way, whole at the end, never put on another encoder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from support.encoders import copied, encoder_config, one_weight, other_order_of_words, the_last_bit_of_a_weight
from support.features import predicted, unfinished
from support.runs import run
from tithe import storage
from tithe.checkpoints import locate
from tithe.errors import InputError
from tithe.predict import load

Settings = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "tithe")
    return caplog


def of_encoder(file: Path) -> set[str]:
    names = set(torch.load(file, weights_only=True))
    return {name for name in names if name.startswith("encoder.")}


def test_checkpoints_hold_the_head_alone_and_the_best_gets_the_encoder_at_the_end(
    frozen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = frozen(train={"epochs": 2}, checkpoint={"every_batches": 5})
    unfinished(raw, 14, monkeypatch)
    folders = locate.all_in(tmp_path / "run/checkpoints")
    assert {f.name for f in folders} == {"best", "step_00000010", "step_00000014"}
    for folder in folders:
        assert not (folder / "encoder.pt").exists() and not of_encoder(folder / "model.pt")
        assert not storage.broken_files(folder)
    outcome = run({**raw, "checkpoint": {**raw["checkpoint"], "resume": "auto"}})
    for folder in locate.all_in(outcome.home / "checkpoints"):
        assert (folder / "encoder.pt").exists() is (folder.name == "best")
        assert not of_encoder(folder / "model.pt") and not storage.broken_files(folder)
    assert of_encoder(outcome.best / "encoder.pt") == {
        name for name in load(outcome.best).model.state_dict() if name.startswith("encoder.")
    }


def with_own_encoder(frozen: Settings, tmp_path: Path, folder: Path, **sections: Any) -> tuple[dict[str, Any], Path]:
    home = copied(folder, tmp_path / "own encoder")
    return frozen(model={"encoder": str(home)}, **sections), home


TEXTS = ["goal team win league", "rocket to the moon", "a star of the season was new"]


def test_the_best_needs_nothing_of_its_origin(frozen: Settings, tmp_path: Path, tiny_modernbert: Path) -> None:
    raw, home = with_own_encoder(frozen, tmp_path, tiny_modernbert, train={"epochs": 2, "learning_rate": 1e-2})
    outcome = run(raw)
    expected = predicted(outcome.home, "test")
    shutil.rmtree(home)
    shutil.rmtree(storage.cache_dir())
    classifier = load(outcome.home)
    texts = pq.read_table(raw["data"]["path"])["text"].take(expected["row"]).to_pylist()
    found = classifier.predict(texts)
    assert [p.label for p in found] == expected["predicted"].to_pylist()
    np.testing.assert_allclose([p.probability for p in found], expected["probability"].to_numpy(), rtol=0, atol=1e-5)


def test_a_checkpoint_of_an_unfinished_run_predicts_with_the_encoder_it_came_from(
    frozen: Settings,
    tmp_path: Path,
    tiny_bert: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw, home = with_own_encoder(frozen, tmp_path, tiny_bert, train={"learning_rate": 1e-2})
    newest = unfinished(raw, 14, monkeypatch)
    found = load(newest)
    head = torch.load(newest / "model.pt", weights_only=True)
    assert torch.equal(found.model.state_dict()["head.1.weight"], head["head.1.weight"])
    uncached = {**raw, "out": str(tmp_path / "uncached"), "train": {**raw["train"], "cache_features": False}}
    other = load(unfinished(uncached, 14, monkeypatch))
    shutil.rmtree(home)
    expected = [p.probability for p in other.predict(TEXTS)]
    assert [p.probability for p in found.predict(TEXTS)] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(InputError, match="no folder") as error:
        load(newest)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("use", ["predict", "resume"])
@pytest.mark.parametrize(
    "change",
    [one_weight, the_last_bit_of_a_weight, encoder_config(hidden_act="relu"), other_order_of_words],
)
def test_a_head_is_not_put_on_another_encoder(
    change: Callable[[dict[str, Any], Path], None],
    use: str,
    frozen: Settings,
    tmp_path: Path,
    tiny_bert: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw, home = with_own_encoder(frozen, tmp_path, tiny_bert, train={"epochs": 1})
    newest = unfinished(raw, 5, monkeypatch)
    changed = {"model": {"encoder": str(home)}}
    change(changed, tmp_path)
    shutil.rmtree(home)
    Path(changed["model"]["encoder"]).rename(home)
    with pytest.raises(InputError) as error:
        if use == "predict":
            load(newest)
        else:
            run({**raw, "checkpoint": {"resume": "auto"}})
    assert len(str(error.value).splitlines()) == 1
    assert not storage.broken_files(newest)
