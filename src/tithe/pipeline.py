"""The whole way of one run: data, model, training, evaluation, report. Each chapter is one call."""

from __future__ import annotations

import logging
import logging.handlers
import time
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from tithe import (
    checkpoint,
    closing,
    config,
    data,
    devices,
    epochfiles,
    network,
    plugins,
    records,
    rescoring,
    rundirs,
    runlog,
    selecting,
    selection,
    tuning,
)
from tithe.closing import Outcome
from tithe.progress import bar
from tithe.session import Session
from tithe.tracking import mirrored


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
    run = epochfiles.continued(run)
    with runlog.remembered() as log:
        accelerator = devices.accelerator(run.train.device, run.train.precision, run.train.careful_scaling)
        task = check(run)
        home = rundirs.choose(run)
        with rundirs.alone(home, accelerator):
            run, task = tuning.ahead(run, home, task, accelerator, overwrite)
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
        start = rundirs.start_of(run, home)
    made_of = _made_of(run, task, splits)
    if start and start.is_dir():
        checkpoint.check_same(checkpoint.progress(start)["made_of"], made_of, start)
    elif not start and main:
        rundirs.refuse_to_bury(run, home, overwrite)
    doing, unit = task.doing
    with bar(doing, len(splits.everything), unit) as tick, accelerator.main_process_first():
        encoded = task.encode(splits.everything, tick)
    net, examples = network.build(run, task, len(splits.labels), encoded, accelerator)
    if start and start.is_dir():
        checkpoint.check_same(checkpoint.progress(start)["made_of"], net.identity, start)
    chosen = _choose(run, splits, encoded, examples, task, net, accelerator)
    if chosen:
        splits = splits.narrowed(chosen.selection.rows, run.data, run.seed)
    session = Session(run, home, task, splits, examples, net, accelerator, {**made_of, **net.identity}, start, begun)
    session.open_home()
    if chosen and main:
        selecting.write(home, chosen)
    accelerator.wait_for_everyone()
    with runlog.written(home, log) if main else runlog.silent(), session.tracks() as tracks:
        seconds = session.learn(tracks)
        outcome = closing.conclude(session, tracks, seconds)
    if main:
        records.write_manifest(home, rundirs.own(run, home))  # last: the mirrors write until they are closed
    return outcome


def _choose(
    run: config.Run,
    splits: data.Splits,
    encoded: Any,
    examples: Any,
    task: Any,
    net: network.Network,
    accelerator: Accelerator,
) -> selecting.Chosen | None:
    """Let the config's strategy choose among the training rows; None where it names none."""
    if run.select is None:
        return None
    pool = splits.everything, splits.labels, splits.split.train
    origin = selecting.source(run, run.select, *pool, encoded, task, net.whole, accelerator)
    mine = examples.take(splits.split.train)
    return selecting.choose(origin, rescoring.by_model(run, task, len(splits.labels), mine, accelerator))


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
        selection.options_of(plugins.load("strategies", run.select.strategy), run.select)
        plugins.load("strategies", run.select.first)
    for name, settings in mirrored(run.track).items():
        plugins.load("trackers", name).check(settings)
    tuning.check(run)
    return task


def _made_of(run: config.Run, task: Any, splits: data.Splits) -> dict[str, Any]:
    """What must not change between a checkpoint and the run that goes on from it."""
    t = run.train
    return {
        "labels": {"classes": len(splits.labels), "sha256": splits.labels.hash},
        "model": task.identity(),
        "data": splits.fingerprint,
        "select": run.select.model_dump(mode="json") if run.select else None,
        "order": {
            "seed": run.seed,
            "batch_size": t.batch_size,
            "accumulation_steps": t.accumulation_steps,
            "group_by_length": t.group_by_length,
        },
    }
