"""Opening a checkpoint, which contains weights, tokenizer and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tithe import config, storage, tasks
from tithe.checkpoints import locate, store
from tithe.checkpoints.state import STATE
from tithe.data import LabelMap
from tithe.errors import InputError
from tithe.models import network, padding, trial_pass
from tithe.models.classifier import Classifier
from tithe.models.partial import freeze
from tithe.predict.model import TrainedModel
from tithe.predict.prediction import PredictionList
from tithe.storage import run_files
from tithe.tasks import Task
from tithe.train import devices


def load(path: str | Path, device: str = "auto") -> TrainedModel:
    """Load a run, a checkpoint, a folder of checkpoints (its best one), a file inside one, or a file of weights.

    A checkpoint of an unfinished run may contain only a head; it is combined with the encoder it was trained on.

    Raises
    ------
    InputError
        There is no checkpoint, it is incomplete or not one of this version, its weights are NaN, or its encoder is
        missing or has changed.
    """
    path = Path(storage.expand_home(str(path)))
    single = locate.single_file(path)
    weights = locate.load_single_file(single) if single else None
    if single and path == single and not locate.has_checkpoint(path.parent):
        raise InputError(f"{single} has no checkpoint beside it, which says what model it is of: pass a run directory")
    folder = locate.find_best(path.parent if path == single else path)
    if _is_replaced(folder):
        raise InputError(f"{folder} is not the checkpoint that its run wrote: restore it, or pass another one")
    progress = store.progress(folder)
    run = config.parse(progress["config"], source=str(folder / STATE))
    labels = LabelMap.load(folder / run_files.LABELS)
    if weights is None:
        weights = store.weights(folder)
    _refuse_nan(weights, single or folder)
    has_encoder = any(name.startswith("encoder.") for name in weights)
    module = tasks.find(run.task)
    task = module.restore(run, folder, progress["made_of"]["model"]) if has_encoder else module.open(run)
    accelerator = devices.accelerator(device, run.train.precision)
    model = task.build(len(labels), run.seed)
    if accelerator.mixed_precision != "no" and isinstance(model, Classifier):
        accelerator = _running(model, task, accelerator)
    if single and not any(name.startswith("head.") for name in weights):
        raise InputError(f"{single} has no weights of a complete classifier: pass {single.parent / run_files.BEST}")
    if task.source:
        _check_encoder(model, task, progress["made_of"])
    try:
        model.load_state_dict({**model.state_dict(), **weights})
    except RuntimeError:
        raise InputError(f"{single or folder} has no weights of this classifier: pass {folder}") from None
    model = model.to(accelerator.device).eval()
    return TrainedModel(model, task, labels, run, progress, accelerator, folder, weights_file=single)


def _running(model: Classifier, task: Task, accelerator: Accelerator) -> Accelerator:
    """Return the accelerator, or one in float32 where the model can't be run in its precision, as its run did."""
    batch = task.examples(padding.SHORT_AND_LONG).collate(np.arange(2))
    with torch.no_grad():
        if trial_pass.failure(model, batch, accelerator.autocast, accelerator.device) is None:
            return accelerator
    return devices.accelerator(accelerator.device.type, "no")


def predict(
    checkpoint: str | Path, inputs: Iterable[str], batch_size: int | None = None, exact: bool = False
) -> PredictionList:
    """Classify texts, or images by their paths, with a checkpoint; to predict more than once, `load` it.

    See `load` for what a checkpoint is, and `TrainedModel.predict` for the other arguments, N inputs, and the N
    predictions that are returned.

    Raises
    ------
    InputError
        The checkpoint is missing or damaged, or an input is not a text.

    Examples
    --------
    >>> [prediction] = tithe.predict("runs/first", "what a film")
    >>> prediction.label, prediction.probability, prediction.probabilities
    >>> frame["predicted"] = [p.label for p in tithe.predict("runs/first", frame["text"])]
    >>> pandas.DataFrame(p.columns() for p in tithe.predict("runs/first", frame["text"]))
    """
    return load(checkpoint).predict(inputs, batch_size, exact)


def _is_replaced(folder: Path) -> bool:
    """Return whether a checkpoint is in a finished run whose manifest vouches for another one in its place."""
    folder = folder.absolute()
    for home in folder.parents[:2]:
        if all((home / name).is_file() for name in (run_files.CONFIG, run_files.DATA_REPORT)):
            name = (folder / run_files.MANIFEST).relative_to(home).as_posix()
            # A run that keeps its checkpoints outside its directory, behind a link, does not list them.
            is_covered = name in storage.listed_files(home) or folder.resolve().is_relative_to(home.resolve())
            if is_covered and storage.changed_files(home, [name]):
                return True
    return False


def _refuse_nan(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    for name, value in weights.items():
        if value.is_floating_point() and value.isnan().any():
            raise InputError(f"the weights {name} in {path} are NaN: pass a checkpoint from before that")


def _check_encoder(model: nn.Module, task: Task, made_of: dict[str, Any]) -> None:
    sha256 = freeze.Proof.begin(model, "all").sha256
    encoder = network.encoder_fingerprint(sha256, task.encoder_key())
    if made_of.get("encoder") != encoder or made_of["model"] != task.fingerprint():
        name = task.run.encoder
        raise InputError(f"the encoder '{name}' is not the one that this head was trained on: restore it")
