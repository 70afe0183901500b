"""The directory of a run: from the config, of the run to continue, or new; locked while the run is active."""

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
from tithe.storage.run_files import CONFIG, FILES, LOG, MANIFEST, METRICS, NUMBERED, TRACKERS, TUNING, TUNING_FOLDER

logger = logging.getLogger("tithe")

_TIME = "{time}"


def resolve(run: config.Run, epoch_file: EpochFile | None = None) -> Path:
    """Return the directory of a run, without creating it.

    Parameters
    ----------
    epoch_file
        The epoch file that the config resumes from, if any.

    Raises
    ------
    InputError
        The checkpoint to resume from does not exist.
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
        logger.info("there is an unfinished run of this config in %s: --resume auto continues it", unfinished)
    new = [new_run_dir(pattern)]
    broadcast_object_list(new)  # processes may read the clock a second apart
    return new[0]


@contextmanager
def exclusive(home: Path, accelerator: Accelerator) -> Iterator[None]:
    """Lock a run directory while the block runs.

    Raises
    ------
    InputError
        Another run is active in the directory.
    """
    if not accelerator.is_main_process:
        yield
        return
    lock = _lock(home)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another run is active in {home}: wait until it ends, or choose another directory") from None
    try:
        yield
    finally:
        lock.release()


def owned_files(run: config.Run, home: Path) -> list[Path]:
    """Return the files and folders that the run writes; nothing else may be deleted or listed in the manifest."""
    names = dict.fromkeys([*FILES, run.track.tensorboard_dir, *run.track.plugins])
    paths = [*(home / name for name in names), *locate.all_in(home / run.checkpoint.dir)]
    paths += home.glob(NUMBERED.format("*"))
    return [path for path in paths if path.exists() and path.resolve().is_relative_to(home.resolve())]


def hashes(run: config.Run, home: Path) -> dict[str, str]:
    """Return the entries of a finished run's manifest, each with the hash of what the run wrote.

    A folder with a manifest of its own, such as a checkpoint, is listed by the hash of that. The log, and what trackers
    and the search write by other libraries, are hashed now; nothing reads them without a check of its own.
    """
    written, owned = storage.recorded(home), owned_files(run, home)
    logs = {home / name for name in (TUNING_FOLDER, *_logs(run))}
    checkpoints = [path / MANIFEST for path in owned if locate.is_checkpoint(path) and (path / MANIFEST).exists()]
    others = [file for path in owned if path in logs for file in storage.files_in(path)]
    by_hash = {file.relative_to(home).as_posix(): storage.sha256_file(file) for file in (*checkpoints, *others)}
    own = [file for path in owned if path not in logs for file in storage.files_in(path)]
    names = [file.relative_to(home).as_posix() for file in own]
    return {**by_hash, **{name: written[name] for name in names if name in written}}


def _logs(run: config.Run) -> tuple[str, ...]:
    """Return the names of what is written for people and never read: the log, and the files of trackers."""
    return LOG, *TRACKERS, run.track.tensorboard_dir, *run.track.plugins


def unlisted_files(run: config.Run, home: Path) -> list[str]:
    """Return the files of a finished run that its manifest does not name, though a command would read them."""
    unread = {home / name for name in (*_logs(run), *(() if run.tune else (TUNING, TUNING_FOLDER)))}
    return storage.unlisted_files(home, [path for path in owned_files(run, home) if path not in unread])


def refuse_earlier_run(run: config.Run, home: Path, overwrite: bool) -> None:
    """Refuse a directory that contains an earlier run, unless it may be overwritten.

    Raises
    ------
    InputError
        There is an earlier run and `overwrite` is false.
    """
    if _has_run(run, home) and not overwrite:
        raise InputError(
            f"{home} contains an earlier run: resume it, choose another directory, or pass --overwrite to delete it"
        )


def delete_earlier_run(run: config.Run, home: Path) -> None:
    """Delete an earlier run in the directory, if any; files that it did not write are kept."""
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


def _is_active(home: Path) -> bool:
    try:
        with _lock(home).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _find_unfinished(run: config.Run, pattern: str) -> Path | None:
    """Return the newest directory of the pattern with an unfinished, inactive run of exactly this config."""
    current, before, after = _comparable(config.dump(run)), *pattern.split(_TIME, 1)
    parent, prefix = (Path(before), "") if before.endswith(("/", os.sep)) else (Path(before).parent, Path(before).name)
    for home in sorted(parent.glob(f"{glob.escape(prefix)}*{glob.escape(after)}"), reverse=True):
        unfinished = (home / CONFIG).is_file() and not (home / MANIFEST).exists()
        if unfinished and _requested(_saved_config(home), current) == current and not _is_active(home):
            return home
    return None


def _saved_config(home: Path) -> dict[str, Any] | None:
    """Return the config in a run directory; None if its `config.json` is missing or not a run's."""
    try:
        return _comparable(config.dump(config.parse(storage.read_json(home / CONFIG))))
    except (InputError, KeyError, TypeError, AttributeError):
        return None


def _requested(saved: dict[str, Any] | None, current: dict[str, Any]) -> dict[str, Any] | None:
    """Return a saved config with `auto` in place of what its run decided, wherever the current one says `auto`."""
    if saved is None:
        return None
    undecided = {
        part: {name: schema.AUTO for name in names if current[part][name] == schema.AUTO}
        for part, names in schema.AUTOMATIC.items()
    }
    return {**saved, **{part: {**saved[part], **values} for part, values in undecided.items()}}


def _comparable(values: dict[str, Any]) -> dict[str, Any]:
    """Return a config without the values that may differ between a run and its continuation."""
    searched = schema.SEARCHED if values["tune"] else {}  # values from a search don't count as a difference
    kept = {part: {k: v for k, v in values[part].items() if k not in names} for part, names in searched.items()}
    return {**values, **kept, "checkpoint": {**values["checkpoint"], "resume": None}}


def new_run_dir(pattern: str) -> Path:
    """Return an unused path for a run directory, without creating it; `{time}` becomes YYYYmmdd-HHMMSS."""
    stem = pattern.replace("{time}", time.strftime("%Y%m%d-%H%M%S"))
    path, number = Path(stem), 1
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}")
    return path
