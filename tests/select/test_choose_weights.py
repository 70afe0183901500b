"""A strategy that weighs its rows, and a run of as many steps as all rows take: up to the last checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from support.runs import run, sha, with_out
from support.signals import asked_after
from tithe import config, interrupts, pipeline, storage
from tithe.compare.effort import measure_effort
from tithe.compare.runs import read_runs
from tithe.errors import InputError, Interrupted
from tithe.models.examples import Weighted
from tithe.train import devices
from tithe.train.setup import Setup

Settings = Callable[..., dict[str, Any]]

# The first rows of each class; the weights begin at an environment variable, as if another library had computed them.
STRATEGY = '''"""Weigh the first rows of each class by their position."""

import os

import numpy as np

NEEDS = ("embeddings",)


def match(pool, quota_C, rng, options):
    rows = np.concatenate([np.flatnonzero(pool.groups == c)[:count] for c, count in enumerate(quota_C)])
    return rows, float(os.environ.get("WEIGHT_FROM", "0.5")) + rows % 4
'''


@pytest.fixture
def weighing(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    """A run of a head on 38 of 96 rows with weights of 0.5 to 3.5, for four and four fifths passes of five steps."""
    (tmp_path / "by_position.py").write_text(STRATEGY)
    select = {"strategy": str(tmp_path / "by_position.py"), "budget": 0.4}
    return settings(model={"freeze": "all"}, select=select, train={"steps_of": "all"})


def test_a_stopped_run_with_weights_ends_as_one_never_stopped(
    weighing: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(with_out(weighing, tmp_path / "whole"))
    home = tmp_path / "whole"
    records = storage.read_lines(home / "history.jsonl")
    validated = [(r["epoch"], r["step"]) for r in records if r["kind"] == "val"]
    assert validated == [(1, 5), (2, 10), (3, 15), (4, 20), (5, 24)]  # 24 steps: two epochs of all 96 rows
    assert whole.scores["training"]["epochs"] == 5
    (files,) = read_runs([home])
    effort = measure_effort(files)
    assert (effort.epochs, effort.planned, effort.steps, effort.early) == (5, 5, 24, False)
    column = pq.read_table(home / "selection.parquet").column("weight").to_numpy()
    assert set(column) == {0.5, 1.5, 2.5, 3.5}
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(22))
        run(with_out(weighing, tmp_path / "parts"))
    with monkeypatch.context() as patch, pytest.raises(InputError, match="has different weights") as caught:
        patch.setenv("WEIGHT_FROM", "0.75")
        run(with_out(weighing, tmp_path / "parts", resume="auto"))
    assert len(str(caught.value).splitlines()) == 1
    resumed = run(with_out(weighing, tmp_path / "parts", resume="auto"))
    assert sha(resumed) == sha(whole)
    assert (tmp_path / "parts/history.jsonl").read_bytes() == (home / "history.jsonl").read_bytes()


def test_weights_go_with_their_rows_through_balancing(weighing: dict[str, Any]) -> None:
    weighing["data"] |= {"upsample": True}
    task = pipeline.check(config.parse(weighing))
    setup, _ = pipeline.prepare(task, None, devices.accelerator("cpu", "no"))
    assert weights_are_those_of_positions(setup) and len(setup.splits.train) == 38
    labels_N = setup.splits.pool_labels
    rows = np.concatenate([np.flatnonzero(labels_N == 0)[:10], np.flatnonzero(labels_N == 1)[:3]])
    uneven = setup.with_train_rows(rows, 0.5 + rows % 4)
    assert weights_are_those_of_positions(uneven) and len(uneven.splits.train) == 20


def weights_are_those_of_positions(setup: Setup) -> bool:
    examples, pool = setup.train_examples, setup.splits.split.train.tolist()
    expected = np.array([0.5 + pool.index(row) % 4 for row in setup.splits.train])
    assert isinstance(examples, Weighted) and (examples.ids == setup.splits.rows.take(setup.splits.train).ids).all()
    return bool(np.allclose(examples.weights, expected / expected.mean(), rtol=1e-6))


def test_weights_of_ones_are_none(weighing: dict[str, Any]) -> None:
    weighing["select"] |= {"strategy": "random"}
    setup, _ = pipeline.prepare(pipeline.check(config.parse(weighing)), None, devices.accelerator("cpu", "no"))
    assert not isinstance(setup.train_examples, Weighted) and setup.splits.weights_sha256 is None


def test_no_epoch_file_counts_the_steps_of_all_rows(weighing: dict[str, Any], tmp_path: Path) -> None:
    plain = {**weighing, "train": {**weighing["train"], "steps_of": "selected", "epochs": 1}}
    run(with_out(plain, tmp_path / "files", epoch_files=1))
    latest = tmp_path / "files/latest_model.pt"
    with pytest.raises(InputError, match="steps_of all does not count in whole passes"):
        run(with_out(weighing, tmp_path / "more", resume=str(latest)))
