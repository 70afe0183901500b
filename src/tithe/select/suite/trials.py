"""The trials of a suite: strategies × budgets × seeds, resumable, with shared caches."""

from __future__ import annotations

import copy
import itertools
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, interrupts, metrics, plugins, storage
from tithe.arrays import Array, Rows
from tithe.config import unused
from tithe.data import Splits, find_sources
from tithe.errors import InputError, Interrupted
from tithe.models import features, inference
from tithe.progress import bar
from tithe.select.buying.tracks import check_track
from tithe.select.choose import choose_rows
from tithe.select.outputs import summary
from tithe.select.rounds import check_budget, learns
from tithe.select.settings import check_unedited, code_hashes, overridden, parse_options
from tithe.select.suite.options import Options, by_strategy
from tithe.tasks import open_checked
from tithe.train import devices, optimizer, trainer
from tithe.train.setup import Setup, open_setup
from tithe.train.trainer import FitOptions

logger = logging.getLogger("tithe")

FILE, TRIALS = "suite.json", "trials"

# Settings of a run's config that would make the trials unequal, or need validation rows.
_NOT_USED = (
    *("tune", "data.class_weights", "train.label_smoothing", "train.ema_decay", "train.patience"),
    *("train.schedule_steps", "train.schedule_epochs"),
)


@dataclass(frozen=True)
class Trial:
    """One strategy at one budget, with one seed for split, selection and training."""

    strategy: str
    budget: float
    seed: int


@dataclass(frozen=True)
class Grid:
    """The trials of a suite.

    They always include the baseline on all rows, which has one budget, and class-balanced random rows.

    Attributes
    ----------
    equal_steps
        Whether every trial gets as many optimizer steps as the baseline; otherwise as many epochs.
    options
        Of strategies, by `option` or `strategy.option`, over those of the config; see `options.by_strategy`.
    """

    strategies: Sequence[str]
    budgets: Sequence[float]
    seeds: Sequence[int]
    equal_steps: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a budget or seed given twice: its trials would make differences look more certain than they are."""
        for name, values in (("budgets", self.budgets), ("seeds", self.seeds)):
            if twice := [value for value in values if values.count(value) > 1]:
                raise InputError(f"{name} {', '.join(map(str, values))}: write {twice[0]} once")

    @property
    def all_strategies(self) -> list[str]:
        """The strategies, the two that are always included first."""
        return list(dict.fromkeys(["all", "random", *self.strategies]))

    def trials(self) -> Iterator[Trial]:
        """Yield every combination, seed by seed."""
        for seed, name in itertools.product(self.seeds, self.all_strategies):
            for budget in [1.0] if name == "all" else self.budgets:
                yield Trial(name, budget, seed)


def run_suite(base: config.Run, grid: Grid, out: Path, processes: int = 1) -> list[dict[str, Any]]:
    """Run all trials that are not done yet; return the results of all.

    Each seed has its own split, shared by all strategies, so that they can be compared in pairs. Nothing is selected
    on validation rows: the weights of the last step are tested.

    Parameters
    ----------
    base
        Config of a run on all rows; it sets the number of steps of the baseline `all`.
    processes
        Trials run in parallel.

    Raises
    ------
    InputError
        A strategy, an option, a budget or the config is invalid, or there are no test rows; nothing was run.
    Interrupted
        A signal requested a stop; finished trials are kept.
    """
    trials, strategies = list(grid.trials()), grid.all_strategies
    _refuse_namesakes(strategies)
    suite = _Suite(*by_strategy(base, strategies, grid.options), grid.equal_steps)
    for name in strategies:
        settings = suite.settings(Trial(name, 0.1, 0))
        parse_options(plugins.load("strategies", name), settings)
        check_track(settings)
    if base.select and base.select.rounds > 1:
        at_once = ", ".join(plugins.short_name(name) for name in strategies if not _has_rounds(base, name))
        logger.info(
            "select.rounds %d: no model changes what %s read, so they choose at once", base.select.rounds, at_once
        )
    for key, _ in unused.changed(base, _NOT_USED):
        logger.warning("%s of the config has no effect in a suite", key)
    code = {trial: code_hashes(suite.settings(trial)) for trial in trials}
    files = {trial: out / TRIALS / f"{suite.file_name(trial, code[trial])}.json" for trial in trials}
    done = {trial: result for trial in trials if (result := _finished(files[trial])) is not None}
    pending = [trial for trial in trials if trial not in done]
    if len(pending) < len(trials):
        logger.info("%d of %d trials are already done", len(trials) - len(pending), len(trials))
    _check_rows(suite, pending)
    with interrupts.deferred() as stop, bar("trials", len(trials), "trials") as tick:
        tick(len(trials) - len(pending))
        for trial, result in _results(suite, pending, processes):
            check_unedited(result, code[trial])
            storage.write_sealed(files[trial], result)
            done[trial] = result
            tick(1)
            if stop.signum:
                raise Interrupted(stop.signum, f"stopped; finished trials are in {out}: run again to continue")
    return [done[trial] for trial in trials]


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


def _finished(file: Path) -> dict[str, Any] | None:
    """Return the result of an earlier trial; None if there is none that its own hash vouches for."""
    result = storage.read_sealed(file)
    if result is None and file.exists():
        logger.warning("%s was edited or damaged, or is of an earlier version: its trial runs again", file)
    return result


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
    """Runs trials in this process, with one setup for all trials of a seed."""

    def __init__(self, base: config.Run, options: Options, equal_steps: bool) -> None:
        self.base, self.options, self.equal_steps = base, options, equal_steps
        self._setups: dict[int, Setup] = {}

    def settings(self, trial: Trial) -> config.Select:
        """Return the settings of a trial's selection."""
        changes = {"strategy": trial.strategy, "budget": trial.budget}
        once = {} if _has_rounds(self.base, trial.strategy) else {"rounds": 1}
        own = self.options[plugins.short_name(trial.strategy)]
        return overridden(self.base.select, {**changes, **once}, own, "suite")

    def file_name(self, trial: Trial, code: dict[str, str]) -> str:
        """Return the name of a trial's file: the same only for the same settings, data and strategy."""
        base, name = self.base, plugins.short_name(trial.strategy)
        dump = {key: value for key, value in config.dump(base).items() if key not in ("name", "out", "track", "seed")}
        content = [key for source, _ in find_sources(base.data) for key in source.key]
        cache_key = [dump, _describe(trial), self.equal_steps, *content]
        cache_key += [code] if code else []
        cache_key += [{"options": self.options[name]}] if self.options[name] else []
        return f"{name}-{trial.budget:g}-{trial.seed}-{storage.digest(cache_key)[:12]}"

    def run(self, trial: Trial) -> dict[str, Any]:
        """Select rows, train new weights on them, test."""
        if trial.seed not in self._setups:  # trials are ordered by seed, so one setup at a time is enough
            self._setups = {trial.seed: _open(self.base, trial.seed)}
        return _run_trial(self._setups[trial.seed], self.settings(trial), trial, self.equal_steps)


def _open(base: config.Run, seed: int) -> Setup:
    run = base.model_copy(update={"seed": seed})
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    task = open_checked(run)
    return open_setup(task, task.load(), accelerator)


def _results(suite: _Suite, trials: list[Trial], processes: int) -> Iterator[tuple[Trial, dict[str, Any]]]:
    if processes == 1:
        yield from ((trial, suite.run(trial)) for trial in trials)
        return
    threads = max(1, (os.cpu_count() or 1) // processes)
    initializer = _start_worker, (suite.base, suite.options, suite.equal_steps)
    # Children read the variable when they load their libraries.
    with (
        storage.environment_variable("OMP_NUM_THREADS", str(threads)),
        multiprocessing.get_context("spawn").Pool(processes, *initializer) as pool,
    ):
        yield from zip(trials, pool.imap(_run_in_worker, trials), strict=True)


_worker: list[_Suite] = []  # the suite of a worker process


def _start_worker(base: config.Run, options: Options, equal_steps: bool) -> None:
    # A signal to the process group is for the parent, which ends its workers with SIGTERM.
    interrupts.ignore(each for each in interrupts.STOPPING if each != signal.SIGTERM)
    _worker.append(_Suite(base, options, equal_steps))


def _run_in_worker(trial: Trial) -> dict[str, Any]:
    return _worker[0].run(trial)


def _has_rounds(base: config.Run, strategy: str) -> bool:
    """Say whether rounds are of use to a strategy; others choose at once, so that no model is trained for nothing."""
    return learns(strategy, encoder_is_trained=base.model.freeze != "all")


def _run_trial(setup: Setup, settings: config.Select, trial: Trial, equal_steps: bool) -> dict[str, Any]:
    result = choose_rows(setup, settings)
    splits = setup.splits.with_train_rows(result.selection.rows, setup.run.data, trial.seed)
    started = time.monotonic()
    steps, probs_NC, labels_N = _train_and_test(setup, splits, equal_steps)
    matrix_CC = metrics.confusion(labels_N, probs_NC.argmax(axis=1), len(splits.labels))
    per_class = metrics.per_class(matrix_CC)
    return {
        **_describe(trial),
        **({"options": settings.options} if settings.options else {}),
        **result.code,
        "rows": len(splits.train),
        "steps": steps,
        "test": metrics.summary(labels_N, probs_NC),
        "worst_class_accuracy": float(per_class.recall[per_class.support > 0].min()),
        "selection_seconds": result.seconds,
        "train_seconds": round(time.monotonic() - started, 3),
        "rows_sha256": summary(result)["rows_sha256"],
        "split_sha256": splits.split.hash,
    }


def _train_and_test(setup: Setup, splits: Splits, equal_steps: bool) -> tuple[int, Array, Rows]:
    """Train new weights on the training rows; return the steps, and the test rows' probabilities and labels."""
    run, options = setup.run, setup.run.train
    # The setup's head is never trained, so a copy of it equals the initial head of this seed.
    head = copy.deepcopy(setup.network.classifier.get_submodule("head"))
    model = features.Probe(head) if setup.network.on_features else setup.task.build(setup.classes, run.seed)
    full = trainer.plan(setup.examples.take(setup.splits.train), options, run.seed).steps_per_epoch
    train = setup.examples.take(splits.train)
    partial = trainer.plan(train, options, run.seed).steps_per_epoch
    total = (full if equal_steps else partial) * options.epochs
    options = options.model_copy(update={"epochs": -(-total // partial), "schedule_steps": total})
    optimizer.check_schedule(options, total, partial)
    loop = trainer.fit(model, setup.task.criterion(), train, FitOptions(options, run.seed, setup.accelerator))
    for _ in itertools.islice(loop, total):
        pass
    test = setup.examples.take(splits.test)
    logits_NC = inference.logits(model, test, autocast=setup.accelerator.autocast)
    return total, inference.softmax(logits_NC), np.asarray(test.labels)
