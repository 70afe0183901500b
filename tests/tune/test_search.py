"""The search before a run: the same trials from the same seed, drawn from their ranges; what is refused."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.searches import rate, search, tuned, untimed
from tithe import config, pipeline, storage
from tithe.errors import InputError
from tithe.storage import run_files
from tithe.train import devices
from tithe.tune import search as tune_search
from tithe.tune import trials

pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")

Settings = Callable[..., dict[str, Any]]


# ---- what is tried


@pytest.mark.parametrize("how", [{}, {"sampler": "tpe", "prune": True, "trials": 14}], ids=["random", "tpe"])
def test_the_same_seed_makes_the_same_trials(how: dict[str, Any], settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, sample=0.2, **how)
    first, again = (search(run, tmp_path / name) for name in "ab")
    assert untimed(first) == untimed(again) and first.summary["key"] == again.summary["key"]
    assert [trial["number"] for trial in untimed(first)] == list(range(run.tune.trials if run.tune else 0))
    other = search(run.model_copy(update={"seed": 1}), tmp_path / "a")  # two searches may share a folder
    assert not {rate(t) for t in untimed(other)} & {rate(t) for t in untimed(first)}


def test_tpe_draws_from_what_it_has_seen(settings: Settings, tmp_path: Path) -> None:
    plain, tpe = (
        untimed(search(tuned(settings, sampler=name, trials=14, epochs=1, sample=0.1), tmp_path))
        for name in ("random", "tpe")
    )
    assert all(rate(a) != rate(b) for a, b in zip(plain[10:], tpe[10:], strict=True)), "Optuna's first ten are random"


def test_more_trials_prolong_a_search_and_fewer_cut_it(settings: Settings, tmp_path: Path) -> None:
    short = search(tuned(settings, trials=3), tmp_path)
    longer = search(tuned(settings, trials=5), tmp_path)
    assert longer.summary["trials"][:3] == short.summary["trials"], "to the millisecond: none of them was run again"
    assert search(tuned(settings, trials=3), tmp_path).summary == short.summary
    assert len(storage.read_json(tmp_path / run_files.TUNING)["trials"]) == 3


def test_what_is_drawn_lies_in_its_range(settings: Settings, tmp_path: Path) -> None:
    asked = {
        **{"dropout": [0.2, 0.4], "learning_rate": [1e-6, 1e-2], "encoder_learning_rate": [1e-7, 1e-6]},
        **{"weight_decay": [0.0, 0.3], "betas": [[0.8, 0.9], [0.7, 0.99]], "trials": 24, "epochs": 1, "sample": 0.1},
    }
    found = search(tuned(settings, freeze=1, **asked), tmp_path)
    drawn = [{**t["values"]["model"], **t["values"]["train"]} for t in found.summary["trials"]]
    assert all(0.2 <= d["dropout"] <= 0.4 and 1e-7 <= d["encoder_learning_rate"] <= 1e-6 for d in drawn)
    assert {d["weight_decay"] for d in drawn} == {0.0, 0.3}
    assert {tuple(d["betas"]) for d in drawn} == {(0.8, 0.9), (0.7, 0.99)}
    logs = np.log10([d["learning_rate"] for d in drawn])
    assert np.histogram(logs, [-6, -4, -2])[0].min() > 5, "of a range of four decades, half lies below its middle"


@pytest.mark.parametrize("freeze, expected", [("all", 3e-5), ("none", None)])
def test_an_encoder_without_a_range_of_its_own_gets_the_rate_of_the_head(
    freeze: str, expected: float | None, settings: Settings, tmp_path: Path
) -> None:
    run = trials.with_values(
        tuned(settings, freeze, trials=1, epochs=1), {"train": {"encoder_learning_rate": 3e-5, "precision": "no"}}
    )
    found = search(run, tmp_path)
    assert found.run.train.encoder_learning_rate == expected  # of a frozen one there is none to speak of
    assert found.run.train.learning_rate != run.train.learning_rate


def test_a_planted_learning_rate_is_found(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, "none", trials=10, sample=1.0, learning_rate=[1e-9, 1e-2])
    found = search(run, tmp_path)
    losses = {rate(t): t["val_loss"] for t in found.summary["trials"]}
    assert found.run.train.learning_rate == min(losses, key=lambda lr: losses[lr]) > 1e-4
    idle = [loss for lr, loss in losses.items() if lr < 1e-6]
    assert len(idle) > 2 and min(idle) > math.log(2) * 0.95 > found.summary["best"]["val_loss"] * 1.1


def test_accuracy_decides_where_it_is_asked_and_ties_go_to_the_smaller_loss(settings: Settings, tmp_path: Path) -> None:
    summary = search(tuned(settings, trials=9, sample=0.1, metric="val_accuracy"), tmp_path).summary
    best, top = summary["best"], max(t["val_accuracy"] for t in summary["trials"])
    tied = [t for t in summary["trials"] if t["val_accuracy"] == top]
    assert best["val_accuracy"] == top and best["val_loss"] == min(t["val_loss"] for t in tied)
    assert len(tied) > 1, "so few rows judge that several trials are equally right"


# ---- what is refused


REFUSED = [
    ({"tune": {"trials": 0}}, "tune.trials = 0 should be greater than 0"),
    ({"tune": {"dropout": [0.5, 0.1]}}, "tune.dropout = [0.5, 0.1] must be two numbers, the smaller first"),
    ({"tune": {"dropout": [0.1, 1.5]}}, "tune.dropout.1 = 1.5 should be less than 1"),
    ({"tune": {"weight_decay": [0.0, -0.1]}}, "tune.weight_decay.1 = -0.1 should be greater than or equal to 0"),
    ({"tune": {"weight_decay": []}}, "tune.weight_decay"),
    ({"tune": {"metric": "val_los"}}, "tune.metric = 'val_los'"),
    ({"tune": {"sampler": "tpa"}}, "tune.sampler = 'tpa'"),
    ({"tune": {"trails": 5}}, "unknown key 'tune.trails' in config: did you mean 'trials'?"),
    ({"tune": {"sample": 0.01}}, "tune.sample 0.01 of 96 training rows is 1, but 2 classes need 4, two of each"),
    ({"tune": {}, "select": {"strategy": "k_center"}}, "select.strategy 'k_center' keeps only a part of them"),
]


def test_no_dropout_at_all_may_be_tried(settings: Settings) -> None:
    found = config.parse(settings(tune={"dropout": [0.0, 0.3]})).tune
    assert found is not None and found.dropout == (0.0, 0.3)


@pytest.mark.parametrize("sections, says", REFUSED, ids=[says for _, says in REFUSED])
def test_a_wrong_search_is_one_line_and_writes_nothing(
    sections: dict[str, Any], says: str, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.train(config.parse(settings(**sections)))
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_missing_optuna_names_the_extra(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"optuna is not installed: pip install 'tithe\[tune\]'"):
        pipeline.check(tuned(settings))


def test_a_search_in_several_processes_of_one_run_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings)
    several = devices.accelerator("cpu", "no")
    monkeypatch.setattr(several.state, "num_processes", 2)
    with pytest.raises(InputError, match="run `tithe tune` first"):
        tune_search.search(pipeline.check(run), tmp_path, several)


# ---- the command


def test_the_callers_random_streams_are_left_alone(settings: Settings, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)
        search(tuned(settings, trials=1, epochs=1), tmp_path)
        assert torch.equal(torch.rand(1), expected)


def test_a_search_without_a_choice_is_refused(settings: Settings) -> None:
    one = {"learning_rate": [1e-3, 1e-3], "dropout": [0.1, 0.1], "weight_decay": [0.0], "betas": [[0.9, 0.999]]}
    with pytest.raises(InputError, match="tune has one value for each setting, so its 4 trials would be the same"):
        pipeline.check(tuned(settings, **one))
    for wider in ({"trials": 1}, {"dropout": [0.1, 0.2]}, {"weight_decay": [0.0, 0.1]}):
        pipeline.check(tuned(settings, **{**one, **wider}))
