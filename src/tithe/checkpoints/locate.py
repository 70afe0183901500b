"""Finding the checkpoint or the file of weights that a path refers to."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path, PurePath

import torch

from tithe import storage
from tithe.checkpoints import epoch_files, store, tensors
from tithe.checkpoints.epoch_files import EpochFile
from tithe.checkpoints.state import MODEL, STATE
from tithe.errors import InputError
from tithe.storage import run_files

logger = logging.getLogger("tithe")

BEST, PERIODIC = "best", "step_"


def is_checkpoint(folder: Path) -> bool:
    """Return whether a folder looks like a checkpoint, intact or not."""
    return (folder / STATE).is_file() or (folder / MODEL).is_file()


def has_checkpoint(folder: Path) -> bool:
    """Return whether a folder is a checkpoint, or has some in it, intact or not."""
    return is_checkpoint(folder) or bool(all_in(folder) or all_in(folder / run_files.CHECKPOINTS))


def home_of(checkpoint: Path, folder: str) -> Path:
    """Return the run directory of a checkpoint whose run keeps its checkpoints in a folder of it, such as `a/b`.

    That of a checkpoint elsewhere is the folder that it is in.
    """
    inside = PurePath(folder).parts
    is_there = checkpoint.parent.parts[-len(inside) :] == inside
    return checkpoint.parents[len(inside)] if is_there else checkpoint.parent


def find(path: Path) -> Path:
    """Return the checkpoint to resume from: the path itself, or the newest intact one in it or in its parent folder.

    Damaged checkpoints are skipped with a warning.

    Raises
    ------
    InputError
        There is no intact checkpoint.
    """
    if not path.exists():
        raise InputError(f"no checkpoint at {path} (seen from {Path.cwd()}): pass a checkpoint or a folder of them")
    given, path = path, path.parent if path.is_file() else path
    if is_checkpoint(path):
        if not (bad := store.damaged_files(path)):
            return path
        intact = newest_intact(path.parent, exclude=path)
        logger.warning("checkpoint %s is damaged (%s): resuming from %s", path, ", ".join(bad), intact or "none")
    else:
        intact = newest_intact(path) or newest_intact(path / run_files.CHECKPOINTS)
    if intact is None:
        raise InputError(_foreign(given) or f"no intact checkpoint in {path}: start a new run, or pass another folder")
    return intact


def _foreign(path: Path) -> str:
    """Return what a path is that is no checkpoint of tithe, for an error; nothing if that can't be said."""
    if has_checkpoint(path if path.is_dir() else path.parent):
        return ""  # damaged ones
    if path.is_file():
        return f"{path} is not a file of a checkpoint of tithe: pass a run, or one of its checkpoints"
    if (path / run_files.PARITY).is_file():
        return f"{path} is an export, for programs other than tithe: pass its run, or open it with 'tithe serve {path}'"
    if ((path / "config.json").is_file() and any(path.glob("*.safetensors"))) or any(path.glob("pytorch_model*.bin")):
        return f"{path} is a Hugging Face model: it is for model.encoder, to train from; pass a run"
    run = next((each for each in sorted(path.iterdir()) if each.is_dir() and has_checkpoint(each)), None)
    return f"{path} has no checkpoint itself: pass one of its folders that have, such as {run}" if run else ""


def newest_intact(folder: Path, exclude: Path | None = None) -> Path | None:
    """Return the intact checkpoint with the most steps in a folder, None if there is none."""
    return next(all_intact(folder, exclude), None)


def all_intact(folder: Path, exclude: Path | None = None) -> Iterator[Path]:
    """Yield the intact checkpoints in a folder, that with the most steps first; a damaged one is reported."""
    for candidate in sorted(all_in(folder), key=step_of, reverse=True):
        if candidate == exclude:
            continue
        if bad := store.damaged_files(candidate):
            logger.warning("checkpoint %s is damaged (%s): skipped", candidate, ", ".join(bad))
        else:
            yield candidate


def best_so_far(path: Path, folder: Path) -> tuple[Path | None, bool]:
    """Find the best weights that a run had when it saved a checkpoint.

    Parameters
    ----------
    path
        The checkpoint, intact.
    folder
        Folder of the run's checkpoints.

    Returns
    -------
    best, found
        The intact checkpoint with these weights, None if there is none; `found` is also true if none are needed,
        because nothing had been validated or because a later and better one has replaced them.
    """
    saved = store.progress(path)
    if saved["best"]["step"] is None:
        return None, True
    name = f"{PERIODIC}{saved['best']['step']:08d}"
    replaced = False
    for candidate in dict.fromkeys([folder / BEST, path, path.parent / BEST, folder / name, path.parent / name]):
        if is_checkpoint(candidate) and (candidate == path or not store.damaged_files(candidate)):
            found = store.progress(candidate)
            if found["best"] == saved["best"] and found["step"] == saved["best"]["step"]:
                return candidate, True
            replaced |= candidate.name == BEST and found["step"] > saved["step"]
    return None, replaced


def all_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, intact or not."""
    names = [*sorted(folder.glob(f"{PERIODIC}*")), folder / BEST]
    return [p for p in names if is_checkpoint(p)]


def remnants(folder: Path) -> list[Path]:
    """Return what interrupted deletions have left of the periodic checkpoints in a folder."""
    return [path for path in sorted(folder.glob(f"{PERIODIC}*")) if path.is_dir() and store.is_remnant(path)]


def step_of(folder: Path) -> tuple[int, bool]:
    """Return a sort key: the step; of two checkpoints at one step, the periodic one sorts later."""
    try:
        step = int(json.loads((folder / STATE).read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        digits = folder.name.removeprefix(PERIODIC)
        step = int(digits) if digits.isdecimal() else -1
    return step, folder.name != BEST


def find_epoch_file(path: Path) -> EpochFile | None:
    """Open a path as a documented file of an epoch's end; None if it is something else.

    The `.pt` files in a checkpoint directory do not count: they are verified with it.

    Raises
    ------
    InputError
        It is damaged.
    """
    if not path.is_file() or path.suffix != ".pt" or is_checkpoint(path.parent):
        return None
    return epoch_files.read_if_one(path)


def single_file(path: Path) -> Path | None:
    """Return the file of weights that a path refers to: itself, or the best one in a run directory; else None.

    Raises
    ------
    InputError
        The run directory is that of a finished run which did not write the file.
    """
    if path.is_dir():
        path = path / run_files.BEST
        if path.is_file() and (listed := storage.listed_files(path.parent)) and path.name not in listed:
            raise InputError(f"{path} is not in the manifest of its run: remove it, or pass the file itself")
    return path if path.is_file() and path.suffix == ".pt" and not is_checkpoint(path.parent) else None


def load_single_file(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a single file of any of the documented kinds.

    Raises
    ------
    InputError
        It is damaged, or contains no weights.
    """
    epoch_file = epoch_files.read_if_one(path)
    return epoch_file.weights if epoch_file else tensors.load(path)


def find_best(path: Path) -> Path:
    """Return the checkpoint that a path refers to, intact; for a folder of checkpoints, the best one.

    Raises
    ------
    InputError
        There is none, or it is damaged.
    """
    if path.is_dir() and not is_checkpoint(path):
        for best in (path / BEST, path / run_files.CHECKPOINTS / BEST):
            if is_checkpoint(best):
                path = best
                break
    intact = find(path)
    if intact.resolve() != (path.parent if path.is_file() else path).resolve() and is_checkpoint(path):
        raise InputError(f"checkpoint {path} is damaged; {intact} is intact: pass that one to use it")
    return intact
