"""Which directory a run gets: the one asked for, that of the work to go on with, or a new one; and it alone."""

from __future__ import annotations

import glob
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from tithe import config, storage
from tithe.checkpoints import epoch_files, locate
from tithe.config import schema
from tithe.errors import InputError
from tithe.storage.run_files import FILES, METRICS

logger = logging.getLogger("tithe")

_TIME, _CONFIG = "{time}", "config.json"


def resolve(run: config.Run) -> Path:
    """Return the directory of a run; nothing is made yet.

    Raises
    ------
    InputError
        The checkpoint to go on from is not there.
    """
    pattern, asked = run.out or f"runs/{run.name}-{_TIME}", run.checkpoint.resume
    if run.out is None and asked and locate.is_epoch_file(Path(asked)):
        return Path(asked).parent
    if run.out is None and asked not in (None, "auto"):
        start = locate.find(Path(str(asked)))
        return start.parent.parent if start.parent.name == run.checkpoint.dir else start.parent
    if _TIME not in pattern:
        return Path(pattern)
    left = _unfinished(run, pattern)
    if asked == "auto" and left:
        return left
    if left and asked is None:
        logger.info("a run of this config was left unfinished in %s: --resume auto goes on with it", left)
    fresh = [new_run_dir(pattern)]
    broadcast_object_list(fresh)  # processes may read the clock a second apart
    return fresh[0]


@contextmanager
def exclusive(home: Path, accelerator: Accelerator) -> Iterator[None]:
    """Keep every other run out of a directory while the block runs.

    Raises
    ------
    InputError
        A run is under way there.
    """
    if not accelerator.is_main_process:
        yield
        return
    lock = _lock(home)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"a run is under way in {home}: wait for its end, or choose another directory") from None
    try:
        yield
    finally:
        lock.release()


def owned_files(run: config.Run, home: Path) -> list[Path]:
    """Return everything in the directory that a run writes: nothing else there is ours to delete or to vouch for."""
    names = dict.fromkeys([*FILES, epoch_files.LATEST, epoch_files.HISTORY, run.track.tensorboard_dir])
    found = [*(home / name for name in names), *locate.all_in(home / run.checkpoint.dir)]
    found += home.glob(epoch_files.NUMBERED.format("*"))
    return [path for path in found if path.exists() and path.resolve().is_relative_to(home.resolve())]


def clear_or_refuse(run: config.Run, home: Path, overwrite: bool) -> None:
    """Delete an earlier run in the directory, if that is allowed.

    Raises
    ------
    InputError
        It is not.
    """
    has_work = (home / METRICS).exists() or locate.all_in(home / run.checkpoint.dir)
    if has_work and not overwrite:
        raise InputError(
            f"{home} holds an earlier run: resume it, choose another directory, or pass --overwrite to delete it"
        )
    if has_work:
        logger.warning("deleting the earlier run in %s", home)
        for path in owned_files(run, home):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _lock(home: Path) -> FileLock:
    folder = storage.cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{storage.digest(str(home.resolve()))[:32]}.lock")


def _is_under_way(home: Path) -> bool:
    try:
        with _lock(home).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _unfinished(run: config.Run, pattern: str) -> Path | None:
    """The newest run directory of a pattern that has this very config, no end, and nobody at work in it."""
    asked, before, after = _comparable(config.dump(run)), *pattern.split(_TIME, 1)
    parent, prefix = (Path(before), "") if before.endswith(("/", os.sep)) else (Path(before).parent, Path(before).name)
    for home in sorted(parent.glob(f"{glob.escape(prefix)}*{glob.escape(after)}"), reverse=True):
        unfinished = (home / _CONFIG).is_file() and not (home / storage.MANIFEST).exists()
        if unfinished and _written_config(home) == asked and not _is_under_way(home):
            return home
    return None


def _written_config(home: Path) -> dict[str, Any] | None:
    """The config that a run directory holds; None where another program's `config.json` stands."""
    try:
        return _comparable(storage.read_json(home / _CONFIG))
    except (InputError, KeyError, TypeError):
        return None


def _comparable(values: dict[str, Any]) -> dict[str, Any]:
    """A config without what may differ between a run and its continuation."""
    searched = schema.SEARCHED if values["tune"] else {}  # what a search found is no difference
    kept = {part: {k: v for k, v in values[part].items() if k not in names} for part, names in searched.items()}
    return {**values, **kept, "checkpoint": {**values["checkpoint"], "resume": None}}


def new_run_dir(pattern: str) -> Path:
    """Return the path of a fresh run directory, `{time}` being YYYYmmdd-HHMMSS; it is not made yet."""
    stem = pattern.replace("{time}", time.strftime("%Y%m%d-%H%M%S"))
    path, again = Path(stem), 1
    while path.exists():
        again += 1
        path = Path(f"{stem}-{again}")
    return path
