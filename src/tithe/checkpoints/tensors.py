"""Hashing tensors without a copy, and writing and reading files of weights; nothing in them is executed."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from tithe import storage
from tithe.errors import InputError, TitheError


def sha256(tensor: torch.Tensor) -> str:
    """Return the SHA-256 of a tensor's dtype, shape and bytes; a contiguous CPU tensor is not copied."""
    array = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{array.dtype} {tuple(array.shape)}".encode())
    digest.update(array.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def sha256_of_all(state: Mapping[str, torch.Tensor]) -> str:
    """Return one SHA-256 over names and tensors: equal only for the same bits."""
    return storage.digest({name: sha256(tensor) for name, tensor in state.items()})


def save(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write weights as one file, atomically; loadable with `weights_only=True` on any device."""
    with disk_explained(path), storage.atomic_file(path) as aside, aside.open("wb") as file:
        torch.save({name: tensor.detach().cpu() for name, tensor in state.items()}, file)


def load(path: Path) -> dict[str, torch.Tensor]:
    """Read a file of weights without a copy in memory; nothing in it is executed.

    Raises
    ------
    InputError
        It is missing, or is not a file of weights.
    """
    try:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError:
        raise InputError(
            f"no file of weights {path}: pass a run directory, a checkpoint or a file of weights"
        ) from None
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"{path} contains no weights: {str(error).splitlines()[0]}") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path} contains no weights: pass a file of named tensors, such as best_model.pt")
    return state


@contextlib.contextmanager
def disk_explained(path: Path) -> Iterator[None]:
    """Turn a failed write into a one-line error with the free space."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # On a full disk torch's writer reports a position in its own source instead of the system's error.
        reason = error.strerror if isinstance(error, OSError) else "a file could not be written completely"
        if isinstance(error, RuntimeError) and "inline_container" not in str(error):
            raise
        free = shutil.disk_usage(path.parent).free // 2**20
        raise TitheError(
            f"could not save {path}: {reason} ({free} MB free there); earlier checkpoints are intact: "
            f"free some space and resume"
        ) from error
