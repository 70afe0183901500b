"""The whole way of one run: data, model, training, evaluation, report. Each chapter is one call."""

from __future__ import annotations

import glob
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list

from tithe import checkpoint, config, data, devices, network, plugins, records, runlog
from tithe.artifacts import FILES, METRICS
from tithe.errors import InputError
from tithe.progress import bar
from tithe.session import Outcome, Session
from tithe.tracking import mirrored

logger = logging.getLogger("tithe")

_TIME, _CONFIG = "{time}", "config.json"


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
    with runlog.remembered() as log:
        accelerator = devices.accelerator(run.train.device, run.train.precision)
        task = check(run)
        home = _home(run)
        with accelerator.main_process_first():  # the others find it in the cache
            splits = data.load(run.data, run.seed)
            start = _resumed_checkpoint(run, home)
        made_of = _made_of(run, task, splits)
        if start:
            checkpoint.check_same(checkpoint.progress(start)["made_of"], made_of, start)
        elif accelerator.is_main_process:
            _refuse_to_bury(run, home, overwrite)
        with bar("tokenising", len(splits.everything), "texts") as tick, accelerator.main_process_first():
            examples = task.encode(splits.everything, tick)
        net, examples = network.build(run, task, len(splits.labels), examples, accelerator)
        if start:
            checkpoint.check_same(checkpoint.progress(start)["made_of"], net.identity, start)
        session = Session(
            run, home, task, splits, examples, net, accelerator, {**made_of, **net.identity}, start, begun
        )
        session.open_home()
        accelerator.wait_for_everyone()
        main = accelerator.is_main_process
        with runlog.written(home, log) if main else runlog.silent(), session.tracks() as tracks:
            seconds = session.learn(tracks)
            outcome = session.conclude(tracks, seconds)
    if accelerator.is_main_process:
        records.write_manifest(home, _own(run, home))  # last: the mirrors write until they are closed
    return outcome


def check(run: config.Run) -> Any:
    """Find every mistake that shows without reading the data or loading weights; return the opened task.

    Raises
    ------
    InputError
        The first mistake.
    """
    data.find_reader(Path(run.data.path), run.data.reader)
    data.symbols_of(run.data)
    for name, settings in mirrored(run.track).items():
        plugins.load("trackers", name).check(settings)
    return plugins.load("tasks", run.task).open_task(run.model)


def _home(run: config.Run) -> Path:
    """The run directory: the one asked for, that of the work to go on with, or a new one."""
    pattern, asked = run.out or f"runs/{run.name}-{_TIME}", run.checkpoint.resume
    if run.out is None and asked not in (None, "auto"):
        start = checkpoint.find(Path(str(asked)))
        return start.parent.parent if start.parent.name == run.checkpoint.dir else start.parent
    if _TIME not in pattern:
        return Path(pattern)
    left = _unfinished(run, pattern)
    if asked == "auto" and left:
        return left
    if left and asked is None:
        logger.info("a run of this config was left unfinished in %s: --resume auto goes on with it", left)
    fresh = [records.new_run_dir(pattern)]
    broadcast_object_list(fresh)  # processes may read the clock a second apart
    return fresh[0]


def _unfinished(run: config.Run, pattern: str) -> Path | None:
    """The newest run directory of a pattern that has this very config and no end."""
    asked, before, after = _lasting(config.dump(run)), *pattern.split(_TIME, 1)
    parent, prefix = (Path(before), "") if before.endswith(("/", os.sep)) else (Path(before).parent, Path(before).name)
    for home in sorted(parent.glob(f"{glob.escape(prefix)}*{glob.escape(after)}"), reverse=True):
        unfinished = (home / _CONFIG).is_file() and not (home / records.MANIFEST).exists()
        if unfinished and _written_config(home) == asked:
            return home
    return None


def _written_config(home: Path) -> dict[str, Any] | None:
    """The config that a run directory holds; None where another program's `config.json` stands."""
    try:
        return _lasting(records.read_json(home / _CONFIG))
    except (InputError, KeyError, TypeError):
        return None


def _lasting(values: dict[str, Any]) -> dict[str, Any]:
    """A config without what may differ between a run and its continuation."""
    return {**values, "checkpoint": {**values["checkpoint"], "resume": None}}


def _resumed_checkpoint(run: config.Run, home: Path) -> Path | None:
    asked = run.checkpoint.resume
    if asked != "auto":
        return checkpoint.find(Path(asked)) if asked else None
    records.recover(home / run.checkpoint.dir)
    return checkpoint.newest_whole(home / run.checkpoint.dir)


def _own(run: config.Run, home: Path) -> list[Path]:
    """Everything in the run directory that a run writes: nothing else there is ours to delete or to vouch for."""
    return [p for p in [*(home / name for name in FILES), *checkpoint.all_in(home / run.checkpoint.dir)] if p.exists()]


def _refuse_to_bury(run: config.Run, home: Path, overwrite: bool) -> None:
    has_work = (home / METRICS).exists() or checkpoint.all_in(home / run.checkpoint.dir)
    if has_work and not overwrite:
        raise InputError(
            f"{home} holds an earlier run: resume it, choose another directory, or pass --overwrite to delete it"
        )
    if has_work:
        logger.warning("deleting the earlier run in %s", home)
        for path in _own(run, home):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _made_of(run: config.Run, task: Any, splits: data.Splits) -> dict[str, Any]:
    """What must not change between a checkpoint and the run that goes on from it."""
    t = run.train
    return {
        "labels": {"classes": len(splits.labels), "sha256": splits.labels.hash},
        "model": task.identity(),
        "data": splits.fingerprint,
        "order": {
            "seed": run.seed,
            "batch_size": t.batch_size,
            "accumulation_steps": t.accumulation_steps,
            "group_by_length": t.group_by_length,
        },
    }
