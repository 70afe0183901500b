"""Which directory a run gets: the one in the config, that of a run to continue, or a new one; and it alone."""

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
from tithe.checkpoints import locate
from tithe.checkpoints.epoch_files import EpochFile
from tithe.config import schema
from tithe.errors import InputError
from tithe.storage.run_files import CONFIG, FILES, MANIFEST, METRICS, NUMBERED

logger = logging.getLogger("tithe")

_TIME = "{time}"


def resolve(run: config.Run, epoch_file: EpochFile | None = None) -> Path:
    """Return the directory of a run; nothing is made yet.

    Parameters
    ----------
    epoch_file
        The file that the config resumes from, if it is one of an epoch's end.

    Raises
    ------
    InputError
        The checkpoint to resume from is not there.
    """
    pattern, resume = run.out or f"runs/{run.name}-{_TIME}", run.checkpoint.resume
    if run.out is None and epoch_file:
        return epoch_file.path.parent
    if run.out is None and resume not in (None, "auto"):
        start = locate.find(Path(str(resume)))
        return start.parent.parent if start.parent.name == run.checkpoint.dir else start.parent
    if _TIME not in pattern:
        return Path(pattern)
    unfinished = _find_unfinished(run, pattern)
    if resume == "auto" and unfinished:
        return unfinished
    if unfinished and resume is None:
        logger.info("a run of this config was left unfinished in %s: --resume auto continues it", unfinished)
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
    names = dict.fromkeys([*FILES, run.track.tensorboard_dir])
    paths = [*(home / name for name in names), *locate.all_in(home / run.checkpoint.dir)]
    paths += home.glob(NUMBERED.format("*"))
    return [path for path in paths if path.exists() and path.resolve().is_relative_to(home.resolve())]


def refuse_earlier_run(run: config.Run, home: Path, overwrite: bool) -> None:
    """Refuse a directory that holds an earlier run, unless that may be overwritten.

    Raises
    ------
    InputError
        It does, and may not.
    """
    if _has_run(run, home) and not overwrite:
        raise InputError(
            f"{home} holds an earlier run: resume it, choose another directory, or pass --overwrite to delete it"
        )


def delete_earlier_run(run: config.Run, home: Path) -> None:
    """Delete an earlier run in the directory, if there is one; files that are not its own stay."""
    if _has_run(run, home):
        logger.warning("deleting the earlier run in %s", home)
        for path in owned_files(run, home):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _has_run(run: config.Run, home: Path) -> bool:
    return (home / METRICS).exists() or bool(locate.all_in(home / run.checkpoint.dir))


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


def _find_unfinished(run: config.Run, pattern: str) -> Path | None:
    """The newest run directory of a pattern that has this very config, no end, and nobody at work in it."""
    asked, before, after = _comparable(config.dump(run)), *pattern.split(_TIME, 1)
    parent, prefix = (Path(before), "") if before.endswith(("/", os.sep)) else (Path(before).parent, Path(before).name)
    for home in sorted(parent.glob(f"{glob.escape(prefix)}*{glob.escape(after)}"), reverse=True):
        unfinished = (home / CONFIG).is_file() and not (home / MANIFEST).exists()
        if unfinished and _written_config(home) == asked and not _is_under_way(home):
            return home
    return None


def _written_config(home: Path) -> dict[str, Any] | None:
    """The config that a run directory holds; None where another program's `config.json` stands."""
    try:
        return _comparable(storage.read_json(home / CONFIG))
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
