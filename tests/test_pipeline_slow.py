"""The main job at its real size: `make slow`. Data come from `$TITHE_DATA`, `../shared/data`, or are fetched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.paths import ROOT
from tithe import config, pipeline
from tithe.fetch import catalog
from tithe.predict import load

pytestmark = pytest.mark.slow


def reviews() -> Path:
    for folder in (os.environ.get("TITHE_DATA"), ROOT.parent / "shared/data"):
        if folder and (path := Path(folder) / "reviews.parquet").exists():
            return path
    return catalog.fetch("reviews")


def test_the_quickstart_reaches_its_accuracy_and_repeats_its_bits(tmp_path: Path) -> None:
    raw = {
        "data": {"path": str(reviews())},
        "model": {"max_length": 64},
        "train": {"epochs": 1},
        "track": {"tensorboard": False},
    }
    first, second = (pipeline.train(config.parse({**raw, "out": str(tmp_path / name)})) for name in "ab")
    assert first.scores["test"]["accuracy"] > 0.80
    shas = [outcome.scores["training"]["final_weights_sha256"] for outcome in (first, second)]
    assert shas[0] == shas[1]
    predicted = load(first.best).predict(["A quiet, clever film.", "Dull, loud and far too long."])
    assert [p.label for p in predicted] == ["pos", "neg"]
