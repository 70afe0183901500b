"""A trained classifier, loaded from a checkpoint, which contains weights, tokenizer and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tithe import config, storage, tasks
from tithe.arrays import Array
from tithe.checkpoints import locate, store
from tithe.checkpoints.state import STATE
from tithe.data import LabelMap
from tithe.errors import InputError
from tithe.metrics.calibration import Calibration
from tithe.models import features, freeze, inference, network, padding, trial_pass
from tithe.models.classifier import Classifier
from tithe.models.examples import Batch, Encodable, Examples
from tithe.predict.inputs import listed
from tithe.predict.prediction import Prediction
from tithe.progress import Tick
from tithe.storage import run_files
from tithe.tasks import Task
from tithe.train import devices


@dataclass(frozen=True)
class TrainedModel:
    """A network with its task and labels, ready to predict.

    Attributes
    ----------
    run
        Resolved config of the run that trained it.
    progress
        Content of the checkpoint's `state.json`.
    folder
        Checkpoint that it was loaded from.
    exact
        Whether each input is predicted in a batch of its own, in float32; see `exactly`.
    """

    model: nn.Module
    task: Task
    labels: LabelMap
    run: config.Run
    progress: dict[str, Any]
    accelerator: Accelerator
    folder: Path
    exact: bool = False

    def exactly(self) -> TrainedModel:
        """Return the same model with outputs that do not depend on other inputs, in any order or number.

        Otherwise they depend on the batch in their last digits: in bf16 in the fourth, in float32 in the seventh.
        """
        return replace(self, exact=True)

    @property
    def rows_at_once(self) -> int:
        """Batch size of `outputs`: that of the run's own evaluation, or 1 if the model is exact."""
        return 1 if self.exact else self.task.rows_at_once

    @property
    def _autocast(self) -> inference.Autocast:
        return nullcontext if self.exact else self.accelerator.autocast

    @property
    def _is_on_features(self) -> bool:
        return bool(self.progress.get("on_features")) and not self.exact

    def inputs(self, examples: Examples) -> Examples:
        """Return what the run's own evaluation read: a frozen encoder's features if it trained on them.

        They come from the feature cache, and are computed if they are missing. Features depend on their batches,
        which are those of all given rows: for the run's own rows, pass the whole data set, and then `take` a part.
        """
        if not self._is_on_features:
            return examples
        assert isinstance(self.model, Classifier) and isinstance(examples, Encodable)
        return network.frozen_features(self.model, self.task.encoder_key(), examples, self.accelerator)

    def outputs(self, examples: Examples, batch_size: int | None = None, tick: Tick = lambda rows: None) -> Array:
        """Return the network's outputs for every row, shape (N, …), equal to those of the run for the same rows.

        Parameters
        ----------
        examples
            Rows encoded by the task, or the result of `inputs`.
        batch_size
            That of the run's own evaluation when unset; another one affects the last digits.
        tick
            Called with the number of rows of each finished batch.

        Raises
        ------
        TitheError
            An output is not finite.
        """
        at_once, reader = batch_size or self.rows_at_once, self.model
        if self._is_on_features:
            assert isinstance(self.model, Classifier)
            if not isinstance(examples, features.Features):
                examples = features.computed(self.model, examples, self.accelerator, batch_size)
            reader = features.Probe(self.model.head)
        outputs = inference.logits(reader, examples, at_once, autocast=self._autocast, tick=tick)
        return inference.finite(outputs, "the network's outputs")

    def probabilities(
        self, examples: Examples, batch_size: int | None = None, tick: Tick = lambda rows: None
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return class probabilities, shape (N, C); see `outputs`."""
        return self.task.probabilities(self.outputs(examples, batch_size, tick))

    def batch_probabilities(self, batch: Batch) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the class probabilities of one batch, shape (B, C)."""
        values_BC = inference.of_batch(self.model, self.model, batch, self._autocast)
        inference.finite(values_BC, "the network's outputs")
        return self.task.probabilities(values_BC)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration in the checkpoint; None if there is none or it belongs to other weights."""
        path = self.folder / run_files.CALIBRATION
        if not path.exists():
            return None
        calibrated_weights, weights = store.weights(self.folder), self.model.state_dict()
        if not all(torch.equal(value.cpu(), calibrated_weights[name]) for name, value in weights.items()):
            return None  # an epoch file is loaded with the calibration of its folder's best checkpoint
        return Calibration.from_dict(storage.read_json(path))

    def predict(self, inputs: Iterable[str], batch_size: int | None = None, exact: bool = False) -> list[Prediction]:
        """Classify inputs; the predictions are in the same order.

        Parameters
        ----------
        inputs
            N texts, or paths of images: a list, a generator, a Series or an array of one dimension. A single str is
            one input.
        batch_size
            That of the run's own evaluation when unset: the same inputs then give the same predictions.
        exact
            Predict each input in a batch of its own, in float32, whatever the batch size is: slower, but no
            prediction depends on other inputs. See `exactly`.

        Returns
        -------
        N predictions.

        Raises
        ------
        InputError
            An input is not a text, or an image can't be read; the message names it.
        """
        model = self.exactly() if exact else self
        texts = listed(inputs, paths=self.run.task == "image")
        return model.predict_examples(self.task.examples(texts), batch_size) if texts else []

    def predict_examples(self, examples: Examples, batch_size: int | None = None) -> list[Prediction]:
        """Classify inputs that the task has made examples of; there is at least one."""
        probs_NC = self.probabilities(examples, 1 if self.exact else batch_size)
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
    return TrainedModel(model.to(accelerator.device).eval(), task, labels, run, progress, accelerator, folder)


def _running(model: Classifier, task: Task, accelerator: Accelerator) -> Accelerator:
    """Return the accelerator, or one in float32 where the model can't be run in its precision, as its run did."""
    batch = task.examples(padding.SHORT_AND_LONG).collate(np.arange(2))
    with torch.no_grad():
        if trial_pass.failure(model, batch, accelerator.autocast, accelerator.device) is None:
            return accelerator
    return devices.accelerator(accelerator.device.type, "no")


def predict(
    checkpoint: str | Path, inputs: Iterable[str], batch_size: int | None = None, exact: bool = False
) -> list[Prediction]:
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
        name = task.run.model.encoder
        raise InputError(f"the encoder '{name}' is not the one that this head was trained on: restore it")
