"""The whole way of one run: data, model, training, evaluation, report. Each chapter is one call."""

from __future__ import annotations

import logging
import logging.handlers
import time
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from tithe import config, plugins, select, storage
from tithe.checkpoints import store
from tithe.config import schema
from tithe.data.splits import Splits
from tithe.errors import InputError
from tithe.models import network
from tithe.progress import bar
from tithe.runs import resume
from tithe.runs.directory import clear_or_refuse, exclusive, owned_files, resolve
from tithe.runs.finish import Outcome, finish
from tithe.runs.log import buffered, quiet, to_file
from tithe.runs.resume import fingerprint
from tithe.runs.session import Session
from tithe.select import rescore, selection
from tithe.track.tracks import mirror_settings
from tithe.train import devices
from tithe.tune import search, trials
from tithe.tune.search import _batch, _ground, _searched


def train(run: config.Run, overwrite: bool = False) -> Outcome:
    """Train, evaluate and report; or go on where an earlier run of the same kind stopped.

    Parameters
    ----------
    overwrite
        Whether a run that already lies in the run directory may be deleted.

    Raises
    ------
    InputError
        Anything wrong with the config, the data or the checkpoint to resume; nothing was written then.
    Interrupted
        A signal asked for a stop; the state was saved first.
    """
    begun = time.monotonic()
    run = resume.apply_epoch_file(run)
    with buffered() as log:
        accelerator = devices.accelerator(run.train.device, run.train.precision, run.train.careful_scaling)
        task = check(run)
        home = resolve(run)
        with exclusive(home, accelerator):
            run, task = search_first(run, home, task, accelerator, overwrite)
            return _train(run, home, task, accelerator, overwrite, log, begun)


def _train(
    run: config.Run,
    home: Path,
    task: Any,
    accelerator: Accelerator,
    overwrite: bool,
    log: logging.handlers.MemoryHandler,
    begun: float,
) -> Outcome:
    main = accelerator.is_main_process
    with accelerator.main_process_first():  # the others find it in the cache
        splits = task.load()
        start = resume.start_of(run, home)
    made_of = fingerprint(run, task, splits)
    if start and start.is_dir():
        resume.check_same(store.progress(start)["made_of"], made_of, start)
    elif not start and main:
        clear_or_refuse(run, home, overwrite)
    doing, unit = task.doing
    with bar(doing, len(splits.everything), unit) as tick, accelerator.main_process_first():
        encoded = task.encode(splits.everything, tick)
    net, examples = network.build(run, task, len(splits.labels), encoded, accelerator)
    if start and start.is_dir():
        resume.check_same(store.progress(start)["made_of"], net.identity, start)
    chosen = _choose(run, splits, encoded, examples, task, net, accelerator)
    if chosen:
        splits = splits.narrowed(chosen.selection.rows, run.data, run.seed)
    session = Session(run, home, task, splits, examples, net, accelerator, {**made_of, **net.identity}, start, begun)
    session.open_home()
    if chosen and main:
        select.write(home, chosen)
    accelerator.wait_for_everyone()
    with to_file(home, log) if main else quiet(), session.tracks() as tracks:
        seconds = session.learn(tracks)
        outcome = finish(session, tracks, seconds)
    if main:
        storage.write_manifest(home, owned_files(run, home))  # last: the mirrors write until they are closed
    return outcome


def _choose(
    run: config.Run,
    splits: Splits,
    encoded: Any,
    examples: Any,
    task: Any,
    net: network.Network,
    accelerator: Accelerator,
) -> select.SelectionResult | None:
    """Let the config's strategy choose among the training rows; None where it names none."""
    if run.select is None:
        return None
    pool = splits.everything, splits.labels, splits.split.train
    origin = select.signal_inputs(run, run.select, *pool, encoded, task, net.whole, accelerator)
    mine = examples.take(splits.split.train)
    return select.choose_rows(origin, rescore.rescore_with_model(run, task, len(splits.labels), mine, accelerator))


def check(run: config.Run) -> Any:
    """Find every mistake that shows without reading the data or loading weights; return the opened task.

    Raises
    ------
    InputError
        The first mistake.
    """
    family = plugins.load("tasks", run.task)
    family.check(run)
    task = family.open_task(run)
    if run.select:
        selection.parse_options(plugins.load("strategies", run.select.strategy), run.select)
        plugins.load("strategies", run.select.first)
    for name, settings in mirror_settings(run.track).items():
        plugins.load("trackers", name).check(settings)
    search.check(run)
    return task


def search_first(
    run: config.Run, home: Path, task: Any, accelerator: Accelerator, overwrite: bool = False
) -> tuple[config.Run, Any]:
    """Search before a run, in its directory; return its config with the best values, and the task of that.

    A search that was stopped goes on. A run that goes on from a checkpoint keeps what was found before it. A config
    without `tune` comes back as it is.

    Raises
    ------
    InputError
        The directory holds another run, the checkpoint is of another search, or the search can't begin.
    TitheError, Interrupted
        See `search`.
    """
    if run.tune is None:
        return run, task
    if start := resume.start_of(run, home):
        run = _restored(run, start)
    else:
        clear_or_refuse(run, home, overwrite)
        shared = _ground(run, task, accelerator)
        storage.write_json(home / "config.json", config.dump(run))  # by which a stopped search is found again
        run = _searched(shared, home).run
    return run, plugins.load("tasks", run.task).open_task(run)


def _restored(run: config.Run, start: Path) -> config.Run:
    """Take the values that a checkpoint was trained with."""
    before = {} if start.is_file() else store.progress(start)["config"]
    if before.get("tune") != config.dump(run)["tune"]:
        raise InputError(
            f"checkpoint {start} is of another search, or of none: set tune as it was, or start anew without resume"
        )
    if _batch(before["train"]) != _batch(run.train.model_dump()):
        return run  # the checkpoint will be refused for it
    return trials.with_values(run, {part: {k: before[part][k] for k in keys} for part, keys in schema.SEARCHED.items()})
