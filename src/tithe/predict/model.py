"""A trained classifier, opened from its checkpoint alone: weights, tokenizer and labels lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tithe import config, storage, tasks
from tithe.arrays import Array
from tithe.checkpoints import locate, store
from tithe.data import Label, LabelMap
from tithe.errors import InputError
from tithe.metrics.calibration import Calibration
from tithe.models import freeze, inference
from tithe.models.examples import Batch, Examples
from tithe.models.network import encoder_fingerprint
from tithe.storage import run_files
from tithe.tasks import Task
from tithe.train import devices


class Prediction(NamedTuple):
    """The most probable class of one input, and the probability of every class."""

    label: Label
    probability: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class TrainedModel:
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
    task: Task
    labels: LabelMap
    run: config.Run
    progress: dict[str, Any]
    accelerator: Accelerator
    folder: Path

    def outputs(self, examples: Examples, **how: Any) -> Array:
        """Return what the network gives for every row, shape (N, …); see `inference.forward` for `how`."""
        how = {"batch_size": self.task.rows_at_once, **how}
        return inference.logits(self.model, examples, autocast=self.accelerator.autocast, **how)

    def probabilities(self, examples: Examples, **how: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return class probabilities, shape (N, C)."""
        return self.task.probabilities(self.outputs(examples, **how))

    def of_batch(self, batch: Batch) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the class probabilities of one batch, shape (B, C)."""
        values_BC = inference.of_batch(self.model, self.model, batch, self.accelerator.autocast)
        return self.task.probabilities(values_BC)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration in the model's checkpoint; None where there is none, or it is of other weights."""
        path = self.folder / run_files.CALIBRATION
        if not path.exists():
            return None
        calibrated, weights = store.weights(self.folder), self.model.state_dict()
        if not all(torch.equal(value.cpu(), calibrated[name]) for name, value in weights.items()):
            return None  # an epoch's file is opened with what its folder's best checkpoint has
        return Calibration.from_dict(storage.read_json(path))

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


def load(path: str | Path, device: str = "auto") -> TrainedModel:
    """Open a run, a checkpoint, a folder of checkpoints (its best one), a file inside one, or a file of weights.

    A checkpoint that holds a head alone, as one of an unfinished run does, is put on the encoder it was trained with.

    Raises
    ------
    InputError
        There is none, it is not whole, or its encoder has gone or changed.
    """
    path = Path(path)
    single = locate.single_file(path)
    folder = locate.find_best(path.parent if path == single else path)
    progress = store.progress(folder)
    run = config.parse(progress["config"], source=str(folder / "state.json"))
    labels = LabelMap.load(folder / run_files.LABELS)
    weights = locate.load_single_file(single) if single else store.weights(folder)
    has_encoder = any(name.startswith("encoder.") for name in weights)
    module = tasks.find(run.task)
    task = module.restore(run, folder, progress["made_of"]["model"]) if has_encoder else module.open(run)
    accelerator = devices.accelerator(device, run.train.precision)
    model = task.build(len(labels), run.seed)
    if single and not any(name.startswith("head.") for name in weights):
        raise InputError(f"{single} holds no weights of a whole classifier: pass {single.parent / run_files.BEST}")
    if task.source:
        _check_encoder(model, task, progress["made_of"])
    try:
        model.load_state_dict({**model.state_dict(), **weights})
    except RuntimeError:
        raise InputError(f"{single or folder} holds no weights of this classifier: pass {folder}") from None
    return TrainedModel(model.to(accelerator.device).eval(), task, labels, run, progress, accelerator, folder)


def _check_encoder(model: nn.Module, task: Task, made_of: dict[str, Any]) -> None:
    sha256 = freeze.Proof.begin(model, "all").sha256
    encoder = encoder_fingerprint(sha256, task.encoder_key())
    if made_of.get("encoder") != encoder or made_of["model"] != task.fingerprint():
        name = task.run.model.encoder
        raise InputError(f"the encoder '{name}' is not the one that this head was trained on: put it back")
