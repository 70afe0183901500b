"""The trials of a suite: strategies × budgets × seeds, resumable, with shared caches."""

from __future__ import annotations

import copy
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, engines, interrupts, metrics, plugins, storage
from tithe.arrays import Array, Rows
from tithe.config import unused
from tithe.data import find_sources
from tithe.engines.shards import states_of
from tithe.errors import InputError, Interrupted
from tithe.models import features, inference
from tithe.progress import bar
from tithe.select.buying.tracks import check_track
from tithe.select.choose import SelectionResult, choose_rows
from tithe.select.inner import penalty_of
from tithe.select.outputs import summary
from tithe.select.rounds import check_budget, embeddings_change, learns
from tithe.select.settings import check_unedited, content_hashes, overridden, parse_options
from tithe.select.signals import own_files
from tithe.select.suite import controls
from tithe.select.suite.controls import Controls
from tithe.select.suite.grid import Grid, Trial
from tithe.select.suite.options import Options, by_strategy
from tithe.select.suite.probe import is_probed, probe
from tithe.tasks import open_checked
from tithe.train import devices, optimizer, trainer
from tithe.train.setup import Setup, open_setup
from tithe.train.trainer import FitOptions

logger = logging.getLogger("tithe")

FILE, TRIALS = "suite.json", "trials"
Record = dict[str, Any]  # of a trial, as its file has it

# Settings of a run's config that would make the trials unequal, or need validation rows.
_NOT_USED = (
    *("tune", "data.class_weights", "train.label_smoothing", "train.ema_decay", "train.patience"),
    *("train.schedule_steps", "train.schedule_epochs", "train.steps_of"),
)

# Decides no result, is part of each trial, or counts by its content: see `content_hashes`.
_NOT_IN_KEYS: dict[str, Any] = dict.fromkeys(("name", "out", "track", "seed", "engine", "cluster"), True)
_NOT_IN_KEYS |= {"data": {"embeddings"}, "select": {"scores"}}


def run_suite(base: config.Run, grid: Grid, out: Path, processes: int = 1) -> list[Record]:
    """Run all trials that are not done yet; return the results of all.

    Each seed has its own split, shared by all strategies, so that they can be compared in pairs. Nothing is selected
    on validation rows: the weights of the last step are tested.

    Parameters
    ----------
    base
        Config of a run on all rows; it sets the number of steps of the baseline `all`.
    processes
        Trials run in parallel by the engine `local`.

    Raises
    ------
    InputError
        A strategy, an option, a budget, a control or the config is invalid, there are no test rows, or the folder has
        trials of another track; nothing was run. Or the engine can't be opened.
    Interrupted
        A signal requested a stop; finished trials are kept.
    """
    trials, strategies = list(grid.trials()), grid.all_strategies
    _refuse_namesakes(strategies)
    controls.check(grid, base)
    _refuse_other_track(out, (base.select or config.Select()).track)
    suite = _Suite(*by_strategy(base, strategies, grid.options), grid)
    _check_strategies(base, suite, strategies)
    code = {trial: content_hashes(suite.settings(trial), base.data) for trial in trials}
    files = {trial: out / TRIALS / f"{suite.file_name(trial, code[trial])}.json" for trial in trials}
    done = {trial: result for trial in trials if (result := _finished(files[trial])) is not None}
    pending = [trial for trial in trials if trial not in done or controls.missing(done[trial], grid)]
    if len(pending) < len(trials):
        count = len(trials) - len(pending)
        logger.info("%d of %d trials %s already done", count, len(trials), "is" if count == 1 else "are")
    _check_rows(suite, pending)
    with (
        engines.opened(base.engine, base.cluster, processes) as engine,
        interrupts.deferred() as stop,
        bar("trials", len(trials), "trials") as tick,
    ):
        tick(len(trials) - len(pending))
        if pending and base.engine != "local":
            _open(base, pending[0].seed)  # so that the workers find the features of a frozen encoder
        results = engine.map(suite.run, [(trial, done.get(trial)) for trial in pending])
        for trial, result in zip(pending, results, strict=True):
            check_unedited(result, code[trial])
            storage.write_sealed(files[trial], result)
            done[trial] = result
            tick(1)
            if stop.signum:
                raise Interrupted(stop.signum, f"stopped; finished trials are in {out}: run again to continue")
    return [done[trial] for trial in trials]


def _check_strategies(base: config.Run, suite: _Suite, strategies: Sequence[str]) -> None:
    """Refuse wrong options and files of strategies, and warn of settings that have no effect."""
    for name in strategies:
        settings = suite.settings(Trial(name, 0.1, 0))
        parse_options(plugins.load("strategies", name), settings)
        check_track(settings)
        own_files.check(settings, base.data)
    if base.select and base.select.rounds > 1:
        at_once = ", ".join(plugins.short_name(name) for name in strategies if not _has_rounds(base, name))
        logger.info(
            "select.rounds %d: no model changes what %s read, so they choose at once", base.select.rounds, at_once
        )
    for key, _ in unused.changed(base, _NOT_USED):
        logger.warning("%s of the config has no effect in a suite", key)


def _check_rows(suite: _Suite, trials: Sequence[Trial]) -> None:
    """Check that there are rows to test on, and that every budget is large enough, before any trial is trained.

    Raises
    ------
    InputError
        They are not.
    """
    for seed, of_seed in itertools.groupby(trials, key=lambda trial: trial.seed):
        splits = open_checked(suite.base.model_copy(update={"seed": seed})).load()
        if not len(splits.test):
            raise InputError("a suite compares strategies on test rows: set data.test_ratio above 0")
        for trial in of_seed:
            check_budget(splits.pool_labels, suite.settings(trial))
            own_files.check_rows(suite.settings(trial), suite.base.data, splits)


def _finished(file: Path) -> Record | None:
    """Return the result of an earlier trial; None if there is none that its own hash vouches for."""
    result = storage.read_sealed(file)
    if result is None and file.exists():
        logger.warning("%s was edited or damaged, or is of an earlier version: its trial runs again", file)
    return result


def _refuse_other_track(out: Path, track: str) -> None:
    """Keep strategies that read all labels out of one table with those that buy theirs."""
    for file in sorted((out / TRIALS).glob("*.json")):
        other = (storage.read_sealed(file) or {"track": track}).get("track", "T1")
        if other != track:
            raise InputError(
                f"{out} has trials of track {other}, which no table shows beside {track}: choose another --out"
            )


def _refuse_namesakes(strategies: Sequence[str]) -> None:
    """Keep two files of one name from becoming one line of the table."""
    files: dict[str, str] = {}
    for name in strategies:
        other = files.setdefault(plugins.short_name(name), name)
        if other != name:
            raise InputError(f"strategies {other} and {name} have one name: rename a file")


def _describe(trial: Trial) -> dict[str, Any]:
    return {**asdict(trial), "strategy": plugins.short_name(trial.strategy)}


class _Suite:
    """Runs trials, with one setup in a process for all trials of a seed."""

    def __init__(self, base: config.Run, options: Options, grid: Grid) -> None:
        self.base, self.options, self.grid = base.model_copy(update={"engine": "local"}), options, grid
        self._opened: dict[int, tuple[Setup, Controls]] = {}

    def settings(self, trial: Trial) -> config.Select:
        """Return the settings of a trial's selection."""
        changes: dict[str, Any] = {"strategy": trial.strategy, "budget": trial.budget}
        if trial.strategy == "all":
            changes["filter"] = {}  # the baseline is all rows
        once = {} if _has_rounds(self.base, trial.strategy) else {"rounds": 1}
        own = self.options[plugins.short_name(trial.strategy)]
        return overridden(self.base.select, {**changes, **once}, own, "suite")

    def file_name(self, trial: Trial, code: dict[str, str]) -> str:
        """Return the name of a trial's file: the same only for the same settings, data and strategy."""
        base, name = self.base, plugins.short_name(trial.strategy)
        dump = base.model_dump(mode="json", exclude=_NOT_IN_KEYS)
        content = [key for source, _ in find_sources(base.data) for key in source.key]
        cache_key = [dump, _describe(trial), self.grid.equal_steps, *content]
        cache_key += [{"head": self.grid.head}] if self.grid.head != "trained" else []
        cache_key += [code] if code else []
        cache_key += [{"options": self.options[name]}] if self.options[name] else []
        return f"{name}-{trial.budget:g}-{trial.seed}-{storage.digest(cache_key)[:12]}"

    def run(self, of: tuple[Trial, Record | None]) -> Record:
        """Select rows, train new weights on them, test; an earlier record of these rows gets what it lacks."""
        trial, record = of
        if trial.seed not in self._opened:  # trials are ordered by seed, so one setup at a time is enough
            setup, grid = _open(self.base, trial.seed), self.grid
            measure = Controls(setup, lambda of, result: _test(of, result, grid)["test"], grid)
            self._opened = {trial.seed: (setup, measure)}
        setup, measure = self._opened[trial.seed]
        result = choose_rows(setup, self.settings(trial))
        if record is None or record["rows_sha256"] != summary(result)["rows_sha256"]:
            record = _run_trial(setup, result, trial, self.grid)
        new = {name: measure.run(name, result) for name in controls.missing(record, self.grid)}
        return {**record, "controls": {**record.get("controls", {}), **new}}


def _open(base: config.Run, seed: int) -> Setup:
    run = base.model_copy(update={"seed": seed})
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    task = open_checked(run)
    return open_setup(task, task.load(), accelerator, states_of(run))


def _has_rounds(base: config.Run, strategy: str) -> bool:
    """Say whether rounds are of use to a strategy; others choose at once, so that no model is trained for nothing."""
    return learns(strategy, embeddings_change(base))


def _run_trial(setup: Setup, result: SelectionResult, trial: Trial, grid: Grid) -> Record:
    settings, is_weighted = result.settings, (result.selection.weight != 1).any()
    return {
        **_describe(trial),
        "track": settings.track,
        **({"weighted": True} if is_weighted else {}),
        **({"options": settings.options} if settings.options else {}),
        **result.code,
        **_test(setup, result, grid),
        "selection_seconds": result.seconds,
        "rows_sha256": summary(result)["rows_sha256"],
        "split_sha256": setup.splits.split.hash,
    }


def _test(setup: Setup, result: SelectionResult, grid: Grid) -> Record:
    """Train on the chosen rows; return the part of a trial's record that this gives."""
    chosen = setup.with_train_rows(result.selection.rows, result.selection.weight)
    splits, started = chosen.splits, time.monotonic()
    if is_probed(setup, grid.head):
        penalty = penalty_of(result.decided.strategy, result.pool)
        steps, (probs_NC, labels_N) = 0, probe(setup, result.selection, penalty)
    else:
        steps, probs_NC, labels_N = _train_and_test(chosen, grid.equal_steps)
    per_class = metrics.per_class(metrics.confusion(labels_N, probs_NC.argmax(axis=1), len(splits.labels)))
    return {
        "rows": len(splits.train),
        "steps": steps,
        "test": metrics.summary(labels_N, probs_NC),
        "worst_class_accuracy": float(per_class.recall[per_class.support > 0].min()),
        "train_seconds": round(time.monotonic() - started, 3),
    }


def _train_and_test(setup: Setup, equal_steps: bool) -> tuple[int, Array, Rows]:
    """Train new weights on the training rows; return the steps, and the test rows' probabilities and labels."""
    run, options = setup.run, setup.run.train
    # The setup's head is never trained, so a copy of it equals the initial head of this seed.
    head = copy.deepcopy(setup.network.classifier.get_submodule("head"))
    model = features.Probe(head) if setup.network.on_features else setup.task.build(setup.classes, run.seed)
    per_epoch = setup.steps_per_epoch("all" if equal_steps else "selected")
    total = per_epoch * options.epochs
    options = options.model_copy(update={"schedule_steps": total})
    optimizer.check_schedule(options, total, per_epoch)
    how = FitOptions(options, run.seed, setup.accelerator, steps_per_epoch=per_epoch)
    for _ in trainer.fit(model, setup.task.criterion(), setup.train_examples, how):
        pass
    test = setup.examples.take(setup.splits.test)
    logits_NC = inference.logits(model, test, autocast=setup.accelerator.autocast)
    return total, inference.softmax(logits_NC), np.asarray(test.labels)
