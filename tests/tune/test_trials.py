"""One trial: how it is trained, and that it sees training rows alone."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.searches import ground, search, tuned, untimed
from support.texts import make_texts, write_rows
from tithe import config, data, pipeline
from tithe.data.splits import Splits
from tithe.errors import InputError, TitheError
from tithe.tune import trials

pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")

Settings = Callable[..., dict[str, Any]]


# ---- how a trial is trained


def test_a_copy_of_the_network_is_what_would_be_built_with_its_dropout(settings: Settings) -> None:
    shared = ground(tuned(settings, "none"))
    values: trials.Values = {"model": {"dropout": 0.37}, "train": {"learning_rate": 1e-3}}
    run = trials.with_values(shared.run, values)
    fresh = copy.deepcopy(pipeline.check(run).build(2, run.seed))
    built = dataclasses.replace(shared, trainable=fresh)
    other = dataclasses.replace(
        shared, trainable=pipeline.check(trials.with_values(run, {"model": {"dropout": 0.0}})).build(2, 0)
    )
    one, two, three = ([s.batch_loss for s in trials.train_trial(g, values)] for g in (shared, built, other))
    assert one == two == three
    dropped = [s.batch_loss for s in trials.train_trial(shared, {**values, "model": {"dropout": 0.0}})]
    assert dropped != one, "the dropout of the values counts"
    again = [s.batch_loss for s in trials.train_trial(shared, values)]
    assert again == one, "each trial starts from the same fresh weights"


def test_a_dropout_of_the_model_is_that_of_the_encoder_too(settings: Settings) -> None:
    run = tuned(settings, "none", dropout_of="model", dropout=[0.37, 0.38])
    shared, drawn = ground(run), []
    draw = trials.sampler(shared)

    class First:
        def suggest_float(self, name: str, low: float, high: float, log: bool = False) -> float:
            drawn.append(name)
            return low

        def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
            return choices[0]

    values = draw(First())  # type: ignore[arg-type]
    assert values["model"] == {"dropout": 0.37, "encoder_dropout": 0.37} and drawn.count("dropout") == 1
    built = pipeline.check(trials.with_values(shared.run, values)).build(2, run.seed)
    ready = dataclasses.replace(shared, run=trials.with_values(shared.run, values), trainable=built)
    one, two = ([s.batch_loss for s in trials.train_trial(g, values)] for g in (shared, ready))
    assert one == two, "a trial trains what the run would train with its values"
    of_head = {**values, "model": {"dropout": 0.37}}
    assert [s.batch_loss for s in trials.train_trial(shared, of_head)] != one


def test_a_frozen_encoder_has_no_dropout_to_search(settings: Settings) -> None:
    shared = ground(tuned(settings, "all", dropout_of="model"))
    assert search(shared.run, Path(shared.run.out or "")).summary["best"]["values"]["model"].keys() == {"dropout"}


def test_the_schedule_of_a_trial_spans_its_own_steps(settings: Settings) -> None:
    run = trials.with_values(tuned(settings), {"train": {"warmup_steps": 6, "schedule_steps": 24, "ema_decay": 0.9}})
    steps = list(trials.train_trial(ground(run), {"train": {"learning_rate": 1e-2}}))
    rates = [s.lr[0] for s in steps]
    assert len(steps) == 10, "half of 96 rows, four fifths of them, batches of 8, two epochs"
    assert rates.index(max(rates)) == 2, "a quarter of the run warms up, and so a quarter of the trial"
    assert rates[0] == pytest.approx(1e-2 / 3) and rates[-1] == pytest.approx(1e-2 / 8)
    scores = {s.epoch: s.scores for s in steps if s.scores}
    assert list(scores) == [1, 2]
    plain = trials.with_values(run, {"train": {"ema_decay": 0.0}})
    last = list(trials.train_trial(ground(plain), {"train": {"learning_rate": 1e-2}}))[-1]
    assert scores[2] == last.scores, "an average over ten steps would be mostly the weights at the start"


def test_a_trial_that_diverges_is_no_crash(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, "none", trials=6, epochs=1, learning_rate=[1e-3, 1e36])
    summary = search(run, tmp_path).summary
    ends = {trial["state"]: trial for trial in summary["trials"]}
    assert set(ends) == {"finished", "diverged"} and "val_loss" not in ends["diverged"]
    assert summary["best"]["state"] == "finished"
    with pytest.raises(TitheError, match=r"all 2 trials diverged: lower tune\.learning_rate"):
        search(tuned(settings, "none", trials=2, epochs=1, learning_rate=[1e36, 1e37]), tmp_path / "none")


def test_the_pruner_stops_what_is_worse_than_the_median(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, trials=16, sample=1.0, learning_rate=[1e-5, 1e-1], prune=True)
    summary = search(run, tmp_path).summary
    stopped = [t["val_loss"] for t in summary["trials"] if t["state"] == "stopped early"]
    ended = [t["val_loss"] for t in summary["trials"] if t["state"] == "finished"]
    assert len(stopped) > 1 and len(stopped) + len(ended) == 16 and min(stopped) > summary["best"]["val_loss"]
    assert {t["number"] for t in summary["trials"] if t["state"] == "stopped early"}.isdisjoint(range(5))


# ---- which rows are seen


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5, 1.0])
def test_a_sample_has_each_class_on_both_sides(share: float) -> None:
    labels = np.repeat([0, 1, 2, 3], [200, 90, 2, 1])
    learnt, judging = trials.sample(labels, share, seed=3)
    assert len(learnt) + len(judging) == int(share * 293 + 0.5) and not set(learnt) & set(judging)
    assert set(labels[learnt]) == {0, 1, 2, 3} and set(labels[judging]) == {0, 1, 2}
    assert len(judging) == pytest.approx(0.2 * share * 293, abs=1.5)
    assert (labels[learnt] == 0).sum() > (labels[learnt] == 1).sum()
    other = trials.sample(labels, share, seed=4)
    assert share == 1.0 or not np.array_equal(np.sort(np.r_[learnt, judging]), np.sort(np.r_[other]))


def test_a_sample_keeps_groups_on_one_side() -> None:
    labels, groups = np.tile([0, 1], 60), np.repeat(np.arange(40), 3)
    learnt, judging = trials.sample(labels, 0.5, 3, groups)
    assert not set(groups[learnt]) & set(groups[judging]) and set(labels[learnt]) == set(labels[judging]) == {0, 1}
    assert len(learnt) == pytest.approx(48, abs=3) and len(judging) == pytest.approx(12, abs=3)
    with pytest.raises(
        InputError, match=r"tune\.sample 0\.5 has too few groups to train and validate on 2 of the classes"
    ):
        trials.sample(labels, 0.5, 3, np.zeros(120, dtype=np.int64))


def test_a_sample_of_everything_balanced_as_the_run_is(settings: Settings) -> None:
    texts, labels = make_texts(60)
    drop = [i for i, label in enumerate(labels) if label == "sport"][20:]
    kept = [i for i in range(len(texts)) if i not in drop]
    raw = settings(tune={"sample": 0.5}, data={"upsample": True})
    write_rows(Path(raw["data"]["path"]), [texts[i] for i in kept], [labels[i] for i in kept])
    shared = ground(config.parse(raw))
    learnt = np.bincount(shared.train.labels)
    assert learnt[0] == learnt[1] and np.bincount(shared.val.labels).min() < np.bincount(shared.val.labels).max()
    assert not set(shared.train.ids) & set(shared.val.ids)


def test_rows_of_validation_and_test_change_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings, "none", trials=2)
    before = search(run, tmp_path / "before")
    splits = data.load(run.data, run.seed)
    held_out = np.concatenate([splits.val, splits.test])

    def tampered(asked: config.Data, seed: int) -> Splits:
        """Every class of a row that is not trained on is another one."""
        labels = splits.rows.labels.copy()
        labels[held_out] = 1 - labels[held_out]
        return dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, labels=labels))

    with monkeypatch.context() as patch:
        patch.setattr(data, "load", tampered)
        after = search(run, tmp_path / "after")
    assert untimed(before) == untimed(after) and before.summary["key"] == after.summary["key"]
    # Nor does what they say: other texts in their place, in a file of their own.
    texts, labels = (list(part) for part in make_texts(60))
    for position, row in enumerate(splits.rows.ids[held_out]):
        texts[row] = f"nothing of this kind {position}"
    write_rows(Path(run.data.path), texts, labels)
    assert np.array_equal(data.load(run.data, run.seed).train, splits.train)
    assert untimed(search(run, tmp_path / "other")) == untimed(before)
    used = set(splits.rows.ids[splits.train])
    shared = ground(run)
    assert {*shared.train.ids, *shared.val.ids} <= used
