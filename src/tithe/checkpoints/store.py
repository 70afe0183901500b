"""Saving a TrainState as a directory, atomically and with hashes, and loading it, verified."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tithe import storage
from tithe.checkpoints import tensors
from tithe.checkpoints.state import EMA, ENCODER, MODEL, STATE, TENSORS, TrainState
from tithe.errors import InputError

logger = logging.getLogger("tithe")


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


def load(folder: Path) -> TrainState:
    """Read an intact checkpoint; nothing in it is executed.

    Raises
    ------
    InputError
        A file is missing, truncated or changed; the message names it.
    """
    if bad := storage.broken_files(folder):
        raise InputError(f"checkpoint {folder} is damaged ({', '.join(bad)}): resume from another one")
    parts = {part: _load_part(folder / f"{part}.pt") for part in TENSORS}
    return TrainState(progress=storage.read_json(folder / STATE), **parts)  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, Any]:
    """Return the weights to predict with: the averaged ones if there are any, and those of a frozen encoder."""
    averaged = folder / EMA
    trained = _load_part(averaged if averaged.exists() else folder / MODEL) or {}
    return {**(_load_part(folder / ENCODER) or {}), **trained}


def add_encoder(folder: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Add the frozen encoder to a checkpoint that contains only a head."""
    tensors.save(folder / ENCODER, state)
    storage.write_manifest(folder)


def add_file(folder: Path, file: Path) -> None:
    """Copy a file into a checkpoint."""
    with storage.atomic_file(folder / file.name) as aside:
        shutil.copyfile(file, aside)
    storage.write_manifest(folder)


def progress(folder: Path) -> dict[str, Any]:
    """Return the content of `state.json`, without loading any weights."""
    value: dict[str, Any] = storage.read_json(folder / STATE)
    return value


def _load_part(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    value: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return value
