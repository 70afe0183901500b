"""The directory of a run: from the config, of the run to continue, or new; locked while the run is active."""

from __future__ import annotations

import glob
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePath
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from tithe import config, storage
from tithe.checkpoints import locate
from tithe.checkpoints.epoch_files import EpochFile
from tithe.config import schema
from tithe.errors import InputError
from tithe.storage.run_files import (
    ABANDONED,
    CONFIG,
    FILES,
    LOG,
    MANIFEST,
    METRICS,
    NUMBERED,
    TRACKERS,
    TUNING,
    TUNING_FOLDER,
)

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
        return locate.home_of(start, run.checkpoint.dir)
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
    """Lock a run directory while the block runs; create it, unless nothing is written there.

    Raises
    ------
    InputError
        Another run, search or suite is under way in the directory, or it can't be written to.
    """
    with storage.locked(home) if accelerator.is_main_process else nullcontext():
        yield


def owned_files(run: config.Run, home: Path) -> list[Path]:
    """Return the files and folders that the run writes; nothing else may be deleted or listed in the manifest."""
    names = dict.fromkeys([*FILES, run.track.tensorboard_dir, *run.track.plugins])
    paths = [*(home / name for name in names), *locate.all_in(home / run.checkpoint.dir)]
    paths += [*home.glob(NUMBERED.format("*")), *home.glob(ABANDONED.format("*"))]
    return [path for path in paths if path.exists() and _is_inside(path, home)]


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


def check_folders(run: config.Run) -> None:
    """Check that a run keeps its checkpoints in its directory, and its event files too unless they have a full path.

    Raises
    ------
    InputError
        A folder leads out of the directory, or event files would be beside the files of the run.
    """
    checkpoints, events = PurePath(run.checkpoint.dir), PurePath(run.track.tensorboard_dir)
    if checkpoints.is_absolute() or ".." in checkpoints.parts:
        raise InputError(
            f"checkpoint.dir '{checkpoints}' is outside the run directory: name a folder in it, or set out to another "
            "run directory"
        )
    if not events.parts:
        raise InputError(
            f"track.tensorboard_dir '{events}' is the run directory itself: name a folder in it, or write the full "
            "path of another"
        )
    if ".." in events.parts and not events.is_absolute():
        raise InputError(
            f"track.tensorboard_dir '{events}' leads out of the run directory: name a folder in it, or write the full "
            "path of another"
        )


def check_free(run: config.Run) -> None:
    """Check, before a search for its settings, that a new run can have its directory.

    Raises
    ------
    InputError
        There is an earlier run, or the directory can't be written to.
    """
    if run.checkpoint.resume is None:
        home = resolve(run)
        storage.check_writable_folder(home)
        refuse_earlier_run(run, home, overwrite=False)


def refuse_earlier_run(run: config.Run, home: Path, overwrite: bool) -> None:
    """Refuse a directory that contains an earlier run, unless it may be overwritten.

    Raises
    ------
    InputError
        There is an earlier run, and `overwrite` is false or the new run reads a part of it.
    """
    if not _has_run(run, home):
        return
    if not overwrite:
        raise InputError(
            f"{home} contains an earlier run: resume it, choose another directory, or pass --overwrite to delete it"
        )
    deleted = [path.resolve() for path in _earlier_files(run, home)]
    data = run.data
    read = (data.path, data.validation, data.test, data.label_mapping, data.corrections, run.model.encoder)
    for name in filter(None, read):
        if any(Path(name).resolve().is_relative_to(path) for path in deleted):
            raise InputError(f"--overwrite would delete {name}, which the run reads: choose another directory")


def delete_earlier_run(run: config.Run, home: Path) -> None:
    """Delete an earlier run in the directory, if any; files that it did not write are kept."""
    if _has_run(run, home):
        logger.warning("deleting the earlier run in %s", home)
        # What it is recognised by goes last: after a kill in between, the rest is not taken for something else.
        last = [*_checkpoints(run, home), home / METRICS, home / CONFIG]
        for path in sorted(_earlier_files(run, home), key=lambda path: last.index(path) if path in last else -1):
            storage.remove(path)


def _has_run(run: config.Run, home: Path) -> bool:
    return (home / METRICS).exists() or bool(_checkpoints(run, home))


def _checkpoints(run: config.Run, home: Path) -> list[Path]:
    """Return the checkpoints in a run directory: those of this run and of an earlier one with another folder."""
    folders = dict.fromkeys(home / one.checkpoint.dir for one in (run, _saved_run(home) or run))
    return [path for folder in folders for path in locate.all_in(folder)]


def _earlier_files(run: config.Run, home: Path) -> list[Path]:
    """Return the files and folders that the run in a directory has written; see `owned_files`."""
    earlier = _saved_run(home) or run
    partial = [path for path in locate.remnants(home / earlier.checkpoint.dir) if _is_inside(path, home)]
    return list(dict.fromkeys([*owned_files(earlier, home), *owned_files(run, home), *partial]))


def _is_inside(path: Path, home: Path) -> bool:
    return home.resolve() in path.resolve().parents  # the directory itself may have a user's files in it


def _find_unfinished(run: config.Run, pattern: str) -> Path | None:
    """Return the newest directory of the pattern with an unfinished, inactive run of exactly this config."""
    current, before, after = _comparable(config.dump(run)), *pattern.split(_TIME, 1)
    parent, prefix = (Path(before), "") if before.endswith(("/", os.sep)) else (Path(before).parent, Path(before).name)
    for home in sorted(parent.glob(f"{glob.escape(prefix)}*{glob.escape(after)}"), reverse=True):
        unfinished = (home / CONFIG).is_file() and not (home / MANIFEST).exists()
        saved = _saved_run(home) if unfinished else None
        if saved and _requested(_comparable(config.dump(saved)), current) == current and not storage.is_locked(home):
            return home
    return None


def _saved_run(home: Path) -> config.Run | None:
    """Return the config in a run directory; None if its `config.json` is missing or not a run's."""
    try:
        return config.parse(storage.read_json(home / CONFIG))
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return None


def _requested(saved: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
    """Return a saved config with `auto` in place of what its run decided, wherever the current one says `auto`."""
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
