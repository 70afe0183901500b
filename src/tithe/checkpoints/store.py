"""Saving a TrainState as a directory, atomically and with hashes, and loading it, verified."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from tithe import storage
from tithe.checkpoints import tensors
from tithe.checkpoints.state import CONFIGURATION, EMA, ENCODER, MODEL, STATE, TENSORS, TOKENIZER, TrainState
from tithe.errors import InputError, TitheError
from tithe.storage import run_files

logger = logging.getLogger("tithe")

# Every checkpoint has these files.
_ALWAYS = {STATE, *(f"{part}.pt" for part in ("model", "optimizer", "scheduler", "rng"))}
# What `state.json` has at least, whatever the run.
_PROGRESS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("step", "epoch", "step_in_epoch", "batches", "waited"), int),
    **dict.fromkeys(("best", "config", "made_of"), dict),
    "seconds": (int, float),
}
_BEST = {"score", "step", "epoch"}
# It has no files and folders but these.
_PARTS = {
    *(STATE, ENCODER, CONFIGURATION, TOKENIZER, run_files.LABELS, run_files.CALIBRATION, run_files.ABSTENTION),
    storage.MANIFEST,
    *(f"{part}.pt" for part in TENSORS),
}
_CURE = "'--resume auto' trains it again from a checkpoint before it"


def save(folder: Path, state: TrainState, assets: Callable[[Path], None]) -> None:
    """Write a checkpoint; an earlier one at this path is kept until the new one is complete.

    Parameters
    ----------
    assets
        Writes to a folder what rebuilds the model without its origin (tokenizer, labels, ...).

    Raises
    ------
    TitheError
        The disk is full or not writable; earlier checkpoints are intact.
    """
    with tensors.disk_explained(folder), storage.atomic_folder(folder) as aside:
        for part in TENSORS:
            if (value := getattr(state, part)) is not None:
                with (aside / f"{part}.pt").open("wb") as file:
                    torch.save(value, file)
        assets(aside)
        storage.write_json(aside / STATE, state.progress)


def damaged_files(folder: Path) -> list[str]:
    """Return what is wrong with a checkpoint's files, as `storage.broken_files`; an empty list means it is intact.

    A checkpoint whose manifest does not name the files that each has is damaged too.
    """
    missing = _ALWAYS - storage.listed_files(folder).keys()
    return sorted({*storage.broken_files(folder), *missing})


def is_remnant(folder: Path) -> bool:
    """Return whether a folder is what an interrupted deletion has left of a checkpoint: only some of its files."""
    names = {path.name for path in folder.iterdir()}
    whole = {*_ALWAYS, storage.MANIFEST, *storage.listed_files(folder)}
    return names <= _PARTS and not all((folder / name).exists() for name in whole)


def load(folder: Path) -> TrainState:
    """Read an intact checkpoint; nothing in it is executed.

    Raises
    ------
    InputError
        A file is missing, truncated or changed; the message names it.
    """
    if bad := damaged_files(folder):
        raise InputError(f"checkpoint {folder} is damaged ({', '.join(bad)}): resume from another one")
    parts = {part: _load_part(folder / f"{part}.pt") for part in TENSORS}
    return TrainState(progress=storage.read_json(folder / STATE), **parts)  # type: ignore[arg-type]


def best_weights(folder: Path, best: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights to predict with of a run's best checkpoint, after verifying it.

    Parameters
    ----------
    best
        The score, step and epoch that it must have.

    Raises
    ------
    TitheError
        It is damaged, or is not the one of that step.
    """
    if bad := damaged_files(folder):
        raise TitheError(f"the best checkpoint {folder} is damaged ({', '.join(bad)}): {_CURE}")
    if progress(folder)["best"] != best:
        raise TitheError(f"{folder} is not the best checkpoint of this run, that of step {best['step']}: {_CURE}")
    return weights(folder)


def weights(folder: Path) -> dict[str, Any]:
    """Return the weights to predict with: the averaged ones if there are any, and those of a frozen encoder."""
    averaged = folder / EMA
    trained = tensors.load(averaged if averaged.exists() else folder / MODEL)
    encoder = folder / ENCODER
    return {**(tensors.load(encoder) if encoder.exists() else {}), **trained}


def extend(folder: Path, encoder: Mapping[str, torch.Tensor], files: Iterable[Path]) -> None:
    """Add a frozen encoder's weights, if any, and copies of files to a checkpoint: all of them, or nothing.

    Its own files keep the hashes that they were written with.
    """
    with storage.atomic_folder(folder) as aside:
        storage.link_tree(folder, aside)
        if encoder:
            tensors.save(aside / ENCODER, encoder)
        for file in files:
            storage.copy_file(file, aside / file.name)


def copy(source: Path, target: Path) -> None:
    """Copy a checkpoint, with the hashes that its files were written with."""
    with storage.atomic_folder(target) as aside:
        storage.link_tree(source, aside)


def progress(folder: Path) -> dict[str, Any]:
    """Return the content of `state.json`, without loading any weights.

    Raises
    ------
    InputError
        It is not that of a run.
    """
    value: dict[str, Any] = storage.read_json(folder / STATE)
    is_ours = isinstance(value, dict) and all(isinstance(value.get(key), kind) for key, kind in _PROGRESS.items())
    if not is_ours or not value["best"].keys() >= _BEST or not isinstance(value["made_of"].get("model"), dict):
        raise InputError(
            f"{folder / STATE} is not one that this version of tithe writes: pass a checkpoint of this version"
        )
    return value


def _load_part(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    value = tensors.read(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} is not one that tithe writes: pass another checkpoint")
    return value
