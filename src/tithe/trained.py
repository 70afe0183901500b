"""A trained classifier, opened from its checkpoint alone: weights, tokenizer and labels lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from accelerate import Accelerator
from torch import nn

from tithe import artifacts, checkpoint, config, devices, epochfiles, network, plugins, predict, tensors
from tithe.batches import Batch, Examples
from tithe.data import Label, LabelMap
from tithe.errors import InputError


class Prediction(NamedTuple):
    """The most probable class of one input, and the probability of every class."""

    label: Label
    probability: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Trained:
    """A network with its task and labels, ready to predict.

    Attributes
    ----------
    run
        Resolved config of the run that trained it.
    progress
        What its `state.json` says.
    folder
        The checkpoint that it was opened from.
    """

    model: nn.Module
    task: Any
    labels: LabelMap
    run: config.Run
    progress: dict[str, Any]
    accelerator: Accelerator
    folder: Path

    def outputs(self, examples: Examples, **how: Any) -> predict.Array:
        """Return what the network gives for every row, shape (N, …); see `predict.forward` for `how`."""
        how = {"batch_size": self.task.rows_at_once, **how}
        return predict.logits(self.model, examples, autocast=self.accelerator.autocast, **how)

    def probabilities(self, examples: Examples, **how: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return class probabilities, shape (N, C)."""
        probs: np.ndarray[Any, np.dtype[np.float64]] = self.task.probabilities(self.outputs(examples, **how))
        return probs

    def of_batch(self, batch: Batch) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the class probabilities of one batch, shape (B, C)."""
        values_BC = predict.of_batch(self.model, self.model, batch, self.accelerator.autocast)
        probs: np.ndarray[Any, np.dtype[np.float64]] = self.task.probabilities(values_BC)
        return probs

    def predict(self, inputs: Sequence[str], batch_size: int = 64) -> list[Prediction]:
        """Classify inputs, in their order."""
        if not inputs:
            return []
        probs_NC = self.probabilities(self.task.examples(inputs), batch_size=batch_size)
        names = [str(name) for name in self.labels.names]
        return [
            Prediction(
                self.labels.names[int(p_C.argmax())],
                float(p_C.max()),
                dict(zip(names, map(float, p_C), strict=True)),
            )
            for p_C in probs_NC
        ]


def load(path: str | Path, device: str = "auto") -> Trained:
    """Open a run, a checkpoint, a folder of checkpoints (its best one), a file inside one, or a file of weights.

    A checkpoint that holds a head alone, as one of an unfinished run does, is put on the encoder it was trained with.

    Raises
    ------
    InputError
        There is none, it is not whole, or its encoder has gone or changed.
    """
    path = Path(path)
    single = _single_file(path)
    folder = locate(path.parent if path == single else path)
    state = checkpoint.progress(folder)
    run = config.parse(state["config"], source=str(folder / "state.json"))
    labels = LabelMap.load(folder / "labels.json")
    weights = _weights(single) if single else checkpoint.weights(folder)
    family = plugins.load("tasks", run.task)
    if any(name.startswith("encoder.") for name in weights):
        task = family.restore(run, folder, state["made_of"]["model"])
    else:
        task = family.open_task(run)
    accelerator = devices.accelerator(device, run.train.precision)
    model = task.build(len(labels), run.seed)
    if single and not any(name.startswith("head.") for name in weights):
        raise InputError(f"{single} holds no weights of a whole classifier: pass {single.parent / artifacts.BEST}")
    if task.source:
        _check_encoder(model, task, state["made_of"], run)
    try:
        model.load_state_dict({**model.state_dict(), **weights})
    except RuntimeError:
        raise InputError(f"{single or folder} holds no weights of this classifier: pass {folder}") from None
    return Trained(model.to(accelerator.device).eval(), task, labels, run, state, accelerator, folder)


def _single_file(path: Path) -> Path | None:
    """Return the file of weights that a path means: itself, or the best one in a run directory that has one."""
    if path.is_dir():
        path = path / artifacts.BEST
    return path if path.is_file() and path.suffix == ".pt" and not checkpoint.is_checkpoint(path.parent) else None


def _weights(single: Path) -> dict[str, Any]:
    return epochfiles.weights(single) if epochfiles.is_one(single) else tensors.load(single)


def _check_encoder(model: nn.Module, task: Any, made_of: dict[str, Any], run: config.Run) -> None:
    same = made_of.get("encoder") == network.encoder_identity(model, task) and made_of["model"] == task.identity()
    if not same:
        raise InputError(f"the encoder '{run.model.encoder}' is not the one that this head was trained on: put it back")


def locate(path: Path) -> Path:
    """Return the whole checkpoint that a path means; a folder of checkpoints means its best one."""
    if path.is_dir() and not checkpoint.is_checkpoint(path):
        for best in (path / checkpoint.BEST, path / "checkpoints" / checkpoint.BEST):
            if checkpoint.is_checkpoint(best):
                path = best
                break
    found = checkpoint.find(path)
    if found.resolve() != (path.parent if path.is_file() else path).resolve() and checkpoint.is_checkpoint(path):
        raise InputError(f"checkpoint {path} is not whole; {found} is: name that one to use it")
    return found
