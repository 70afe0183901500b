"""A trained classifier, ready to predict; `opening` loads it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tithe import config, storage
from tithe.arrays import Array
from tithe.checkpoints import store
from tithe.data import LabelMap
from tithe.errors import InputError
from tithe.metrics.calibration import Calibration
from tithe.metrics.temperature import Temperature
from tithe.models import features, inference, network
from tithe.models.classifier import Classifier
from tithe.models.examples import Batch, Encodable, Examples, Truncated
from tithe.models.foundation import detector
from tithe.predict import occlusion
from tithe.predict.abstention import Abstention
from tithe.predict.abstention import load as load_abstention
from tithe.predict.explanation import Explanation
from tithe.predict.inputs import listed
from tithe.predict.prediction import Answered, Prediction, PredictionList, answers
from tithe.progress import Tick
from tithe.storage import run_files
from tithe.tasks import Task


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
    weights_file
        File of weights that was loaded in place of the checkpoint's own; None if there is none.
    """

    model: nn.Module
    task: Task
    labels: LabelMap
    run: config.Run
    progress: dict[str, Any]
    accelerator: Accelerator
    folder: Path
    exact: bool = False
    weights_file: Path | None = None

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
        assert isinstance(self.model, features.Embedder) and isinstance(examples, Encodable)
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
            assert isinstance(self.model, features.Embedder)
            if not isinstance(examples, features.Features):
                examples = features.computed(self.model, examples, self.accelerator, batch_size)
            reader = features.Probe(self.model.head)
        outputs = inference.logits(reader, examples, at_once, autocast=self._autocast, tick=tick)
        return inference.finite(outputs, "the network's outputs")

    def outputs_to_answer(
        self, examples: Examples, batch_size: int | None = None, tick: Tick = lambda rows: None
    ) -> tuple[Array, Array | None]:
        """Return the outputs, and the embeddings that `abstention` reads; None if it reads none."""
        if self.abstention and self.abstention.distance:
            return self.outputs_and_embeddings(examples, batch_size, tick)
        return self.outputs(examples, batch_size, tick), None

    def outputs_and_embeddings(
        self, examples: Examples, batch_size: int | None = None, tick: Tick = lambda rows: None
    ) -> tuple[Array, Array]:
        """Return the outputs, and the pooled states of the encoder, shape (N, D), of one pass; see `outputs`."""
        model = self.model
        assert isinstance(model, features.Embedder)
        if self._is_on_features:
            if not isinstance(examples, features.Features):
                examples = features.computed(model, examples, self.accelerator, batch_size)
            return self.outputs(examples, batch_size, tick), np.asarray(examples.values[examples.rows])

        cuts = inference.batches(examples, batch_size or self.rows_at_once)
        values = inference.forward(model, self._both, examples, cuts, self._autocast, tick)
        return self._apart(values)

    def _both(self, batch: Batch) -> torch.Tensor:
        assert isinstance(self.model, features.Embedder)
        states_BD = self.model.embed(batch)
        return torch.cat([self.model.head(states_BD).float(), states_BD.float()], dim=1)

    def _apart(self, values_NV: Array) -> tuple[Array, Array]:
        """Return the outputs and the embeddings, which are one beside the other in each row."""
        columns = detector.OUTPUTS if isinstance(self.model, detector.Foundation) else len(self.labels)
        outputs_NC, embeddings_ND = np.split(inference.finite(values_NV, "the network's outputs"), [columns], axis=1)
        return outputs_NC, embeddings_ND

    def probabilities(
        self, examples: Examples, batch_size: int | None = None, tick: Tick = lambda rows: None
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return class probabilities, calibrated by the temperature if there is one, shape (N, C); see `outputs`."""
        return self.calibrated(self.outputs(examples, batch_size, tick))

    def batch_probabilities(self, batch: Batch) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the class probabilities of one batch, shape (B, C)."""
        values_BC = inference.of_batch(self.model, self.model, batch, self._autocast)
        return self.calibrated(inference.finite(values_BC, "the network's outputs"))

    def batch_answers(self, batch: Batch) -> tuple[np.ndarray[Any, np.dtype[np.float64]], Array | None]:
        """Return the class probabilities of one batch, and the embeddings that `abstention` reads, None without it."""
        if not (self.abstention and self.abstention.distance):
            return self.batch_probabilities(batch), None
        outputs, embeddings_BD = self._apart(inference.of_batch(self.model, self._both, batch, self._autocast))
        return self.calibrated(outputs), embeddings_BD

    def calibrated(self, outputs: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the class probabilities of the network's outputs, shape (N, C), by the temperature if there is one."""
        return self.task.probabilities(self.temperature.apply(outputs) if self.temperature else outputs)

    @cached_property
    def temperature(self) -> Temperature | None:
        """The temperature of a classifier; None if the checkpoint has none or it belongs to other weights."""
        saved = None if self.run.task == "image" else self._saved_calibration()
        return None if saved is None else Temperature.from_dict(saved)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration of a detector; None if the checkpoint has none or it belongs to other weights."""
        saved = self._saved_calibration() if self.run.task == "image" else None
        return None if saved is None else Calibration.from_dict(saved)

    @cached_property
    def abstention(self) -> Abstention | None:
        """The rule by which answers are withheld; None if the checkpoint has none or it belongs to other weights."""
        rule = load_abstention(self.folder, len(self.labels))
        return rule if rule and self.has_own_weights else None

    def _saved_calibration(self) -> dict[str, float] | None:
        path = self.folder / run_files.CALIBRATION
        if not path.exists() or not self.has_own_weights:
            return None
        saved: dict[str, float] = storage.read_json(path)
        return saved

    @property
    def source(self) -> Path:
        """The checkpoint, or the file beside it whose other weights these are."""
        return self.folder if self.weights_file is None or self.has_own_weights else self.weights_file

    @cached_property
    def has_own_weights(self) -> bool:
        """Whether the weights are those of the checkpoint, and not those of another epoch's file beside it."""
        if self.weights_file is None:
            return True
        weights = self.model.state_dict()  # a checkpoint of a head has no weights of its encoder
        return all(torch.equal(weights[name].cpu(), value) for name, value in store.weights(self.folder).items())

    def predict(self, inputs: Iterable[str], batch_size: int | None = None, exact: bool = False) -> PredictionList:
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
        return PredictionList(model.predict_examples(self.task.examples(texts), batch_size) if texts else [])

    def predict_proba(self, inputs: Iterable[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the probabilities of `predict` alone, shape (N, C), a column for each of `labels.names`."""
        probs = [list(prediction.probabilities.values()) for prediction in self.predict(inputs)]
        return np.array(probs, dtype=np.float64).reshape(-1, len(self.labels))

    def embed(self, inputs: Iterable[str]) -> Array:
        """Return the encoder's pooled states of N texts, what the head classifies, float32, shape (N, D).

        Raises
        ------
        InputError
            An input is not a text, or the model classifies images.
        """
        texts = self._texts(inputs, "embed")
        assert isinstance(self.model, Classifier)
        features_of = features.computed(self.model, self.task.examples(texts or [""]), self.accelerator)
        return np.asarray(features_of.values[: len(texts)])

    def explain(self, inputs: Iterable[str]) -> list[Explanation]:
        """Return what each word of N texts contributed to the predicted class; see `occlusion.word_weights`.

        Raises
        ------
        InputError
            An input is not a text, or the model classifies images.
        """
        texts = self._texts(inputs, "explain")
        predictions = self.predict(texts)
        classes_N = self.labels.encode([prediction.label for prediction in predictions])
        words = occlusion.word_weights(texts, classes_N, self.task.examples, self.outputs)
        return list(map(Explanation, texts, predictions, words))

    def _texts(self, inputs: Iterable[str], what: str) -> list[str]:
        if self.run.task == "image":
            raise InputError(
                f"{what} is for texts, and {self.folder} classifies images: 'tithe evaluate' draws heat maps"
            )
        return listed(inputs)

    def predict_examples(
        self, examples: Examples, batch_size: int | None = None, tick: Tick = lambda rows: None
    ) -> list[Prediction]:
        """Classify inputs that the task has made examples of; there is at least one."""
        return list(answers(self.labels.names, *self.answered(examples, batch_size, tick)))

    def answered(self, examples: Examples, batch_size: int | None = None, tick: Tick = lambda rows: None) -> Answered:
        """Return what `predict_examples` makes predictions of."""
        outputs, embeddings_ND = self.outputs_to_answer(examples, 1 if self.exact else batch_size, tick)
        probs_NC, rule = self.calibrated(outputs), self.abstention
        nowhere_N = np.zeros(len(examples), dtype=bool)
        abstained_N = rule.abstains(probs_NC, embeddings_ND) if rule else nowhere_N
        truncated_N = examples.uncut > self.run.model.reach if isinstance(examples, Truncated) else nowhere_N
        return Answered(probs_NC, abstained_N, truncated_N)
