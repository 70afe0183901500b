"""The whole way of one run: data, model, training, evaluation, report. Each chapter is one call."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from tithe import checkpoint, config, data, devices, plugins, records
from tithe.errors import InputError
from tithe.progress import bar
from tithe.session import FILES, METRICS, Outcome, Session
from tithe.tracking import mirrored

logger = logging.getLogger("tithe")


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
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    task = check(run)
    with accelerator.main_process_first():  # the others find it in the cache
        splits = data.load(run.data, run.seed)
        start = _resumed_checkpoint(run)
    home = _home(run, start)
    made_of = _made_of(run, task, splits)
    if start:
        checkpoint.check_same(checkpoint.progress(start)["made_of"], made_of, start)
    elif accelerator.is_main_process:
        _refuse_to_bury(run, home, overwrite)
    with bar("tokenising", len(splits.everything), "texts") as tick, accelerator.main_process_first():
        examples = task.encode(splits.everything, tick)
    model = task.build(len(splits.labels), run.seed)
    session = Session(run, home, task, splits, examples, model, accelerator, made_of, start)
    session.open_home()
    accelerator.wait_for_everyone()
    with _logged(home, accelerator), session.tracks() as tracks:
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
    for name, settings in mirrored(run.track).items():
        plugins.load("trackers", name).check(settings)
    return plugins.load("tasks", run.task).open_task(run.model)


def _resumed_checkpoint(run: config.Run) -> Path | None:
    asked = run.checkpoint.resume
    if asked is None:
        return None
    if asked != "auto":
        return checkpoint.find(Path(asked))
    if run.out is None:
        raise InputError("checkpoint.resume 'auto' needs a fixed run directory: set out, or name the checkpoint")
    folder = Path(run.out) / run.checkpoint.dir
    records.recover(folder)
    return checkpoint.newest_whole(folder)


def _home(run: config.Run, start: Path | None) -> Path:
    """The run directory: the one asked for, else that of the checkpoint to go on from, else a new one."""
    if run.out is not None:
        return Path(run.out)
    if start is not None:
        return start.parent.parent if start.parent.name == run.checkpoint.dir else start.parent
    fresh = [records.new_run_dir(Path("runs"), run.name)]
    broadcast_object_list(fresh)  # processes may read the clock a second apart
    return fresh[0]


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


@contextmanager
def _logged(home: Path, accelerator: Accelerator) -> Iterator[None]:
    """Copy the log into the run directory while the block runs."""
    if not accelerator.is_main_process:
        logger.setLevel(logging.WARNING)  # one voice is enough
        yield
        return
    handler = logging.FileHandler(home / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
