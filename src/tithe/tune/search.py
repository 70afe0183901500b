"""A search for good settings before a run: short trials on a part of its training rows, from the same fresh weights.

Random search (Bergstra & Bengio 2012), or TPE (Bergstra et al. 2011). First the largest micro-batch that fits into
memory is found; then come the trials, in any number of processes, stopped and gone on with at will.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from tithe import config, plugins, storage
from tithe.errors import InputError, Interrupted, TitheError
from tithe.interrupts import StopRequest, deferred
from tithe.progress import bar
from tithe.train import trainer
from tithe.tune import batch_size, trials
from tithe.tune.queue import Queue, number, opened

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


def _batch(train: Mapping[str, Any]) -> int:
    """Rows of an optimizer step."""
    return int(train["batch_size"] * train["accumulation_steps"])


def search(run: config.Run, home: Path, task: Any, accelerator: Accelerator) -> SearchResult:
    """Run the trials that are not done yet, and write `tuning.json` and the journal into a directory.

    Several processes may search in one directory: each takes trials that the others have not.

    Raises
    ------
    InputError
        The sample is too small, or this is one of several processes of a run.
    TitheError
        No trial came to its end.
    Interrupted
        A signal asked for a stop; trials that are done are kept.
    """
    return _searched(_ground(run, task, accelerator), home)


def _ground(run: config.Run, task: Any, accelerator: Accelerator) -> trials.SearchSetup:
    if accelerator.num_processes > 1:
        raise InputError("a search runs in one process: run `tithe tune` first, and train the config that it writes")
    return trials.open_search(run, task, accelerator)


def _searched(shared: trials.SearchSetup, home: Path) -> SearchResult:
    run, tune = shared.run, shared.tune
    with opened(home / FOLDER, shared.key, tune, run.seed) as queue:
        fixed = run, shared.task, shared.learner, shared.train, shared.accelerator
        micro = queue.once("batch_size", lambda: batch_size.find(*fixed))
        batch = {"batch_size": micro, "accumulation_steps": _batch(run.train.model_dump()) // micro}
        shared = replace(shared, run=trials.with_values(run, {"train": batch}))
        _run_left(shared, queue, home)
        told = queue.finished(tune.trials)
    best = _best(told, tune)
    best["values"]["train"] |= batch
    account = {
        "key": shared.key,
        "tune": tune.model_dump(mode="json"),
        "seed": run.seed,
        "rows": {"train": len(shared.train), "val": len(shared.val)},
        "rows_sha256": storage.digest_bytes(shared.train.ids.tobytes(), shared.val.ids.tobytes()),
        "seconds": round(math.fsum(trial["seconds"] for trial in told), 3),
        "best": best,
        "trials": told,
    }
    storage.write_json(home / FILE, account)
    logger.info("best of %d trials: number %d, %s", len(told), best["number"], shown(best))
    return SearchResult(trials.with_values(run, best["values"]), account)


def _run_left(shared: trials.SearchSetup, queue: Queue, home: Path) -> None:
    """Run trials until all are done, by this process or by others."""
    count, seen = shared.tune.trials, 0
    with deferred() as asked, bar("trials", count, "trials") as tick:
        for mine in queue.left(count, trials.sampler(shared)):
            done = len(queue.finished(count))
            tick(done - seen)
            seen = done
            if asked.signum:
                raise Interrupted(asked.signum, f"stopped; trials that are done are in {home}: run again to go on")
            if mine is None:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            else:
                _run_trial(shared, queue, *mine, asked)
        tick(count - seen)


def _run_trial(shared: trials.SearchSetup, queue: Queue, trial: Any, values: trials.Values, asked: StopRequest) -> None:
    """Train one trial and tell the queue how it ended; one that a signal stops is not told, and so is run again."""
    begun, scores, state = time.monotonic(), dict[str, float](), _ENDED
    try:
        for step in trials.trained(shared, values):
            if asked.signum:
                return
            if step.scores:
                scores = {f"val_{name}": step.scores[name] for name in ("loss", "accuracy")}
                if not math.isfinite(scores["val_loss"]):
                    raise trainer.Diverged("the loss of the rows that judge is not a number")
                last = step.epoch == shared.tune.epochs
                if not last and queue.is_hopeless(trial, step.epoch, scores[shared.tune.metric]):
                    state = _STOPPED
                    break
    except trainer.Diverged:
        state, scores = _DIVERGED, {}
    told = {"state": state, **scores, "values": values, "seconds": round(time.monotonic() - begun, 3)}
    queue.tell(trial, scores[shared.tune.metric] if state == _ENDED else None, told)
    logger.info("trial %d %s: %s", number(trial), state, shown(told))


def _best(told: list[dict[str, Any]], tune: config.Tune) -> dict[str, Any]:
    """The best of the trials that came to their end; a tie in accuracy is decided by the loss, then by the number."""
    ended = [trial for trial in told if trial["state"] == _ENDED]
    if not ended:
        raise TitheError(f"all {len(told)} trials diverged: lower tune.learning_rate, or set train.precision to no")
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
