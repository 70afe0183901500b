"""Hyperparameter search before a run: short trials on a part of its training rows, from the same initial weights.

Random search (Bergstra & Bengio 2012), or TPE (Bergstra et al. 2011). A search first finds the largest micro-batch
that fits into memory, then runs the trials. It can use several processes, which the engine `ray` starts by itself, and
can be stopped and continued.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from tithe import config, engines, plugins, storage
from tithe.errors import InputError, Interrupted, TitheError
from tithe.interrupts import StopRequest, deferred
from tithe.progress import bar
from tithe.select.settings import filter_needs
from tithe.storage import run_files
from tithe.tasks import Task, open_checked
from tithe.train import devices, trainer
from tithe.tune import batch_size, trials
from tithe.tune.queue import Queue, open_queue, trial_number
from tithe.tune.trials import SearchSetup

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger("tithe")

_POLL_SECONDS = 0.5
_ENDED, _STOPPED, _DIVERGED = "finished", "stopped early", "diverged"


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: the config with the best values, and the summary of all trials."""

    run: config.Run
    summary: dict[str, Any]


def check(run: config.Run) -> None:
    """Check the search settings of a config before any data is read.

    Raises
    ------
    InputError
        The search would use rows that the run does not train on, its trials would be the same, or Optuna is not
        installed.
    """
    if run.tune is None:
        return
    if run.select and run.select.strategy != "all":
        raise InputError(
            f"tune uses all training rows, but select.strategy '{run.select.strategy}' keeps only a part of them: "
            "set it to all, or remove one of the two"
        )
    if run.select and filter_needs(run.select):
        raise InputError("tune uses all training rows, but select.filter leaves some out: remove one of the two")
    tune = run.tune
    ranges = tune.learning_rate, tune.dropout, *([tune.encoder_learning_rate] if tune.encoder_learning_rate else [])
    choices = len({*tune.weight_decay}) * len({*tune.betas}) > 1
    if tune.trials > 1 and not choices and all(low == high for low, high in ranges):
        raise InputError(
            f"tune has one value for each setting, so its {tune.trials} trials would be the same: widen a range, or "
            "remove tune"
        )
    plugins.require("optuna", extra="tune")


def step_rows(train: Mapping[str, Any]) -> int:
    """Return the rows of an optimizer step."""
    return int(train["batch_size"] * train["accumulation_steps"])


def search(task: Task, home: Path, accelerator: Accelerator) -> SearchResult:
    """Run the trials that are not finished yet, and write `tuning.json` and the journal into a directory.

    Several processes may search in one directory: they share the trials.

    Raises
    ------
    InputError
        The sample is too small, or this is one of several processes of a run.
    TitheError
        Every trial diverged.
    Interrupted
        A signal requested a stop; finished trials are kept.
    """
    return run_search(open_search(task, accelerator), home)


def open_search(task: Task, accelerator: Accelerator) -> SearchSetup:
    """Load the data and build the network of a search; see `trials.open_search`.

    Raises
    ------
    InputError
        This is one of several processes of a run, or the data or the encoder can't be used.
    """
    if accelerator.num_processes > 1:
        raise InputError("a search runs in one process: run `tithe tune` first, and train the config that it writes")
    return trials.open_search(task, accelerator)


def run_search(search: SearchSetup, home: Path) -> SearchResult:
    """Run the trials of an open search; see `search`."""
    run, tune = search.run, search.tune
    with _queue(search, home) as queue:
        batch = _batch(search, queue)
        if run.engine != "local":
            _run_elsewhere(search, queue, home)
        _run_pending(_with_batch(search, batch), queue, home)
        results = queue.finished(tune.trials)
    best = _best(results, tune)
    best["values"]["train"] |= batch
    result = {
        "key": search.key,
        "tune": tune.model_dump(mode="json"),
        "seed": run.seed,
        "rows": {"train": len(search.train), "val": len(search.val)},
        "rows_sha256": storage.digest_bytes(search.train.ids.tobytes(), search.val.ids.tobytes()),
        "seconds": round(math.fsum(trial["seconds"] for trial in results), 3),
        "best": best,
        "trials": results,
    }
    storage.write_json(home / run_files.TUNING, result)
    if run.track.tensorboard:
        plugins.load("trackers", "tensorboard").write_trials(home / run.track.tensorboard_dir, results)
    logger.info("best of %d trials: number %d, %s", len(results), best["number"], shown(best))
    return SearchResult(trials.with_values(run, best["values"]), result)


def _queue(search: SearchSetup, home: Path) -> AbstractContextManager[Queue]:
    return open_queue(home / run_files.TUNING_FOLDER, search.key, search.tune, search.run.seed)


def _batch(search: SearchSetup, queue: Queue) -> dict[str, int]:
    """Return the largest micro-batch that fits into memory, and how many of them make an optimizer step."""
    run = search.run
    arguments = run, search.task, search.trainable, search.train, search.accelerator
    micro = queue.compute_once("batch_size", lambda: batch_size.find(*arguments))
    return {"batch_size": micro, "accumulation_steps": step_rows(run.train.model_dump()) // micro}


def _with_batch(search: SearchSetup, batch: dict[str, int]) -> SearchSetup:
    return replace(search, run=trials.with_values(search.run, {"train": batch}))


class _Member:
    """A process that takes part in a search: it opens the search once, and takes trials from the queue."""

    def __init__(self, run: config.Run, home: Path) -> None:
        self._run, self._home = run.model_copy(update={"engine": "local"}), home

    def run_one(self, _: int) -> None:
        """Run the next trial, unless all that are left are those of other processes."""
        search = self._search
        with _queue(search, self._home) as queue, deferred() as stop:
            sized = _with_batch(search, _batch(search, queue))
            taken = next(queue.pending(search.tune.trials, trials.sampler(sized)), None)
            if taken:
                _run_trial(sized, queue, *taken, stop)

    @cached_property
    def _search(self) -> SearchSetup:
        train = self._run.train
        accelerator = devices.accelerator(train.device, train.precision, train.careful_scaling)
        return open_search(open_checked(self._run), accelerator)


def _run_elsewhere(search: SearchSetup, queue: Queue, home: Path) -> None:
    """Run trials on the engine of the config; those of workers that have died are left."""
    run, count = search.task.run, search.tune.trials
    done = len(queue.finished(count))
    with engines.opened(run.engine, run.cluster) as engine, deferred() as stop, bar("trials", count, "trials") as tick:
        tick(done)
        for _ in engine.map(_Member(run, home.absolute()).run_one, range(count - done)):
            tick(1)
            if stop.signum:
                raise _stopped(stop, home)


def _stopped(stop: StopRequest, home: Path) -> Interrupted:
    return Interrupted(stop.signum, f"stopped; finished trials are in {home}: run again to continue")


def _run_pending(search: SearchSetup, queue: Queue, home: Path) -> None:
    """Run trials until all are finished, by this process or by others."""
    count, shown_done = search.tune.trials, 0
    with deferred() as stop, bar("trials", count, "trials") as tick:
        for pending in queue.pending(count, trials.sampler(search)):
            done = len(queue.finished(count))
            tick(done - shown_done)
            shown_done = done
            if stop.signum:
                raise _stopped(stop, home)
            if pending is None:
                time.sleep(_POLL_SECONDS)
            else:
                _run_trial(search, queue, *pending, stop)
        tick(count - shown_done)


def _run_trial(
    search: SearchSetup, queue: Queue, trial: optuna.Trial, values: trials.Values, stop: StopRequest
) -> None:
    """Train one trial and report its result to the queue; a trial that a signal stops has none, and will run again."""
    start, scores, state = time.monotonic(), dict[str, float](), _ENDED
    try:
        for step in trials.train_trial(search, values):
            if stop.signum:
                return
            if step.scores:
                scores = {f"val_{name}": step.scores[name] for name in ("loss", "accuracy")}
                if not math.isfinite(scores["val_loss"]):
                    raise trainer.Diverged("the validation loss is not finite")
                last = step.epoch == search.tune.epochs
                if not last and queue.should_prune(trial, step.epoch, scores[search.tune.metric]):
                    state = _STOPPED
                    break
    except trainer.Diverged:
        state, scores = _DIVERGED, {}
    result = {"state": state, **scores, "values": values, "seconds": round(time.monotonic() - start, 3)}
    queue.tell(trial, scores[search.tune.metric] if state == _ENDED else None, result)
    logger.info("trial %d %s: %s", trial_number(trial), state, shown(result))


def _best(results: list[dict[str, Any]], tune: config.Tune) -> dict[str, Any]:
    """Return the best of the trials that ended normally; a tie is broken by the loss, then by the number."""
    ended = [trial for trial in results if trial["state"] == _ENDED]
    if not ended:
        raise TitheError(f"all {len(results)} trials diverged: lower tune.learning_rate, or set train.precision to no")
    rank = {"val_loss": lambda t: t["val_loss"], "val_accuracy": lambda t: -t["val_accuracy"]}[tune.metric]
    best = min(ended, key=lambda trial: (rank(trial), trial["val_loss"], trial["number"]))
    return {**best, "values": {part: dict(values) for part, values in best["values"].items()}}


def summary(home: Path) -> dict[str, Any]:
    """Return the entry of a search in the metrics of its run; empty if the run did not search.

    Raises
    ------
    TitheError
        The result of the search is not the one that was written.
    """
    file, written = home / run_files.TUNING, storage.recorded(home).get(run_files.TUNING)
    if written is None:
        return {}
    if not file.exists() or storage.sha256_file(file) != written:
        raise TitheError(f"{file} has changed since the search wrote it: restore it, or search again")
    result = storage.read_json(file)
    return {"tuning": {"trials": len(result["trials"]), **{k: result[k] for k in ("tune", "seconds", "best")}}}


def shown(trial: Mapping[str, Any]) -> str:
    """Return a trial's scores and values as text."""
    scores = [f"{name} {trial[name]:.4f}" for name in ("val_loss", "val_accuracy") if name in trial]
    values = itertools.chain.from_iterable(part.items() for part in trial["values"].values())
    return ", ".join([*scores, *(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in values)])
