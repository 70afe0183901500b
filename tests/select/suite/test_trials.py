"""The trials of a suite: as many steps each, gone on with, the same in several processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from support.texts import make_texts, write_rows
from tithe import config, storage
from tithe.select.signals import linear_probes
from tithe.select.suite.grid import Grid
from tithe.select.suite.trials import _open, run_suite

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def base(settings: Settings) -> config.Run:
    raw = settings(model={"freeze": "all"}, data={"test_ratio": 0.2}, train={"epochs": 3, "batch_size": 8})
    return config.parse(raw)


def test_a_suite_resumes_where_it_stopped_and_takes_equal_steps(base: config.Run, tmp_path: Path) -> None:
    grid, out = Grid(["k_center"], [0.25], [0, 1]), tmp_path / "suite"
    results = run_suite(base, grid, out)
    assert [(r["strategy"], r["seed"]) for r in results] == [
        *[("all", 0), ("random", 0), ("k_center", 0)],
        *[("all", 1), ("random", 1), ("k_center", 1)],
    ]
    assert len({r["steps"] for r in results}) == 1 and {r["rows"] for r in results} == {84, 21}
    files = sorted((tmp_path / "suite/trials").iterdir())
    files[0].unlink()
    times = {file: file.stat().st_mtime_ns for file in files[1:]}
    again = run_suite(base, grid, out)
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == times and files[0].exists()
    for one, other in zip(results, again, strict=True):
        assert one["test"] == other["test"] and one["rows_sha256"] == other["rows_sha256"]
    epochs = run_suite(base, replace(grid, equal_steps=False), out)
    assert {r["strategy"]: r["steps"] for r in epochs} == {"all": 33, "random": 9, "k_center": 9}


def test_a_probe_finds_what_a_regression_of_all_rows_finds_and_chooses_its_penalty(
    base: config.Run, tmp_path: Path
) -> None:
    results = run_suite(base, Grid(["gradient_match"], [0.25], [0], head="probe"), tmp_path / "suite")
    by_name = {result["strategy"]: result for result in results}
    assert {result["steps"] for result in results} == {0} and len(by_name) == 3
    setup = _open(base, 0)
    features, split = np.asarray(setup.examples.values), setup.splits.split
    pool = features[split.train]
    scaled = (features - pool.mean(axis=0)) / pool.std(axis=0).clip(1e-8)
    labels = setup.splits.rows.labels
    strength = linear_probes.best_strength(scaled[split.train], labels[split.train], 0)
    model = LogisticRegression(C=strength, max_iter=300).fit(scaled[split.train], labels[split.train])
    accuracy = model.score(scaled[split.test], labels[split.test])
    assert abs(by_name["all"]["test"]["accuracy"] - accuracy) < 1e-6


def test_a_suite_tests_on_the_given_split_and_selects_among_the_training_rows(
    base: config.Run, tmp_path: Path, rows: Path
) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/train.parquet").write_bytes(rows.read_bytes())
    texts, labels = make_texts(10, classes=3, seed=5)  # a class that has no training rows
    write_rows(tmp_path / "parts/test.parquet", texts, labels)
    run = base.model_copy(update={"data": config.Data(path=str(tmp_path / "parts"))})
    results = run_suite(run, Grid(["el2n"], [0.25], [0, 1]), tmp_path / "suite")
    assert {result["strategy"] for result in results} == {"all", "random", "el2n"}
    assert len({result["split_sha256"] for result in results}) == 2  # validation is drawn by the seed
    files = len(list((tmp_path / "suite/trials").iterdir()))
    write_rows(tmp_path / "parts/test.parquet", texts[:-1], labels[:-1])
    run_suite(run, Grid(["el2n"], [0.25], [0]), tmp_path / "suite")
    assert len(list((tmp_path / "suite/trials").iterdir())) == files + 3  # other data, other trials


def edited(trials: list[Path]) -> None:
    value = storage.read_json(trials[0])
    value["test"]["accuracy"] = 0.99
    storage.write_json(trials[0], value)


def exchanged(trials: list[Path]) -> None:
    shutil.copyfile(trials[1], trials[0])


def cut(trials: list[Path]) -> None:
    trials[0].write_text(trials[0].read_text()[:50])


@pytest.mark.parametrize("change", [edited, exchanged, cut])
def test_a_trial_that_was_changed_runs_again(
    change: Callable[[list[Path]], None], base: config.Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grid, out = Grid(["k_center"], [0.25], [0]), tmp_path / "suite"
    first = run_suite(base, grid, out)
    files = sorted((out / "trials").iterdir())
    change(files)
    again = run_suite(base, grid, out)
    assert [result["test"] for result in again] == [result["test"] for result in first]
    assert f"{files[0]} was edited or damaged" in caplog.text and storage.read_sealed(files[0]) in again


def test_only_strategies_that_learn_choose_in_rounds(base: config.Run, tmp_path: Path) -> None:
    in_rounds = base.model_copy(update={"select": config.Select(rounds=3)})
    grid = Grid(["k_center", "entropy_diversity"], [0.25], [0])
    once, more = (run_suite(run, grid, tmp_path / name) for name, run in (("once", base), ("more", in_rounds)))
    alike = {a["strategy"] for a, b in zip(once, more, strict=True) if a["rows_sha256"] == b["rows_sha256"]}
    assert alike == {"all", "random", "k_center"}
