"""What a path means as a checkpoint."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch

from tithe import storage
from tithe.checkpoints import epoch_files, tensors
from tithe.checkpoints.epoch_files import EpochFile
from tithe.checkpoints.state import STATE
from tithe.errors import InputError
from tithe.storage import run_files

logger = logging.getLogger("tithe")

BEST, PERIODIC = "best", "step_"


def is_checkpoint(folder: Path) -> bool:
    """Say whether a folder looks like a checkpoint, whole or not."""
    return (folder / STATE).is_file() or (folder / "model.pt").is_file()


def find(path: Path) -> Path:
    """Return the checkpoint to resume from: the path itself, or the newest whole one in or beside it.

    A broken checkpoint is passed over, and the log says so.

    Raises
    ------
    InputError
        There is no whole checkpoint.
    """
    if not path.exists():
        raise InputError(f"no checkpoint at {path} (seen from {Path.cwd()}): pass a checkpoint or a folder of them")
    if path.is_file():
        path = path.parent
    if is_checkpoint(path):
        if not (bad := storage.broken_files(path)):
            return path
        found = newest_whole(path.parent, leave_out=path)
        logger.warning("checkpoint %s is not whole (%s): resuming from %s", path, ", ".join(bad), found or "none")
    else:
        found = newest_whole(path) or newest_whole(path / "checkpoints")
    if found is None:
        raise InputError(f"no whole checkpoint in {path}: start a new run, or pass another folder")
    return found


def newest_whole(folder: Path, leave_out: Path | None = None) -> Path | None:
    """Return the checkpoint in a folder that got furthest and verifies, None where there is none."""
    for candidate in sorted(all_in(folder), key=step_of, reverse=True):
        if candidate == leave_out:
            continue
        if not (bad := storage.broken_files(candidate)):
            return candidate
        logger.warning("checkpoint %s is not whole (%s): passed over", candidate, ", ".join(bad))
    return None


def all_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, whole or not."""
    names = [*sorted(folder.glob(f"{PERIODIC}*")), folder / BEST]
    return [p for p in names if is_checkpoint(p)]


def step_of(folder: Path) -> tuple[int, bool]:
    """Order checkpoints by their step; of two at one step the periodic one comes later."""
    try:
        step = int(json.loads((folder / STATE).read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError):
        digits = folder.name.removeprefix(PERIODIC)
        step = int(digits) if digits.isdecimal() else -1
    return step, folder.name != BEST


def find_epoch_file(path: Path) -> EpochFile | None:
    """Open the documented file of an epoch's end that a path names; None where it names something else.

    The `.pt` files of a checkpoint directory are verified with it.

    Raises
    ------
    InputError
        It is damaged.
    """
    if not path.is_file() or path.suffix != ".pt" or is_checkpoint(path.parent):
        return None
    return epoch_files.read_if_one(path)


def single_file(path: Path) -> Path | None:
    """Return the file of weights that a path means: itself, or the best one in a run directory that has one."""
    if path.is_dir():
        path = path / run_files.BEST
    return path if path.is_file() and path.suffix == ".pt" and not is_checkpoint(path.parent) else None


def load_single_file(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a single file, whichever of the documented kinds it is.

    Raises
    ------
    InputError
        It is damaged, or holds no weights.
    """
    epoch_file = epoch_files.read_if_one(path)
    return epoch_file.weights if epoch_file else tensors.load(path)


def find_best(path: Path) -> Path:
    """Return the whole checkpoint that a path means; a folder of checkpoints means its best one."""
    if path.is_dir() and not is_checkpoint(path):
        for best in (path / BEST, path / "checkpoints" / BEST):
            if is_checkpoint(best):
                path = best
                break
    found = find(path)
    if found.resolve() != (path.parent if path.is_file() else path).resolve() and is_checkpoint(path):
        raise InputError(f"checkpoint {path} is not whole; {found} is: pass that one to use it")
    return found
