"""One TrainState, packed as a directory: written aside, hashed, renamed whole, and verified before it is used."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tithe import storage
from tithe.checkpoints import tensors
from tithe.checkpoints.state import STATE, TENSORS, TrainState
from tithe.errors import InputError

logger = logging.getLogger("tithe")

_ENCODER = "encoder.pt"


def save(folder: Path, state: TrainState, assets: Callable[[Path], None]) -> None:
    """Write a checkpoint; one that stood there before stays until the new one is whole.

    Parameters
    ----------
    assets
        Writes beside the state what rebuilds the model without its origin (tokenizer, labels, ...).

    Raises
    ------
    TitheError
        The disk refused; what was saved earlier is intact.
    """
    with tensors.disk_explained(folder), storage.atomic_folder(folder) as aside:
        for part in TENSORS:
            if (value := getattr(state, part)) is not None:
                with (aside / f"{part}.pt").open("wb") as file:
                    torch.save(value, file)
        assets(aside)
        storage.write_json(aside / STATE, state.progress)


def load(folder: Path) -> TrainState:
    """Read a whole checkpoint; nothing in it is executed.

    Raises
    ------
    InputError
        It is missing, truncated or changed; the message names the file.
    """
    if bad := storage.broken_files(folder):
        raise InputError(f"checkpoint {folder} is not whole ({', '.join(bad)}): resume from another one")
    parts = {part: _load_part(folder / f"{part}.pt") for part in TENSORS}
    return TrainState(progress=storage.read_json(folder / STATE), **parts)  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, Any]:
    """Return the weights to predict with: the averaged ones where the run kept them, a frozen encoder's besides."""
    averaged = folder / "ema.pt"
    trained = _load_part(averaged if averaged.exists() else folder / "model.pt") or {}
    return {**(_load_part(folder / _ENCODER) or {}), **trained}


def add_encoder(folder: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Complete a checkpoint that holds a head alone with the frozen encoder under it."""
    tensors.save(folder / _ENCODER, state)
    storage.write_manifest(folder)


def add_file(folder: Path, file: Path) -> None:
    """Put a copy of a file into a checkpoint that lacks it."""
    with storage.atomic_file(folder / file.name) as aside:
        shutil.copyfile(file, aside)
    storage.write_manifest(folder)


def progress(folder: Path) -> dict[str, Any]:
    """Return what `state.json` says, without loading any weights."""
    value: dict[str, Any] = storage.read_json(folder / STATE)
    return value


def _load_part(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    value: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return value
