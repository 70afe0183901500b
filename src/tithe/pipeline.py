"""One run from config to report, each stage one call. Start reading here."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from tithe import config, engines, plugins, storage, tasks
from tithe.checkpoints import locate
from tithe.config.schema import SEARCHED
from tithe.engines import gang
from tithe.engines.shards import states_of
from tithe.errors import InputError
from tithe.runs import directory, from_file, log, resume
from tithe.runs.finish import Outcome, finish
from tithe.runs.resume import ResumePoint
from tithe.runs.session import Session
from tithe.select import outputs
from tithe.select.buying.tracks import check_track
from tithe.select.choose import SelectionResult, choose_rows
from tithe.select.rounds import check_budget, check_rounds, embeddings_change
from tithe.select.settings import check_unedited, parse_options
from tithe.select.signals import own_files
from tithe.select.signals.gather import warn_unused
from tithe.storage import run_files
from tithe.tasks import Task
from tithe.track.tracks import mirror_settings
from tithe.train import devices
from tithe.train.setup import Setup, open_setup
from tithe.tune import search, trials

logger = logging.getLogger("tithe")


def train(
    run: config.Run | Mapping[str, Any] | str | PathLike[str], overwrite: bool = False, home: Path | None = None
) -> Outcome:
    """Train, evaluate and report; or continue from a checkpoint of an earlier run.

    Parameters
    ----------
    run
        A config, or what `config.load` reads: the path of a file, or a dict.
    overwrite
        Whether to delete an earlier run in the run directory.
    home
        The run directory, where it is decided on already; else it is that of the config.

    Raises
    ------
    InputError
        The config, the data or the checkpoint to resume is wrong; nothing was written.
    Interrupted
        A signal requested a stop; the state was saved.

    Examples
    --------
    >>> outcome = tithe.train({"data": {"path": "rows.parquet"}, "train": {"epochs": 2}, "out": "runs/first"})
    >>> outcome.scores["test"]["accuracy"], outcome.best
    """
    run = config.load(run)
    if home is None and _is_divided(run):
        return _train_together(run, overwrite)
    started = time.monotonic()
    if overwrite and run.checkpoint.resume:
        raise InputError(
            f"--overwrite deletes the run that resume {run.checkpoint.resume} would continue: pass only one of them"
        )
    epoch_file = from_file.named_epoch_file(run)
    run = from_file.apply_epoch_file(run, epoch_file)
    with log.buffered() as messages:
        accelerator = devices.accelerator(run.train.device, run.train.precision, run.train.careful_scaling)
        task = check(run)
        home = home or directory.resolve(run, epoch_file)
        with directory.exclusive(home, accelerator):
            with accelerator.main_process_first():
                point = resume.find_start(run, home, epoch_file)
            if point is None:
                directory.refuse_earlier_run(run, home, overwrite)
            with storage.recording(home, point.files(home) if point else {}):
                task = search_first(task, home, point, accelerator)
                setup, selection = prepare(task, point, accelerator)
                session = Session(setup, home, point, started)
                if point is None and session.is_main:
                    directory.delete_earlier_run(run, home)  # only now, when every check has passed
                session.create_home()
                if selection and session.is_main:
                    outputs.write(home, selection)
                accelerator.wait_for_everyone()
                logged = log.to_file(home, messages) if session.is_main else log.quiet()
                with logged, session.tracker() as tracker:
                    outcome = finish(session, tracker, session.train(tracker))
                if session.is_main:
                    # Last, since trackers write until they are closed.
                    storage.write_manifest(home, directory.hashes(task.run, home))
                return outcome


def _is_divided(run: config.Run) -> bool:
    """Return whether the workers of a cluster share each batch. A frozen encoder, and a search, use them otherwise."""
    several = run.engine == "ray" and (run.cluster.num_workers or 1) > 1
    return several and not (gang.is_member() or run.trains_a_head or run.tune)


def _train_together(run: config.Run, overwrite: bool) -> Outcome:
    """Train in the processes of a cluster, each of which calls `train`; print the log of the first."""
    check(run)
    home = directory.resolve(run, from_file.named_epoch_file(run))
    if run.checkpoint.resume is None:
        directory.refuse_earlier_run(run, home, overwrite)
    return engines.together(run.cluster, partial(_attempt, run, overwrite, home), log.Followed(home))


def _attempt(run: config.Run, overwrite: bool, home: Path, attempt: int) -> Outcome:
    """Train in one of several processes; after one has died, from the newest checkpoint."""
    if attempt and locate.all_in(home / run.checkpoint.dir):
        kept = run.checkpoint.model_copy(update={"resume": "auto"})
        return train(run.model_copy(update={"checkpoint": kept}), home=home)
    # What the attempt before has left without a checkpoint is overwritten: no earlier run was there.
    return train(run, overwrite or (attempt > 0 and run.checkpoint.resume is None), home)


def check(run: config.Run) -> Task:
    """Check everything that can be checked without reading data or loading weights; return the run's task.

    Raises
    ------
    InputError
        The first mistake.
    """
    directory.check_folders(run)
    task = tasks.open_checked(run)
    if run.select:
        parse_options(plugins.load("strategies", run.select.strategy), run.select)
        check_rounds(run.select, embeddings_change(run))
        check_track(run.select)
        own_files.check(run.select, run.data)
        warn_unused(run.select, run.data)
    elif run.data.embeddings:
        logger.warning("data.embeddings %s has no effect: no strategy reads it", run.data.embeddings)
    for name, settings in mirror_settings(run.track).items():
        plugins.load("trackers", name).check(settings)
    search.check(run)
    return task


def search_first(task: Task, home: Path, point: ResumePoint | None, accelerator: Accelerator) -> Task:
    """Search for settings before a run, in its directory; return its task with the best values.

    A search that was stopped continues. A run that continues from a checkpoint keeps the values it was trained with.
    Without `tune` in the config the task is returned unchanged.

    Raises
    ------
    InputError
        The checkpoint is from another search, or the search can't start.
    TitheError, Interrupted
        See `search.search`.
    """
    run = task.run
    if run.tune is None:
        return task
    if point:
        return tasks.open_task(_restored(run, point))
    opened = search.open_search(task, accelerator)
    directory.delete_earlier_run(run, home)
    storage.write_json(home / run_files.CONFIG, config.dump(run))  # a stopped search is recognised by it
    return tasks.open_task(search.run_search(opened, home).run)


def _restored(run: config.Run, point: ResumePoint) -> config.Run:
    """Return the config with the searched values of the checkpoint."""
    before = config.dump(config.parse(point.config)) if point.config else {}  # with the settings that are new since
    if before.get("tune") != config.dump(run)["tune"]:
        raise InputError(
            f"checkpoint {point.path} is from another search, or from none: restore tune, or start a new run without "
            "resume"
        )
    if search.step_rows(before["train"]) != search.step_rows(run.train.model_dump()):
        return run  # the checkpoint is refused later for this difference
    searched = {part: {k: before[part][k] for k in keys} for part, keys in SEARCHED.items()}
    return trials.with_values(run, searched)


def prepare(task: Task, point: ResumePoint | None, accelerator: Accelerator) -> tuple[Setup, SelectionResult | None]:
    """Load the data, build the network, and select training rows with the config's strategy.

    Raises
    ------
    InputError
        The data or the encoder can't be used, or the checkpoint is from another run.
    """
    with accelerator.main_process_first():  # the others read from the cache
        splits = task.load()
    fingerprint = resume.fingerprint(task, splits.labels, splits.fingerprint)
    if point:
        point.check(fingerprint)
    if task.run.select:
        check_budget(splits.pool_labels, task.run.select)
        own_files.check_rows(task.run.select, task.run.data, splits)
    setup = open_setup(task, splits, accelerator, states_of(task.run))
    if point:
        point.check(setup.network.fingerprint)
    if task.run.select is None:
        return setup, None
    selection = choose_rows(setup, task.run.select)
    check_unedited(selection.code, fingerprint["select"])
    setup = setup.with_train_rows(selection.selection.rows, selection.selection.weight)
    if point:
        point.check({"weights": setup.splits.weights_sha256})
    return setup, selection
