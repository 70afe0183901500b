"""Controls of a suite: wrong labels, the same help, another reader, fine-tuning; trials without them get them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tithe import config, storage
from tithe.errors import InputError
from tithe.select.choose import SelectionResult, choose_rows
from tithe.select.suite import controls
from tithe.select.suite.controls import Controls, wrong_labels
from tithe.select.suite.grid import Grid
from tithe.select.suite.reader import WordReader
from tithe.select.suite.trials import run_suite
from tithe.tasks import open_checked
from tithe.train import devices
from tithe.train.setup import Setup, open_setup

Settings = Callable[..., dict[str, Any]]

# Writes how many of the labels agree with the signals: those of the pool may be wrong, the signals never are.
LOOKS = """
from pathlib import Path

NEEDS = ("probs",)


def score(pool, rng, options):
    agreement = (pool.probs.argmax(axis=1) == pool.labels).mean()
    with Path(__file__).with_suffix(".txt").open("a") as file:
        file.write(f"{agreement}\\n")
    return pool.probs.max(axis=1)
"""


@pytest.fixture
def base(settings: Settings) -> config.Run:
    train = {"epochs": 3, "batch_size": 8, "learning_rate": 0.1}
    return config.parse(settings(model={"freeze": "all"}, data={"test_ratio": 0.2}, train=train))


# ---- wrong labels


@pytest.mark.parametrize("counts", [(50, 50), (97, 3), (40, 30, 20, 10), (0, 5, 0, 5)])
def test_every_label_is_another_one_of_the_pool(counts: tuple[int, ...]) -> None:
    labels_N = np.repeat(np.arange(len(counts)), counts)
    wrong_N = wrong_labels(labels_N, seed=1)
    assert (wrong_N != labels_N).all() and set(wrong_N) == set(labels_N)
    assert (wrong_N == wrong_labels(labels_N, seed=1)).all()
    if len(counts) > 2 and all(counts):
        assert (wrong_N != wrong_labels(labels_N, seed=2)).any()


def test_wrong_labels_are_as_frequent_as_the_classes_they_are_of() -> None:
    labels_N = np.repeat(np.arange(3), (2000, 6000, 2000))
    drawn_C = np.bincount(wrong_labels(labels_N, seed=0)[:2000], minlength=3)
    assert drawn_C[0] == 0 and drawn_C[1] / 2000 == pytest.approx(0.75, abs=0.04)


def test_a_single_class_has_no_wrong_label() -> None:
    assert (wrong_labels(np.ones(4, dtype=np.int64), seed=0) == 1).all()


# ---- trials


def test_a_strategy_reads_true_signals_beside_wrong_labels_and_a_trial_gets_what_it_lacks(
    base: config.Run, tmp_path: Path
) -> None:
    file, out = tmp_path / "looks.py", tmp_path / "suite"
    file.write_text(LOOKS)
    grid = Grid([str(file)], [0.25], [0])
    before = run_suite(base, grid, out)
    after = run_suite(base, replace(grid, controls=["wrong", "reader"]), out)
    assert [{**record, "controls": {}} for record in after] == before, "nothing was trained again"
    assert [list(record["controls"]) for record in after] == [["reader"], *[["wrong", "reader"]] * 2]
    trained, _, controlled = map(float, file.with_suffix(".txt").read_text().split())
    assert trained > 0.8 and controlled == pytest.approx(1 - trained), "two classes: a wrong label is the other one"
    for record in after[1:]:
        assert record["controls"]["wrong"]["accuracy"] < 0.5 < record["test"]["accuracy"]
    times = [path.stat().st_mtime_ns for path in sorted((out / "trials").iterdir())]
    assert run_suite(base, replace(grid, controls=["reader"]), out) == after
    assert [path.stat().st_mtime_ns for path in sorted((out / "trials").iterdir())] == times


def test_bought_labels_are_wrong_in_the_control_of_track_t0(base: config.Run, tmp_path: Path) -> None:
    bought = base.model_copy(update={"select": config.section(config.Select, {"track": "T0", "rounds": 2}, "test")})
    results = run_suite(bought, Grid(["margin"], [0.25], [0], controls=["wrong"]), tmp_path / "suite")
    assert {record["track"] for record in results} == {"T0"}
    assert results[2]["controls"]["wrong"]["accuracy"] < 0.5 < results[2]["test"]["accuracy"]


def test_the_encoder_is_trained_on_the_rows_for_the_control_of_fine_tuning(base: config.Run) -> None:
    task = open_checked(base)
    setup = open_setup(task, task.load(), devices.accelerator("cpu", "no"))
    calls: list[tuple[Setup, SelectionResult]] = []
    measure = Controls(setup, lambda *call: calls.append(call) or {}, Grid([], [], []))
    result = choose_rows(setup, config.Select(budget=0.25))
    measure.run("finetune", result)
    (trained, of) = calls[0]
    assert setup.network.on_features and not trained.network.on_features and of is result
    assert trained.splits.split.hash == setup.splits.split.hash
    assert trained.run.train.learning_rate == config.Train().learning_rate and trained.run.train.batch_size == 8


def test_controls_that_cost_little_are_the_default(base: config.Run) -> None:
    trained = base.model_copy(update={"model": base.model.model_copy(update={"freeze": "none"})})
    assert controls.default_controls(base) == ("wrong", "help", "reader")
    assert controls.default_controls(trained) == ("reader",)
    assert controls.default_controls(bought(base)) == ("wrong", "reader")


def bought(base: config.Run) -> config.Run:
    return base.model_copy(update={"select": config.section(config.Select, {"track": "T0"}, "test")})


@pytest.mark.parametrize(
    ("change", "asked", "problem"),
    [
        ({"freeze": "none"}, {"controls": ["finetune"]}, "the trials of this config train the encoder already"),
        ({"track": "T0"}, {"controls": ["help"]}, "control help: in track T0 no head of all labels .*; leave it out"),
        ({}, {"controls": ["help"], "reader": "bert"}, "--reader bert: the control reader does not run; add it to"),
        ({}, {"controls": ["reader"], "reader": "{own}/"}, "is the encoder of the trials: choose another one"),
        ({}, {"controls": ["reader"], "reader": "./nowhere"}, "--reader ./nowhere: .*no folder nowhere"),
    ],
)
def test_a_control_without_meaning_is_refused(
    base: config.Run, change: dict[str, str], asked: dict[str, Any], problem: str
) -> None:
    own = base.model_copy(update={"model": base.model.model_copy(update={"freeze": change.get("freeze", "all")})})
    own = bought(own) if "track" in change else own
    grid = Grid([], [0.1], [0], **{**asked, "reader": asked.get("reader", "").format(own=own.model.encoder) or None})
    with pytest.raises(InputError, match=problem):
        controls.check(grid, own)


@pytest.mark.parametrize(
    ("text", "names"), [("none", ()), (" none ", ()), ("wrong, help", ("wrong", "help")), ("reader,", ("reader",))]
)
def test_controls_are_named_by_a_text(text: str, names: tuple[str, ...]) -> None:
    assert controls.named_controls(text) == names


def test_a_folder_of_another_track_is_refused(base: config.Run, tmp_path: Path) -> None:
    out = tmp_path / "suite"
    (out / "trials").mkdir(parents=True)
    storage.write_sealed(out / "trials/margin-0.1-0-abc.json", {"track": "T0"})
    with pytest.raises(InputError, match=r"has trials of track T0, which .*: choose another --out"):
        run_suite(base, Grid(["k_center"], [0.25], [0]), out)


# ---- another reader


def test_another_reader_learns_words_from_the_weighted_rows(base: config.Run) -> None:
    splits = open_checked(base).load()
    reader, labels_N = WordReader(splits), splits.pool_labels
    every = np.arange(len(labels_N))
    assert reader.read(every, np.ones(len(every)))["accuracy"] > 0.9
    first_alone, first = reader.read(every, np.where(labels_N == 0, 1.0, 0.0)), np.flatnonzero(labels_N == 0)
    assert first_alone["accuracy"] == reader.read(first, np.ones(len(first)))["accuracy"] == 0.5


def test_another_encoder_reads_the_rows_and_takes_the_place_of_words(
    base: config.Run, tiny_modernbert: Path, tmp_path: Path
) -> None:
    out, grid = tmp_path / "suite", Grid([], [0.25], [0], controls=["reader"])
    (_, words) = run_suite(base, grid, out)
    by_encoder = replace(grid, reader=str(tiny_modernbert))
    (_, read) = run_suite(base, by_encoder, out)
    own, other = words["controls"]["reader"], read["controls"]["reader"]
    assert "encoder" not in own and other["encoder"] == str(tiny_modernbert) and other["accuracy"] > 0.5
    assert {**read, "controls": {}} == {**words, "controls": {}}, "nothing was trained again"
    assert controls.missing(read, by_encoder) == [] and controls.missing(read, grid) == ["reader"]
