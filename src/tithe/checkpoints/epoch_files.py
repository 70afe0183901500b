"""The documented single-file checkpoints: one dict at the end of an epoch, to resume from without a run directory."""

from __future__ import annotations

import logging
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tithe import storage
from tithe.checkpoints import tensors
from tithe.checkpoints.state import TrainState
from tithe.errors import InputError
from tithe.storage import run_files
from tithe.storage.run_files import ABANDONED, BEST, EPOCH_HISTORY, LATEST, NUMBERED

logger = logging.getLogger("tithe")

_KEYS = (
    *("epoch", "global_step", "model_state_dict", "optimizer_state_dict", "scheduler_state_dict"),
    *("scaler_state_dict", "best_val_loss", "train_history", "val_history"),
)
# Settings of the run that wrote a file, which the run that continues from it needs.
_TRAIN = {
    *("epochs", "accumulation_steps", "learning_rate", "encoder_learning_rate", "min_learning_rate"),
    *("schedule", "schedule_from", "schedule_steps", "schedule_epochs", "warmup_steps", "warmup_epochs"),
}
# The documented names of validation scores have this prefix; those of the history do not.
_VAL = "val_"
_OF_TITHE = ("config", "history", "best")  # what the state of the schedule has beside that of torch
NO_BEST = {"score": None, "step": None, "epoch": None}
Records = list[dict[str, Any]]


def write(home: Path, state: TrainState, epoch_file: bool, is_best: bool, history: Records) -> None:
    """Write the state at an epoch's end as `latest_model.pt`, and copies under other names.

    Parameters
    ----------
    epoch_file
        Whether to write it as `checkpoint_epoch_N.pt` too.
    is_best
        Whether to write it as `best_model.pt` too.
    history
        The run's records so far: mean training losses of epochs, and validation scores.
    """
    checks, best = _of_kind(history, "val"), state.progress["best"]
    epochs = {"train": _of_kind(history, "train"), "val": [_documented(record) for record in checks]}
    content = {
        "epoch": state.progress["epoch"],
        "global_step": state.progress["step"],
        "model_state_dict": state.model,
        "optimizer_state_dict": state.optimizer,
        "scheduler_state_dict": {
            **state.scheduler,
            "config": state.progress["config"]["train"],
            "history": state.progress.get("history"),
            "best": {"by": state.progress["config"]["checkpoint"]["best_by"], **best},
        },
        "scaler_state_dict": state.scaler or {},
        **({"adapters_state_dict": state.adapters} if state.adapters else {}),
        **({"ema_state_dict": state.ema} if state.ema else {}),  # those that the scores are of
        "best_val_loss": next((r["loss"] for r in checks if r["step"] == best["step"]), math.inf),
        "train_history": epochs["train"],
        "val_history": epochs["val"],
    }
    latest = home / LATEST
    with tensors.disk_explained(latest), storage.atomic_file(latest) as aside, aside.open("wb") as file:
        torch.save(content, file)
    named = [NUMBERED.format(content["epoch"])] if epoch_file else []
    for name in [*named, BEST] if is_best else named:
        with tensors.disk_explained(latest):
            storage.copy_file(latest, home / name)
    storage.write_json(home / EPOCH_HISTORY, epochs)


def abandon(home: Path, epoch: int) -> list[str]:
    """Rename the numbered files of later epochs than the one that a run continues after; return their old names.

    They are of a branch of the run that its history no longer has: under their own names they would be taken for
    epochs of the new one.
    """
    names = []
    for path in sorted(home.glob(NUMBERED.format("*"))):
        number = path.stem.removeprefix(NUMBERED.format("").removesuffix(".pt"))
        if number.isdecimal() and int(number) > epoch:
            storage.move_file(path, home / ABANDONED.format(number))
            names.append(path.name)
    return names


@dataclass(frozen=True)
class EpochFile:
    """The file of an epoch's end, opened and verified; nothing in it is executed.

    Attributes
    ----------
    path
        Where it is.
    content
        Its dict; the tensors are memory-mapped.
    """

    path: Path
    content: Mapping[str, Any]

    @property
    def epoch(self) -> int:
        """Number of completed epochs."""
        return int(self.content["epoch"])

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """The weights to predict with: the averaged ones if there are any."""
        weights: dict[str, torch.Tensor] = self.content.get("ema_state_dict") or self.content["model_state_dict"]
        return weights

    @property
    def train_settings(self) -> Mapping[str, Any]:
        """The `train` section of the run that wrote it."""
        settings: Mapping[str, Any] = self.content["scheduler_state_dict"]["config"]
        return settings

    @property
    def best_by(self) -> str | None:
        """The score that decided its best epoch; None in a file of an earlier version."""
        best: Mapping[str, Any] = self.content["scheduler_state_dict"].get("best", {})
        return best.get("by")

    @property
    def _best(self) -> dict[str, Any]:
        """The score, step and epoch of the best validation; those of an earlier version's file are by the loss."""
        if saved := self.content["scheduler_state_dict"].get("best"):
            return {name: saved[name] for name in NO_BEST}
        found = next((r for r in self._epochs("val") if r["loss"] == self.content["best_val_loss"]), None)
        return {"score": found["loss"], "step": found["step"], "epoch": found["epoch"]} if found else dict(NO_BEST)

    def state(self) -> TrainState:
        """Return the state at the end of its epoch."""
        content, best = self.content, self._best
        scheduler = {k: v for k, v in content["scheduler_state_dict"].items() if k not in _OF_TITHE}
        # The best epoch may be in the history only: its weights stay in the directory that the run was resumed from.
        since = sum(r["epoch"] > best["epoch"] for r in self._epochs("val")) if best["step"] else 0
        return TrainState(
            model=content["model_state_dict"],
            optimizer=content["optimizer_state_dict"],
            scheduler=scheduler,
            rng={},
            scaler=content["scaler_state_dict"] or None,
            ema=content.get("ema_state_dict"),
            adapters=content.get("adapters_state_dict"),
            progress={
                "epoch": content["epoch"],
                "step_in_epoch": 0,
                "step": content["global_step"],
                "batches": content["global_step"] * self.train_settings["accumulation_steps"],
                "best": best,
                "waited": since,
                "seconds": 0.0,
                "made_of": {},
            },
        )

    def history(self) -> Records:
        """Return the run's records up to this file: of steps if the run's history is in its folder, else of epochs.

        Raises
        ------
        InputError
            The file is in a run directory, and the history there is not the one that it was saved with.
        """
        content, path = self.content, self.path.parent / run_files.HISTORY
        extent = content["scheduler_state_dict"].get("history")
        in_run = path.exists() and (self.path.parent / run_files.CONFIG).exists()  # elsewhere it may be another run's
        if extent and in_run and not storage.begins_with(path, storage.Extent(**extent)):
            raise InputError(f"{path} is not the history that {self.path} was saved with: restore it, or delete it")
        steps = storage.read_lines(path, extent["bytes"] if extent else None)
        logged = [record for record in steps if record["step"] <= content["global_step"]]
        if all(_of_kind(logged, kind) == self._epochs(kind) for kind in ("train", "val")):
            return logged
        if path.exists():
            logger.warning("%s is not the history of %s: only the epochs in that file are kept", path, self.path)
        epochs = [{"kind": kind, **record} for kind in ("train", "val") for record in self._epochs(kind)]
        return sorted(epochs, key=lambda record: int(record["step"]))

    def _epochs(self, kind: str) -> Records:
        """Return the records of the epochs, `train` or `val`, with the names that the run's history has."""
        records: Records = self.content[f"{kind}_history"]
        return [{name.removeprefix(_VAL): value for name, value in record.items()} for record in records]


def read(path: Path) -> EpochFile:
    """Open a file of an epoch's end.

    Raises
    ------
    InputError
        It is damaged, or is not such a file.
    """
    content = _open(path)
    held = content if isinstance(content, Mapping) else {}
    if missing := [key for key in _KEYS if key not in held]:
        raise InputError(f"{path} lacks {', '.join(missing)}: pass a file such as {LATEST}")
    return _opened(path, held)


def read_if_one(path: Path) -> EpochFile | None:
    """Open a file of an epoch's end; None if it is another file of tensors.

    Raises
    ------
    InputError
        It is damaged.
    """
    content = _open(path)
    is_one = isinstance(content, Mapping) and set(_KEYS) <= set(content)
    return _opened(path, content) if is_one else None


def _opened(path: Path, content: Mapping[str, Any]) -> EpochFile:
    """Return a file with the documented keys, which other tools may write too, if it is one of tithe."""
    numbers, mappings, lists = _KEYS[:2], _KEYS[2:5], _KEYS[7:]
    is_ours = (
        all(isinstance(content[key], int) for key in numbers)
        and all(isinstance(content[key], Mapping) for key in mappings)
        and all(isinstance(content[key], list) for key in lists)
        and set(content["scheduler_state_dict"].get("config") or ()) >= _TRAIN
    )
    if not is_ours:
        raise InputError(
            f"{path} has the keys of {LATEST} with other content, as of another tool: pass a file that tithe wrote"
        )
    return EpochFile(path, content)


def _open(path: Path) -> Any:
    """Return the content of a file of tensors, memory-mapped, after verifying its bytes.

    In a finished run the manifest vouches for them, else the checksums in the file.

    Raises
    ------
    InputError
        It is damaged, or is not the one that its run wrote.
    """
    is_vouched = path.name in storage.listed_files(path.parent)
    changed = is_vouched and storage.changed_files(path.parent, [path.name])
    if changed or not is_vouched:
        with tensors.explained(path):
            _check_sums(path)
    content = tensors.read(path)
    if changed:
        raise InputError(f"{path} is not the file that its run wrote: restore it, or pass another checkpoint")
    return content


def _check_sums(path: Path) -> None:
    """Verify the checksums in a file of tensors: torch writes them but never checks them."""
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"{broken} has changed")


def _documented(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of a validation under their documented names, such as `val_loss`."""
    return {name if name in ("step", "epoch") else _VAL + name: value for name, value in record.items()}


def _of_kind(history: Records, kind: str) -> Records:
    """Return the epochs' records of a kind: an epoch's mean training loss is `total`, which steps do not have."""
    return [
        {name: value for name, value in record.items() if name != "kind"}
        for record in history
        if record["kind"] == kind and (kind == "val" or "total" in record)
    ]
