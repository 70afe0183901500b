"""Trials that are shared and killed: each one once, whoever runs them."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import processes
from support.searches import search, tuned, untimed
from support.signals import asked_after
from tithe import config, interrupts, storage
from tithe.errors import Interrupted
from tithe.storage import run_files
from tithe.tune.queue import open_queue

pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")

Settings = Callable[..., dict[str, Any]]
SHARED = """
import os, signal, sys, warnings
import torch
warnings.simplefilter("error")
torch.set_num_threads(1)  # more of them would not live through a fork
from pathlib import Path
from tithe import config
from tithe import pipeline
from tithe import plugins
from tithe.train import devices
from tithe.tune import queue
from tithe.tune import search as tune_search
from tithe.tune import trials

run, home = config.load(sys.argv[1]), Path(sys.argv[2])
optuna, trained = plugins.require("optuna", "tune"), trials.train_trial

def search(folder):
    tune_search.search(pipeline.check(run), home / folder, devices.accelerator("cpu", "no"))

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
    seen, trials.train_trial = [], dying

search("whole")
for die in (
    in_a_trial,
    lambda: at_call(queue.Queue, "_sampler", 2, "a trial that is taken and has no values yet"),
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
    done = processes.run("-c", SHARED, tmp_path / "config.json", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    whole, parts = (storage.read_json(tmp_path / name / run_files.TUNING)["trials"] for name in ("whole", "killed"))
    assert [{**trial, "seconds": 0} for trial in whole] == [{**trial, "seconds": 0} for trial in parts]
    assert [trial["number"] for trial in parts] == list(range(12))
    file = str(tmp_path / "killed" / run_files.TUNING_FOLDER / "journal.log")
    backend = optuna.storages.journal.JournalFileBackend(file)
    (study,) = optuna.get_all_study_summaries(optuna.storages.JournalStorage(backend))
    journal = optuna.load_study(study_name=study.study_name, storage=optuna.storages.JournalStorage(backend)).trials
    ended = [t.user_attrs["number"] for t in journal if t.state.name == "COMPLETE"]
    assert sorted(ended) == list(range(12)), "twelve finished trials, and none of them twice"
    assert [t.state.name for t in journal if t.state.name != "COMPLETE"] == ["FAIL"] * 3
    assert not list((tmp_path / "killed" / run_files.TUNING_FOLDER).glob("*.alive")), "nobody is at work"


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_a_process_left_is_taken_up_with_its_values(sampler: Any, tmp_path: Path) -> None:
    def draw(trial: Any) -> dict[str, Any]:
        return {"x": trial.suggest_float("x", 0.0, 1.0), "y": trial.suggest_categorical("y", ["a", "b"])}

    def played(folder: str, seed: int, count: int) -> list[dict[str, Any]]:
        with open_queue(tmp_path / folder, "search", config.Tune(sampler=sampler), seed) as queue:
            found = []
            for trial, values in itertools.islice(queue.pending(14, draw), count):
                queue.tell(trial, values["x"], {})
                found.append(values)
            next(queue.pending(14, draw), None)  # one more is taken, and its result never reported
            return found

    whole, first, second = played("whole", 0, 14), played("parts", 0, 12), played("parts", 1, 2)
    assert first == whole[:12], "twelve, of which Optuna draws ten at random"
    assert second[0] == whole[12] and second[1] != whole[13], "the first is what was left, the other is another seed's"
    with open_queue(tmp_path / "parts", "search", config.Tune(sampler=sampler), 0) as queue:
        assert [trial["number"] for trial in queue.finished(14)] == list(range(14)) and not list(
            queue.pending(14, draw)
        )


def test_a_torn_line_of_the_journal_is_cut(settings: Settings, tmp_path: Path) -> None:
    run = tuned(settings, trials=2)
    before = search(run, tmp_path)
    with (tmp_path / run_files.TUNING_FOLDER / "journal.log").open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    after = search(tuned(settings, trials=3), tmp_path)
    assert after.summary["trials"][:2] == before.summary["trials"] and len(after.summary["trials"]) == 3


def test_a_signal_stops_inside_a_trial_and_the_search_goes_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(settings, trials=3)
    with monkeypatch.context() as patch:
        patch.setattr(
            interrupts, "StopRequest", asked_after(17)
        )  # ten steps are a trial, and between them it is asked too
        with pytest.raises(Interrupted, match="finished trials are in") as caught:
            search(run, tmp_path / "parts")
    assert caught.value.exit_code == 128 + signal.SIGINT
    assert untimed(search(run, tmp_path / "parts")) == untimed(search(run, tmp_path / "whole"))
