"""A search for good settings before a run: short trials on a part of its training rows, from the same fresh weights.

Random search (Bergstra & Bengio 2012), or TPE (Bergstra et al. 2011). First the largest micro-batch that fits into
memory is found; then come the trials, in any number of processes, stopped and continued at will.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from tithe import config, plugins, storage
from tithe.errors import InputError, Interrupted, TitheError
from tithe.interrupts import StopRequest, deferred
from tithe.progress import bar
from tithe.tasks import Task
from tithe.train import trainer
from tithe.tune import batch_size, trials
from tithe.tune.queue import Queue, open_queue, trial_number
from tithe.tune.trials import SearchSetup

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger("tithe")

FILE, FOLDER = "tuning.json", "tuning"
_SECONDS_BETWEEN_LOOKS = 0.5
_ENDED, _STOPPED, _DIVERGED = "finished", "stopped early", "diverged"


@dataclass(frozen=True)
class SearchResult:
    """What came out of a search: the config with the best values, and the account of all trials."""

    run: config.Run
    account: dict[str, Any]


def check(run: config.Run) -> None:
    """Find what is wrong with a config's search before the data are read.

    Raises
    ------
    InputError
        The search would see rows that the run does not train on, or Optuna is not installed.
    """
    if run.tune is None:
        return
    if run.select and run.select.strategy != "all":
        raise InputError(
            f"tune searches on all training rows, and select.strategy '{run.select.strategy}' keeps a part of them: "
            "set it to all, or remove one of the two"
        )
    plugins.require("optuna", extra="tune")


def step_rows(train: Mapping[str, Any]) -> int:
    """Return the rows of an optimizer step."""
    return int(train["batch_size"] * train["accumulation_steps"])


def search(task: Task, home: Path, accelerator: Accelerator) -> SearchResult:
    """Run the trials that are not done yet, and write `tuning.json` and the journal into a directory.

    Several processes may search in one directory: each takes trials that the others have not.

    Raises
    ------
    InputError
        The sample is too small, or this is one of several processes of a run.
    TitheError
        Every trial diverged.
    Interrupted
        A signal asked for a stop; trials that are done are kept.
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
    """Run the trials of a search that is open; see `search`."""
    run, tune = search.run, search.tune
    with open_queue(home / FOLDER, search.key, tune, run.seed) as queue:
        probe = run, search.task, search.trainable, search.train, search.accelerator
        micro = queue.compute_once("batch_size", lambda: batch_size.find(*probe))
        batch = {"batch_size": micro, "accumulation_steps": step_rows(run.train.model_dump()) // micro}
        search = replace(search, run=trials.with_values(run, {"train": batch}))
        _run_pending(search, queue, home)
        results = queue.finished(tune.trials)
    best = _best(results, tune)
    best["values"]["train"] |= batch
    account = {
        "key": search.key,
        "tune": tune.model_dump(mode="json"),
        "seed": run.seed,
        "rows": {"train": len(search.train), "val": len(search.val)},
        "rows_sha256": storage.digest_bytes(search.train.ids.tobytes(), search.val.ids.tobytes()),
        "seconds": round(math.fsum(trial["seconds"] for trial in results), 3),
        "best": best,
        "trials": results,
    }
    storage.write_json(home / FILE, account)
    logger.info("best of %d trials: number %d, %s", len(results), best["number"], shown(best))
    return SearchResult(trials.with_values(run, best["values"]), account)


def _run_pending(search: SearchSetup, queue: Queue, home: Path) -> None:
    """Run trials until all are done, by this process or by others."""
    count, seen = search.tune.trials, 0
    with deferred() as stop, bar("trials", count, "trials") as tick:
        for pending in queue.pending(count, trials.sampler(search)):
            done = len(queue.finished(count))
            tick(done - seen)
            seen = done
            if stop.signum:
                raise Interrupted(stop.signum, f"stopped; trials that are done are in {home}: run again to continue")
            if pending is None:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            else:
                _run_trial(search, queue, *pending, stop)
        tick(count - seen)


def _run_trial(
    search: SearchSetup, queue: Queue, trial: optuna.Trial, values: trials.Values, stop: StopRequest
) -> None:
    """Train one trial and give its result to the queue; one that a signal stops has none, and so is run again."""
    begun, scores, state = time.monotonic(), dict[str, float](), _ENDED
    try:
        for step in trials.train_trial(search, values):
            if stop.signum:
                return
            if step.scores:
                scores = {f"val_{name}": step.scores[name] for name in ("loss", "accuracy")}
                if not math.isfinite(scores["val_loss"]):
                    raise trainer.Diverged("the validation loss is not a number")
                last = step.epoch == search.tune.epochs
                if not last and queue.should_prune(trial, step.epoch, scores[search.tune.metric]):
                    state = _STOPPED
                    break
    except trainer.Diverged:
        state, scores = _DIVERGED, {}
    result = {"state": state, **scores, "values": values, "seconds": round(time.monotonic() - begun, 3)}
    queue.tell(trial, scores[search.tune.metric] if state == _ENDED else None, result)
    logger.info("trial %d %s: %s", trial_number(trial), state, shown(result))


def _best(results: list[dict[str, Any]], tune: config.Tune) -> dict[str, Any]:
    """The best of the trials that came to their end; a tie in accuracy is decided by the loss, then by the number."""
    ended = [trial for trial in results if trial["state"] == _ENDED]
    if not ended:
        raise TitheError(f"all {len(results)} trials diverged: lower tune.learning_rate, or set train.precision to no")
    first = {"val_loss": lambda t: t["val_loss"], "val_accuracy": lambda t: -t["val_accuracy"]}[tune.metric]
    best = min(ended, key=lambda trial: (first(trial), trial["val_loss"], trial["number"]))
    return {**best, "values": {part: dict(values) for part, values in best["values"].items()}}


def summary(home: Path) -> dict[str, Any]:
    """Return what the metrics of a run say of its search; nothing where there was none."""
    if not (home / FILE).exists():
        return {}
    account = storage.read_json(home / FILE)
    return {"tuning": {"trials": len(account["trials"]), **{k: account[k] for k in ("tune", "seconds", "best")}}}


def shown(trial: Mapping[str, Any]) -> str:
    """Return a trial's scores and values, for people."""
    scores = [f"{name} {trial[name]:.4f}" for name in ("val_loss", "val_accuracy") if name in trial]
    values = itertools.chain.from_iterable(part.items() for part in trial["values"].values())
    return ", ".join([*scores, *(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in values)])
