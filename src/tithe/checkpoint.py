"""One TrainState, packed as a directory: written aside, hashed, renamed whole, and verified before it is used."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tithe import records, tensors
from tithe.errors import InputError

logger = logging.getLogger("tithe")

BEST = "best"
_STATE = "state.json"
_ENCODER = "encoder.pt"
_PERIODIC = "step_"


@dataclass(frozen=True)
class TrainState:
    """Everything a run needs to go on as if it had never stopped, at an optimizer step's end.

    Attributes
    ----------
    model, optimizer, scheduler, rng
        State dicts of tensors and plain values, loadable with `weights_only=True`.
    progress
        Plain values for `state.json`: where the run is, its best score, its patience, what it was made of.
    scaler, ema
        State of the gradient scaler and the averaged weights, where the run has them.
    """

    model: dict[str, Any]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    rng: dict[str, Any]
    progress: dict[str, Any]
    scaler: dict[str, Any] | None = None
    ema: dict[str, Any] | None = None


_TENSORS = ("model", "optimizer", "scheduler", "rng", "scaler", "ema")


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
    with tensors.disk_explained(folder), records.atomic_folder(folder) as aside:
        for part in _TENSORS:
            if (value := getattr(state, part)) is not None:
                with (aside / f"{part}.pt").open("wb") as file:
                    torch.save(value, file)
        assets(aside)
        records.write_json(aside / _STATE, state.progress)


def load(folder: Path) -> TrainState:
    """Read a whole checkpoint; nothing in it is executed.

    Raises
    ------
    InputError
        It is missing, truncated or changed; the message names the file.
    """
    if bad := records.broken_files(folder):
        raise InputError(f"checkpoint {folder} is not whole ({', '.join(bad)}): resume from another one")
    parts = {part: _load_part(folder / f"{part}.pt") for part in _TENSORS}
    return TrainState(progress=records.read_json(folder / _STATE), **parts)  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, Any]:
    """Return the weights to predict with: the averaged ones where the run kept them, a frozen encoder's besides."""
    averaged = folder / "ema.pt"
    trained = _load_part(averaged if averaged.exists() else folder / "model.pt") or {}
    return {**(_load_part(folder / _ENCODER) or {}), **trained}


def add_encoder(folder: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Complete a checkpoint that holds a head alone with the frozen encoder under it."""
    tensors.save(folder / _ENCODER, state)
    records.write_manifest(folder)


def add_file(folder: Path, file: Path) -> None:
    """Put a copy of a file into a checkpoint that lacks it."""
    with records.atomic_file(folder / file.name) as aside:
        shutil.copyfile(file, aside)
    records.write_manifest(folder)


def progress(folder: Path) -> dict[str, Any]:
    """Return what `state.json` says, without loading any weights."""
    value: dict[str, Any] = records.read_json(folder / _STATE)
    return value


def _load_part(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    value: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return value


def is_checkpoint(folder: Path) -> bool:
    """Say whether a folder looks like a checkpoint, whole or not."""
    return (folder / _STATE).is_file() or (folder / "model.pt").is_file()


def find(path: Path) -> Path:
    """Return the checkpoint to go on from: the path itself, or the newest whole one in or beside it.

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
        if not (bad := records.broken_files(path)):
            return path
        found = newest_whole(path.parent, leave_out=path)
        logger.warning("checkpoint %s is not whole (%s): going on from %s", path, ", ".join(bad), found or "none")
    else:
        found = newest_whole(path) or newest_whole(path / "checkpoints")
    if found is None:
        raise InputError(f"no whole checkpoint in {path}: start the run anew, or pass another folder")
    return found


def newest_whole(folder: Path, leave_out: Path | None = None) -> Path | None:
    """Return the checkpoint in a folder that got furthest and verifies, None where there is none."""
    for candidate in sorted(all_in(folder), key=_position, reverse=True):
        if candidate == leave_out:
            continue
        if not (bad := records.broken_files(candidate)):
            return candidate
        logger.warning("checkpoint %s is not whole (%s): passed over", candidate, ", ".join(bad))
    return None


def all_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, whole or not."""
    names = [*sorted(folder.glob(f"{_PERIODIC}*")), folder / BEST]
    return [p for p in names if is_checkpoint(p)]


def _position(folder: Path) -> tuple[int, bool]:
    """Order checkpoints by their step; of two at one step the periodic one comes later."""
    try:
        step = int(json.loads((folder / _STATE).read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError):
        digits = folder.name.removeprefix(_PERIODIC)
        step = int(digits) if digits.isdecimal() else -1
    return step, folder.name != BEST


@dataclass
class Keeper:
    """Saves this run's checkpoints in one folder and rotates them.

    Attributes
    ----------
    folder
        Where they stand.
    keep
        How many periodic ones stay. Only those that this run wrote or went on from are ever pruned, and
        only after the newer one verified.
    assets
        See `save`.
    """

    folder: Path
    keep: int
    assets: Callable[[Path], None]
    own: list[Path] = field(default_factory=list)

    def periodic(self, state: TrainState) -> Path:
        """Save at the state's step, then prune the oldest of this run's own."""
        path = self.folder / f"{_PERIODIC}{state.progress['step']:08d}"
        if path not in self.own or records.broken_files(path):
            save(path, state, self.assets)
            self.own = [p for p in self.own if p != path] + [path]
        if len(self.own) > self.keep and not records.broken_files(path):
            for old in self.own[: -self.keep]:
                shutil.rmtree(old, ignore_errors=True)
            self.own = self.own[-self.keep :]
        return path

    def best(self, state: TrainState) -> Path:
        """Save the best state so far."""
        path = self.folder / BEST
        save(path, state, self.assets)
        return path

    def adopt(self, path: Path) -> None:
        """Count as this run's own what a resumed run wrote before it stopped."""
        if path.parent.resolve() == self.folder.resolve():
            position = _position(path)
            self.own = [p for p in all_in(self.folder) if p.name != BEST and _position(p) <= position]

    def newest(self) -> Path | None:
        """Return the last checkpoint this run can go back to."""
        if self.own:
            return self.own[-1]
        return self.folder / BEST if is_checkpoint(self.folder / BEST) else None


def check_same(saved: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Compare what a checkpoint was made of with what the run is made of now.

    Raises
    ------
    InputError
        Labels, model, data or order of rows differ; the message says which and how.
    """
    cures = {
        "labels": "use the data it was trained on, or start anew without resume",
        "model": "use the model settings it was trained with, or start anew without resume",
        "data": "use the rows and seed it was trained with, or start anew without resume",
        "select": "use the selection it was trained with, or start anew without resume",
        "order": "keep batch_size, accumulation_steps, group_by_length and seed, or start anew",
        "encoder": "use the frozen encoder it was trained with, or start anew",
    }
    for key, cure in cures.items():
        if key in now and saved.get(key) != now[key]:
            raise InputError(f"checkpoint {path} has other {key} ({_differs(saved.get(key), now[key])}): {cure}")


def _differs(saved: Any, now: Any) -> str:
    if isinstance(saved, dict) and isinstance(now, dict):
        key = next(k for k in {**saved, **now} if saved.get(k) != now.get(k))
        return f"{key}: {_short(saved.get(key))} there, {_short(now.get(key))} here"
    return f"{_short(saved)} there, {_short(now)} here"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
