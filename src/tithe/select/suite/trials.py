"""Strategies × budgets × seeds on shared caches: trials that can be stopped and resumed, and one table at the end."""

from __future__ import annotations

import copy
import itertools
import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, data, metrics, plugins, storage
from tithe.data.splits import Splits
from tithe.errors import Interrupted
from tithe.interrupts import deferred
from tithe.models import features, inference, network
from tithe.progress import bar
from tithe.select import choose, outputs, rescore, selection
from tithe.train import devices, trainer

logger = logging.getLogger("tithe")

FILE, TRIALS = "suite.json", "trials"


@dataclass(frozen=True)
class Trial:
    """One strategy at one budget, split and trained by one seed."""

    strategy: str
    budget: float
    seed: int


def run(
    base: config.Run,
    strategies: Sequence[str],
    budgets: Sequence[float],
    seeds: Sequence[int],
    out: Path,
    equal_steps: bool = True,
    processes: int = 1,
) -> list[dict[str, Any]]:
    """Run every trial that is not done yet; return the results of all.

    Every seed splits the data anew, the same for all strategies, so that they are compared in pairs. Nothing is
    chosen on validation rows: the weights of the last step are tested.

    Parameters
    ----------
    base
        The config of a run on all rows; the baseline `all` has its number of steps.
    equal_steps
        Whether every trial takes as many optimizer steps as the baseline, or as many epochs.

    Raises
    ------
    InputError
        A strategy, a budget or the config is wrong; nothing was run then.
    Interrupted
        A signal asked for a stop; trials that are done are kept.
    """
    trials = list(_trials(strategies, budgets, seeds))
    for name in dict.fromkeys(trial.strategy for trial in trials):
        selection.parse_options(plugins.load("strategies", name), _select(base, Trial(name, 0.1, 0)))
    files = {trial: out / TRIALS / f"{_key(base, trial, equal_steps)}.json" for trial in trials}
    left = [trial for trial in trials if not files[trial].exists()]
    if len(left) < len(trials):
        logger.info("%d of %d trials are done already", len(trials) - len(left), len(trials))
    with deferred() as asked, bar("trials", len(trials), "trials") as tick:
        tick(len(trials) - len(left))
        for trial, result in _results(base, left, equal_steps, processes):
            storage.write_json(files[trial], result)
            tick(1)
            if asked.signum:
                raise Interrupted(asked.signum, f"stopped; trials that are done are in {out}: run again to go on")
    return [storage.read_json(files[trial]) for trial in trials]


def _trials(strategies: Sequence[str], budgets: Sequence[float], seeds: Sequence[int]) -> Iterator[Trial]:
    """Every combination; the baseline and class-balanced random are always among them, and `all` has one budget."""
    names = list(dict.fromkeys(["all", "random", *strategies]))
    for seed, name in itertools.product(seeds, names):
        for budget in [1.0] if name == "all" else budgets:
            yield Trial(name, budget, seed)


def _key(base: config.Run, trial: Trial, equal_steps: bool) -> str:
    made_of = {key: value for key, value in config.dump(base).items() if key not in ("name", "out", "track", "seed")}
    content = [made_of, asdict(trial), equal_steps, storage.sha256_file(Path(base.data.path))]
    return f"{trial.strategy}-{trial.budget:g}-{trial.seed}-{storage.digest(content)[:12]}"


def _results(
    base: config.Run, trials: list[Trial], equal_steps: bool, processes: int
) -> Iterator[tuple[Trial, dict[str, Any]]]:
    jobs = [(base, trial, equal_steps) for trial in trials]
    if processes == 1:
        yield from ((trial, _run_trial(job)) for trial, job in zip(trials, jobs, strict=True))
        return
    threads = max(1, (os.cpu_count() or 1) // processes)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)  # children read it when they load their libraries
    try:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            yield from zip(trials, pool.imap(_run_trial, jobs), strict=True)
    finally:
        os.environ.pop("OMP_NUM_THREADS") if before is None else os.environ.update(OMP_NUM_THREADS=before)


@dataclass(frozen=True)
class _Ground:
    """What all trials of one seed share."""

    run: config.Run
    splits: Splits
    task: Any
    encoded: Any
    net: network.Network
    examples: Any
    accelerator: Any


@lru_cache(maxsize=1)  # trials come seed by seed
def _ground(written: str, seed: int) -> _Ground:
    base = config.Run.model_validate_json(written)
    run_ = base.model_copy(update={"seed": seed})
    accelerator = devices.accelerator(run_.train.device, run_.train.precision)
    task = plugins.load("tasks", run_.task).open_task(run_)
    splits = data.load(run_.data, seed)
    encoded = task.encode(splits.everything)
    net, examples = network.build(run_, task, len(splits.labels), encoded, accelerator)
    return _Ground(run_, splits, task, encoded, net, examples, accelerator)


def _select(base: config.Run, trial: Trial) -> config.Select:
    given = (base.select or config.Select()).model_dump()
    own = given["options"] if given["strategy"] == trial.strategy else {}
    asked = {**given, "strategy": trial.strategy, "budget": trial.budget, "options": own}
    return config.section(config.Select, asked, "suite")


def _run_trial(job: tuple[config.Run, Trial, bool]) -> dict[str, Any]:
    base, trial, equal_steps = job
    ground = _ground(base.model_dump_json(), trial.seed)
    splits, run_ = ground.splits, ground.run
    pool = splits.everything, splits.labels, splits.split.train
    origin = choose.signal_inputs(
        run_, _select(base, trial), *pool, ground.encoded, ground.task, ground.net.whole, ground.accelerator
    )
    mine = ground.examples.take(splits.split.train)
    chosen = choose.choose_rows(
        origin, rescore.rescore_with_model(run_, ground.task, len(splits.labels), mine, ground.accelerator)
    )
    narrowed = splits.narrowed(chosen.selection.rows, run_.data, trial.seed)
    begun = time.monotonic()
    steps, probs_NC, labels_N = _trained(ground, narrowed.train, equal_steps)
    matrix_CC = metrics.confusion(labels_N, probs_NC.argmax(axis=1), len(splits.labels))
    per_class = metrics.per_class(matrix_CC)
    return {
        **asdict(trial),
        "rows": len(narrowed.train),
        "steps": steps,
        "test": metrics.summary(labels_N, probs_NC),
        "worst_class_accuracy": float(per_class.recall[per_class.support > 0].min()),
        "selection_seconds": chosen.seconds,
        "train_seconds": round(time.monotonic() - begun, 3),
        "rows_sha256": outputs.summary(chosen)["rows_sha256"],
        "split_sha256": splits.split.hash,
    }


def _trained(ground: _Ground, rows: Any, equal_steps: bool) -> tuple[int, Any, Any]:
    """Train fresh weights on some rows; return the steps taken, and the test rows' probabilities and labels."""
    run_, classes = ground.run, len(ground.splits.labels)
    # The ground's own head is never trained: a copy of it is what a fresh classifier of this seed would have.
    head = copy.deepcopy(ground.net.whole.get_submodule("head"))
    learner = features.Probe(head) if ground.net.on_features else ground.task.build(classes, run_.seed)
    full = trainer.plan(ground.examples.take(ground.splits.train), run_.train, run_.seed).steps_per_epoch
    train = ground.examples.take(rows)
    own = trainer.plan(train, run_.train, run_.seed).steps_per_epoch
    total = (full if equal_steps else own) * run_.train.epochs
    settings = run_.train.model_copy(update={"epochs": -(-total // own), "schedule_steps": total})
    loop = trainer.fit(learner, ground.task.criterion(), train, settings, run_.seed, ground.accelerator)
    for _ in itertools.islice(loop, total):
        pass
    test = ground.examples.take(ground.splits.test)
    logits_NC = inference.logits(learner, test, autocast=ground.accelerator.autocast)
    return total, inference.softmax(logits_NC), np.asarray(test.labels)
