"""The search before a run: the same trials whoever runs them and however often it is killed; training rows alone."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import asked_after, make_texts, write_rows
from tithe import config, data, devices, interrupts, pipeline, records, trial_queue, trials, tuning
from tithe.errors import InputError, Interrupted, TitheError

pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")

Settings = Callable[..., dict[str, Any]]
Tithe = Callable[..., tuple[Any, str, list[str]]]


def tuned(settings: Settings, freeze: Any = "all", **tune: Any) -> config.Run:
    asked = {"trials": 4, "sample": 0.5, "learning_rate": [1e-4, 1e-2], **tune}
    return config.parse(settings(model={"freeze": freeze}, tune=asked))


def search(run: config.Run, home: Path) -> tuning.Found:
    return tuning.search(run, home, pipeline.check(run), devices.accelerator("cpu", "no"))


def ground(run: config.Run) -> trials.Ground:
    return trials.ground(run, pipeline.check(run), devices.accelerator("cpu", "no"))


def untimed(found: tuning.Found) -> list[dict[str, Any]]:
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in found.account["trials"]]


# ---- what is tried


@pytest.mark.parametrize("how", [{}, {"sampler": "tpe", "prune": True, "trials": 14}], ids=["random", "tpe"])
def test_the_same_seed_makes_the_same_trials(how: dict[str, Any], settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, **how)
    first, again = (search(run, tmp_path / name) for name in "ab")
    assert untimed(first) == untimed(again) and first.account["key"] == again.account["key"]
    assert [trial["number"] for trial in untimed(first)] == list(range(run.tune.trials if run.tune else 0))
    other = search(run.model_copy(update={"seed": 1}), tmp_path / "a")  # two searches may share a folder
    assert not {rate(t) for t in untimed(other)} & {rate(t) for t in untimed(first)}


def rate(trial: dict[str, Any]) -> float:
    return float(trial["values"]["train"]["learning_rate"])


def test_tpe_draws_from_what_it_has_seen(settings: Settings, tmp_path: Path) -> None:
    plain, tpe = (
        untimed(search(tuned(settings, sampler=name, trials=14, epochs=1), tmp_path)) for name in ("random", "tpe")
    )
    assert all(rate(a) != rate(b) for a, b in zip(plain[10:], tpe[10:], strict=True)), "Optuna's first ten are random"


def test_more_trials_prolong_a_search_and_fewer_cut_it(settings: Settings, tmp_path: Path) -> None:
    short = search(tuned(settings, trials=3), tmp_path)
    longer = search(tuned(settings, trials=5), tmp_path)
    assert longer.account["trials"][:3] == short.account["trials"], "to the millisecond: none of them was run again"
    assert search(tuned(settings, trials=3), tmp_path).account == short.account
    assert len(records.read_json(tmp_path / tuning.FILE)["trials"]) == 3


def test_what_is_drawn_lies_in_its_range(settings: Settings, tmp_path: Path) -> None:
    asked = {
        **{"dropout": [0.2, 0.4], "learning_rate": [1e-6, 1e-2], "encoder_learning_rate": [1e-7, 1e-6]},
        **{"weight_decay": [0.0, 0.3], "betas": [[0.8, 0.9], [0.7, 0.99]], "trials": 24, "epochs": 1, "sample": 0.1},
    }
    found = search(tuned(settings, freeze=1, **asked), tmp_path)
    drawn = [{**t["values"]["model"], **t["values"]["train"]} for t in found.account["trials"]]
    assert all(0.2 <= d["dropout"] <= 0.4 and 1e-7 <= d["encoder_learning_rate"] <= 1e-6 for d in drawn)
    assert {d["weight_decay"] for d in drawn} == {0.0, 0.3}
    assert {tuple(d["betas"]) for d in drawn} == {(0.8, 0.9), (0.7, 0.99)}
    logs = np.log10([d["learning_rate"] for d in drawn])
    assert np.histogram(logs, [-6, -4, -2])[0].min() > 5, "of a range of four decades, half lies below its middle"


@pytest.mark.parametrize("freeze, expected", [("all", 3e-5), ("none", None)])
def test_an_encoder_without_a_range_of_its_own_gets_the_rate_of_the_head(
    freeze: str, expected: float | None, settings: Settings, tmp_path: Path
) -> None:
    run = trials.applied(
        tuned(settings, freeze, trials=1, epochs=1), {"train": {"encoder_learning_rate": 3e-5, "precision": "no"}}
    )
    found = search(run, tmp_path)
    assert found.run.train.encoder_learning_rate == expected  # of a frozen one there is none to speak of
    assert found.run.train.learning_rate != run.train.learning_rate


def test_a_planted_learning_rate_is_found(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, "none", trials=10, sample=1.0, learning_rate=[1e-9, 1e-2])
    found = search(run, tmp_path)
    losses = {rate(t): t["val_loss"] for t in found.account["trials"]}
    assert found.run.train.learning_rate == min(losses, key=lambda lr: losses[lr]) > 1e-4
    idle = [loss for lr, loss in losses.items() if lr < 1e-6]
    assert len(idle) > 2 and min(idle) > math.log(2) * 0.95 > found.account["best"]["val_loss"] * 1.1


def test_accuracy_decides_where_it_is_asked_and_ties_go_to_the_smaller_loss(settings: Settings, tmp_path: Path) -> None:
    account = search(tuned(settings, trials=9, sample=0.1, metric="val_accuracy"), tmp_path).account
    best, top = account["best"], max(t["val_accuracy"] for t in account["trials"])
    tied = [t for t in account["trials"] if t["val_accuracy"] == top]
    assert best["val_accuracy"] == top and best["val_loss"] == min(t["val_loss"] for t in tied)
    assert len(tied) > 1, "so few rows judge that several trials are equally right"


# ---- how a trial is trained


def test_a_copy_of_the_network_is_what_would_be_built_with_its_dropout(settings: Settings) -> None:
    shared = ground(tuned(settings, "none"))
    values: trials.Values = {"model": {"dropout": 0.37}, "train": {"learning_rate": 1e-3}}
    run = trials.applied(shared.run, values)
    fresh = copy.deepcopy(pipeline.check(run).build(2, run.seed))
    built = dataclasses.replace(shared, learner=fresh)
    other = dataclasses.replace(
        shared, learner=pipeline.check(trials.applied(run, {"model": {"dropout": 0.0}})).build(2, 0)
    )
    one, two, three = ([s.batch_loss for s in trials.trained(g, values)] for g in (shared, built, other))
    assert one == two == three
    dropped = [s.batch_loss for s in trials.trained(shared, {**values, "model": {"dropout": 0.0}})]
    assert dropped != one, "the dropout of the values counts"
    again = [s.batch_loss for s in trials.trained(shared, values)]
    assert again == one, "each trial starts from the same fresh weights"


def test_the_schedule_of_a_trial_spans_its_own_steps(settings: Settings) -> None:
    run = trials.applied(tuned(settings), {"train": {"warmup_steps": 6, "schedule_steps": 24, "ema_decay": 0.9}})
    steps = list(trials.trained(ground(run), {"train": {"learning_rate": 1e-2}}))
    rates = [s.lr[0] for s in steps]
    assert len(steps) == 10, "half of 96 rows, four fifths of them, batches of 8, two epochs"
    assert rates.index(max(rates)) == 2, "a quarter of the run warms up, and so a quarter of the trial"
    assert rates[0] == pytest.approx(1e-2 / 3) and rates[-1] == pytest.approx(1e-2 / 8)
    scores = {s.epoch: s.scores for s in steps if s.scores}
    assert list(scores) == [1, 2]
    plain = trials.applied(run, {"train": {"ema_decay": 0.0}})
    last = list(trials.trained(ground(plain), {"train": {"learning_rate": 1e-2}}))[-1]
    assert scores[2] == last.scores, "an average over ten steps would be mostly the weights at the start"


def test_a_trial_that_diverges_is_no_crash(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, "none", trials=6, epochs=1, learning_rate=[1e-3, 1e36])
    account = search(run, tmp_path).account
    ends = {trial["state"]: trial for trial in account["trials"]}
    assert set(ends) == {"finished", "diverged"} and "val_loss" not in ends["diverged"]
    assert account["best"]["state"] == "finished"
    with pytest.raises(TitheError, match=r"all 2 trials diverged: lower tune\.learning_rate"):
        search(tuned(settings, "none", trials=2, epochs=1, learning_rate=[1e36, 1e37]), tmp_path / "none")


def test_the_pruner_stops_what_is_worse_than_the_median(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, trials=16, sample=1.0, learning_rate=[1e-5, 1e-1], prune=True)
    account = search(run, tmp_path).account
    stopped = [t["val_loss"] for t in account["trials"] if t["state"] == "stopped early"]
    ended = [t["val_loss"] for t in account["trials"] if t["state"] == "finished"]
    assert len(stopped) > 1 and len(stopped) + len(ended) == 16 and min(stopped) > account["best"]["val_loss"]
    assert {t["number"] for t in account["trials"] if t["state"] == "stopped early"}.isdisjoint(range(5))


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
    with pytest.raises(InputError, match=r"tune\.sample 0\.5 has too few groups for 2 of the classes"):
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

    def tampered(asked: config.Data, seed: int) -> data.Splits:
        """Every class of a row that is not trained on is another one."""
        labels = splits.everything.labels.copy()
        labels[held_out] = 1 - labels[held_out]
        return dataclasses.replace(splits, everything=dataclasses.replace(splits.everything, labels=labels))

    with monkeypatch.context() as patch:
        patch.setattr(data, "load", tampered)
        after = search(run, tmp_path / "after")
    assert untimed(before) == untimed(after) and before.account["key"] == after.account["key"]
    # Nor does what they say: other texts in their place, in a file of their own.
    texts, labels = (list(part) for part in make_texts(60))
    for position, row in enumerate(splits.everything.ids[held_out]):
        texts[row] = f"nothing of this kind {position}"
    write_rows(Path(run.data.path), texts, labels)
    assert np.array_equal(data.load(run.data, run.seed).train, splits.train)
    assert untimed(search(run, tmp_path / "other")) == untimed(before)
    used = set(splits.everything.ids[splits.train])
    shared = ground(run)
    assert {*shared.train.ids, *shared.val.ids} <= used


# ---- killed, shared, stopped

SHARED = """
import os, signal, sys
from pathlib import Path
from tithe import config, devices, pipeline, plugins, trial_queue, trials, tuning

run, home = config.load(sys.argv[1]), Path(sys.argv[2])
optuna, trained = plugins.require("optuna", "tune"), trials.trained

def search(folder):
    tuning.search(run, home / folder, pipeline.check(run), devices.accelerator("cpu", "no"))

def process(die=lambda: None):
    if (pid := os.fork()) == 0:
        die()
        search("killed")
        os._exit(0)
    return pid

def at_call(owner, name, count, whose):
    real, calls = getattr(owner, name), []
    def dying(*args, **kwargs):
        calls.append(1)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(owner, name, dying)

def in_a_trial():
    def dying(*args):
        for step in trained(*args):
            if step.step == 5 and args[1]["train"] not in seen:
                seen.append(args[1]["train"])
            if len(seen) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield step
    seen, trials.trained = [], dying

search("whole")
for die in (
    in_a_trial,
    lambda: at_call(trial_queue.Queue, "_sampler", 2, "a trial that is taken and has no values yet"),
    lambda: at_call(optuna.study.Study, "tell", 3, "a trial whose end is written down but for its state"),
):
    assert os.waitstatus_to_exitcode(os.waitpid(process(die), 0)[1]) == -signal.SIGKILL
for pid in [process(), process()]:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_killed_three_times_and_shared_by_two_a_search_has_each_trial_once(settings: Settings, tmp_path: Path) -> None:
    import optuna

    raw = settings(model={"freeze": "all"}, tune={"trials": 12, "sample": 0.5, "learning_rate": [1e-4, 1e-2]})
    (tmp_path / "config.json").write_text(json.dumps(raw))
    asked = [sys.executable, "-W", "error", "-c", SHARED, str(tmp_path / "config.json"), str(tmp_path)]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}  # more of them would not live through a fork
    done = subprocess.run(asked, env=threads, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    whole, parts = (records.read_json(tmp_path / name / tuning.FILE)["trials"] for name in ("whole", "killed"))
    assert [{**trial, "seconds": 0} for trial in whole] == [{**trial, "seconds": 0} for trial in parts]
    assert [trial["number"] for trial in parts] == list(range(12))
    file = str(tmp_path / "killed" / tuning.FOLDER / "journal.log")
    backend = optuna.storages.journal.JournalFileBackend(file)
    (study,) = optuna.get_all_study_summaries(optuna.storages.JournalStorage(backend))
    journal = optuna.load_study(study_name=study.study_name, storage=optuna.storages.JournalStorage(backend)).trials
    ended = [t.user_attrs["number"] for t in journal if t.state.name == "COMPLETE"]
    assert sorted(ended) == list(range(12)), "twelve finished trials, and none of them twice"
    assert [t.state.name for t in journal if t.state.name != "COMPLETE"] == ["FAIL"] * 3
    assert not list((tmp_path / "killed" / tuning.FOLDER).glob("*.alive")), "nobody is at work"


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_a_process_left_is_taken_up_with_its_values(sampler: Any, tmp_path: Path) -> None:
    def draw(trial: Any) -> dict[str, Any]:
        return {"x": trial.suggest_float("x", 0.0, 1.0), "y": trial.suggest_categorical("y", ["a", "b"])}

    def told(folder: str, seed: int, count: int) -> list[dict[str, Any]]:
        with trial_queue.opened(tmp_path / folder, "search", config.Tune(sampler=sampler), seed) as queue:
            found = []
            for trial, values in itertools.islice(queue.left(14, draw), count):
                queue.tell(trial, values["x"], {})
                found.append(values)
            next(queue.left(14, draw), None)  # one more is taken, and never told
            return found

    whole, first, second = told("whole", 0, 14), told("parts", 0, 12), told("parts", 1, 2)
    assert first == whole[:12], "twelve, of which Optuna draws ten at random"
    assert second[0] == whole[12] and second[1] != whole[13], "the first is what was left, the other is another seed's"
    with trial_queue.opened(tmp_path / "parts", "search", config.Tune(sampler=sampler), 0) as queue:
        assert [trial["number"] for trial in queue.finished(14)] == list(range(14)) and not list(queue.left(14, draw))


def test_a_torn_line_of_the_journal_is_cut(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, trials=2)
    before = search(run, tmp_path)
    with (tmp_path / tuning.FOLDER / "journal.log").open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    after = search(tuned(settings, trials=3), tmp_path)
    assert after.account["trials"][:2] == before.account["trials"] and len(after.account["trials"]) == 3


def test_a_signal_stops_inside_a_trial_and_the_search_goes_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings, trials=3)
    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "Asked", asked_after(17))  # ten steps are a trial, and between them it is asked too
        with pytest.raises(Interrupted, match="trials that are done are in") as caught:
            search(run, tmp_path / "parts")
    assert caught.value.exit_code == 128 + signal.SIGINT
    assert untimed(search(run, tmp_path / "parts")) == untimed(search(run, tmp_path / "whole"))


# ---- in a run


def test_a_run_killed_in_its_search_and_after_it_ends_with_the_best_values(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings, trials=3, epochs=1)
    auto = {"checkpoint": run.checkpoint.model_copy(update={"resume": "auto"})}
    for place, says in ((8, "trials that are done are in"), (32, "stopped after step")):
        with monkeypatch.context() as patch:
            patch.setattr(interrupts, "Asked", asked_after(place))
            with pytest.raises(Interrupted, match=says):
                pipeline.train(run.model_copy(update=auto))
    journal = (tmp_path / "run" / tuning.FOLDER / "journal.log").read_bytes()
    outcome = pipeline.train(run.model_copy(update=auto))
    assert (tmp_path / "run" / tuning.FOLDER / "journal.log").read_bytes() == journal, "it did not search again"
    account = records.read_json(tmp_path / "run" / tuning.FILE)
    assert [trial["number"] for trial in account["trials"]] == [0, 1, 2]
    written = records.read_json(tmp_path / "run/config.json")
    for part, values in account["best"]["values"].items():
        assert {key: written[part][key] for key in values} == values
    assert written["tune"] == config.dump(run)["tune"]
    by_hand = run.model_copy(update={"tune": None, "out": str(tmp_path / "by-hand")})
    same = pipeline.train(trials.applied(by_hand, account["best"]["values"]))
    assert same.scores["training"]["final_weights_sha256"] == outcome.scores["training"]["final_weights_sha256"]
    with pytest.raises(InputError, match="is of another search, or of none: set tune as it was"):
        pipeline.train(tuned(settings, trials=4, epochs=1).model_copy(update=auto))
    with pytest.raises(InputError, match="holds an earlier run"):
        pipeline.train(tuned(settings, trials=5, epochs=1))
    assert records.read_json(tmp_path / "run" / tuning.FILE) == account, "refused before anything is searched"


def test_a_run_says_what_was_searched_and_is_found_again_by_its_config(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings, trials=3, epochs=1).model_copy(update={"out": str(tmp_path / "run-{time}")})
    auto = run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"resume": "auto"})})
    for place in (8, 32):  # in the search, and after it
        with monkeypatch.context() as patch:
            patch.setattr(interrupts, "Asked", asked_after(place))
            with pytest.raises(Interrupted):
                pipeline.train(auto)
    outcome = pipeline.train(auto)
    assert [outcome.home] == list(tmp_path.glob("run-*")), "one directory, found again both times"
    account = records.read_json(outcome.home / tuning.FILE)
    told = records.read_json(outcome.home / "metrics.json")["tuning"]
    assert told["trials"] == 3 and told["best"] == account["best"]
    page = (outcome.home / "report.html").read_text()
    assert "3 trials of 1 epoch, drawn by random search" in page and f"Number {account['best']['number']} was" in page
    manifest = records.read_json(outcome.home / "manifest.json")
    assert {tuning.FILE, f"{tuning.FOLDER}/journal.log"} <= set(manifest) and not records.broken_files(outcome.home)


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
    ({"tune": {"sample": 0.01}}, "tune.sample 0.01 of 96 training rows is 1, and 2 classes need 4, two of a class"),
    ({"tune": {}, "select": {"strategy": "k_center"}}, "select.strategy 'k_center' keeps a part of them"),
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


def test_a_search_in_several_processes_of_one_run_is_refused(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings)
    several = devices.accelerator("cpu", "no")
    several.state.num_processes = 2
    try:
        with pytest.raises(InputError, match="run `tithe tune` first"):
            tuning.search(run, tmp_path, pipeline.check(run), several)
    finally:
        several.state.num_processes = 1


# ---- the command


def test_the_command_prints_a_table_and_writes_a_config_that_trains(
    settings: Settings, tmp_path: Path, tithe: Tithe
) -> None:
    file = tmp_path / "config.json"
    raw = settings(model={"freeze": "all"}, track={"neptune": {"api_token": "do-not-show"}})
    file.write_text(json.dumps(raw))
    more = ["--set", "tune.sample=0.5", "--set", "tune.epochs=1", "--trials", 3]
    code, out, err = tithe("tune", file, *more, "--out", tmp_path / "search")
    assert code == 0 and "number" in err[-1], err
    table = [line for line in out.splitlines() if line.startswith("|")]
    account = records.read_json(tmp_path / "search/tuning.json")
    assert len(table) == 5 and table[2].split("|")[1].strip() == str(account["best"]["number"])
    assert f"tithe train {tmp_path}/search/tuned.json" in out and "do-not-show" not in out
    found = config.load(tmp_path / "search/tuned.json")
    assert found.train.learning_rate == account["best"]["values"]["train"]["learning_rate"]
    assert found.tune is None and found.out == raw["out"] and found.track.neptune
    assert found.track.neptune.api_token is None, "not the stars that stand for it"
    code, out, err = tithe("tune", file, *more, "--out", tmp_path / "search", "--then-train", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["trials"] == account["trials"] and told["trained"]["home"] == raw["out"]
    assert config.load(tmp_path / "run/config.json").model_copy(update={"track": found.track}) == found


@pytest.mark.parametrize("more, says", [(["--trials", 0], "--trials"), (["--set", "tune.epochs=0"], "tune.epochs = 0")])
def test_a_wrong_command_is_one_line(
    more: list[Any], says: str, settings: Settings, tmp_path: Path, tithe: Tithe
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings()))
    code, _, err = tithe("tune", tmp_path / "config.json", "--out", tmp_path / "search", *more)
    assert code == 2 and len(err) == 1 and says in err[0] and not (tmp_path / "search").exists()


def test_the_callers_random_streams_are_left_alone(settings: Settings, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    search(tuned(settings, trials=1, epochs=1), tmp_path)
    assert torch.equal(torch.rand(1), expected)
