"""A setup is opened once: what is costly about it happens once, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tithe import config, pipeline
from tithe.models import freeze
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
