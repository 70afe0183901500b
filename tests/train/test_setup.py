"""A setup is opened once: what is costly about it happens once, too."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tithe import config, pipeline
from tithe.data.text import truncation
from tithe.models.partial import freeze
from tithe.train import devices
from tithe.train.setup import open_setup

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts how often an encoder is hashed before training."""
    calls: list[str] = []
    real = freeze.Proof.begin.__func__  # type: ignore[attr-defined]

    def counted(cls: type, model: Any, asked: Any) -> Any:
        calls.append(str(asked))
        return real(cls, model, asked)

    monkeypatch.setattr(freeze.Proof, "begin", classmethod(counted))
    return calls


def test_a_frozen_encoder_with_a_selection_is_hashed_once(settings: Settings, hashed: list[str]) -> None:
    select = {"strategy": "entropy_diversity", "budget": 0.25, "rounds": 2}
    pipeline.train(config.parse(settings(model={"freeze": "all"}, select=select)))
    assert hashed == ["all"]


def test_an_encoder_that_trains_is_hashed_for_its_embeddings_alone(
    settings: Settings, hashed: list[str], tmp_path: Path
) -> None:
    pipeline.train(config.parse(settings()))
    assert hashed == []
    select = {"strategy": "k_center", "budget": 0.25}
    pipeline.train(config.parse(settings(out=str(tmp_path / "chosen"), select=select)))
    assert hashed == ["all"]


def test_the_pool_is_the_training_rows_before_balancing(settings: Settings) -> None:
    run = config.parse(settings(data={"upsample": True}))
    task = pipeline.check(run)
    setup = open_setup(task, task.load(), devices.accelerator("cpu", "no"))
    assert (np.asarray(setup.pool.ids) == setup.splits.rows.take(setup.splits.split.train).ids).all()
    narrowed = setup.with_train_rows(np.arange(20))
    assert set(narrowed.splits.train) <= set(setup.splits.split.train[:20]) and narrowed.examples is setup.examples


def test_what_is_cut_is_logged_once_and_reported(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tithe")
    task = pipeline.check(config.parse(settings(model={"max_length": 6})))
    setup = open_setup(task, task.load(), devices.accelerator("cpu", "no"))
    counts, train = setup.splits.report["tokens"], setup.splits.split.train
    whole = np.array([len(ids) for ids in task.tokenizer(setup.splits.rows.take(train).inputs())["input_ids"]])
    lost = np.maximum(whole - 6, 0)
    assert list(counts) == ["max_length", "train", "val", "test"]
    assert counts["train"] == {
        "texts": len(train),
        "texts_cut": int((lost > 0).sum()),
        "tokens": int(whole.sum()),
        "tokens_lost": int(lost.sum()),
    }
    assert lost.any() and caplog.messages.count(truncation.sentence(counts)) == 1
    narrowed = setup.with_train_rows(np.arange(5))
    assert narrowed.splits.report["tokens"] == counts
