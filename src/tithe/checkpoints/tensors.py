"""Hashing tensors without a copy, and writing and reading files of weights; nothing in them is executed."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
    """Return the weights in a file; see `read`.

    Raises
    ------
    InputError
        It is missing, or is not a file of weights.
    """
    state: dict[str, torch.Tensor] = read(path)
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path} contains no weights: pass a file of named tensors, such as best_model.pt")
    return state


def read(path: Path) -> Any:
    """Return the content of any file that torch has saved; nothing in it is executed.

    Tensors are read from the file when they are used, and changing one does not change the file.

    Raises
    ------
    InputError
        It is missing or damaged, is another file, or holds other objects than tensors and plain values.
    """
    if not path.is_file():
        raise InputError(f"no file of weights {path}: pass a run directory, a checkpoint or a file of weights")
    with explained(path), warnings.catch_warnings(action="ignore"):  # torch's advice for files of other kinds
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failed read into a one-line error.

    Raises
    ------
    InputError
        Reading failed, in whatever way: other bytes can make the reader fail with any exception.
    """
    try:
        yield
    except Exception as error:
        raise InputError(f"{path} can't be read ({_reason(error)}): pass another checkpoint") from None


def _reason(error: Exception) -> str:
    message = str(error)
    if isinstance(error, pickle.UnpicklingError):
        is_object = re.search("(?i)unsupported (global|class)", message)
        return "it holds Python objects, which are never loaded" if is_object else "it is not a file of tensors"
    if "mmap can only be used" in message:
        return "it is not a file of tensors, or was saved by a torch before 1.6"
    return (message.splitlines() or [type(error).__name__])[0]


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
