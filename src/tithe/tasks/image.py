"""Detection of generated images: each photograph gets a score, from 0 (fake) to 1 (real)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from tithe import config, metrics, storage
from tithe.arrays import Array, Rows
from tithe.checkpoints.state import CONFIGURATION
from tithe.config import unused
from tithe.data import Dataset, LabelMap, images
from tithe.data.splits import Splits
from tithe.errors import InputError
from tithe.imaging import folders
from tithe.metrics import authenticity
from tithe.models import encoders
from tithe.models.examples import Batch
from tithe.models.forensics import losses
from tithe.models.forensics.detector import Detector
from tithe.models.foundation import detector, encoder
from tithe.models.foundation.encoder import Preprocessing
from tithe.models.partial import adapters, freeze
from tithe.models.photographs import ImageExamples, channels_first, pieces
from tithe.storage import freeze_proof
from tithe.tasks.protocol import Criterion, Task

# Least product of steps and learning rate, and a good rate. On unseen generators, 320 steps gave an AUC near 0.6 at a
# rate of 1.25e-5, and of 0.95 at 2e-4.
_LEAST_WAY, _GOOD_RATE = 0.02, 2e-4
# The same of a head on features, which is trained from 0 and tolerates more.
_LEAST_WAY_OF_HEAD, _GOOD_RATE_OF_HEAD = 0.1, 1e-3
_COLUMNS = ("text_column", "label_column", "split_column", "weight_column")
_TEXT_DATA = (f"data.{key}" for key in (*_COLUMNS, "label_mapping", "corrections", "validation", "test", "embeddings"))
_FOR_TEXTS = ("select", "model", *_TEXT_DATA, "train.label_smoothing", "tune.dropout", "tune.dropout_of")


class Pretrained(NamedTuple):
    """The encoder of `images.mode foundation`.

    Attributes
    ----------
    configuration
        Its Hugging Face configuration.
    preprocessing
        How its inputs are made.
    source
        Folder or hub name of its weights, None if they come from a checkpoint.
    """

    configuration: Any
    preprocessing: Preprocessing
    source: str | None


@dataclass(frozen=True)
class Image:
    """The image task of one run.

    Attributes
    ----------
    run
        The config; its `images` section describes the detector.
    pretrained
        The encoder that the detector's head is on; None for a detector of pixels.
    """

    progress_label: ClassVar = ("listing", "images")

    run: config.Run
    pretrained: Pretrained | None = None

    @property
    def source(self) -> str | None:
        """Folder or hub name of the pretrained weights; None if there are none, or a checkpoint contains them."""
        return self.pretrained.source if self.pretrained else None

    @property
    def rows_at_once(self) -> int:
        """Batch size of evaluation, in images: their crops take about a gigabyte."""
        return max(1, 32 // self.settings.crops)

    @property
    def settings(self) -> config.Images:
        """The config's `images` section."""
        return self.run.images

    def load(self) -> Splits:
        """Return the config's photographs, checked and split; see `images.load_images`."""
        return images.load_images(self.run.data, self.settings, self.run.seed)

    def with_data(self, path: Path, layout: config.Layout | None = None) -> Image:
        """Return the same task on other labelled photographs."""
        written = (layout or (self.run.data.layout if path.is_file() else config.Layout())).model_dump()
        data = config.Data(path=str(path), **written)
        return Image(self.run.model_copy(update={"data": data}), self.pretrained)

    def load_labelled(self) -> tuple[Dataset, LabelMap, Mapping[str, int]]:
        """Return every usable photograph of the config's gallery, and what was left out; see `images.ingest`."""
        dataset, labels, folder = images.ingest(self.run.data, self.settings)
        return dataset, labels, storage.read_json(folder / "report.json")["dropped"]

    def warnings(self, rates: Sequence[float], is_new: bool) -> list[str]:
        """Return a warning if the steps and the learning rate that they reach are too small to train a detector."""
        least, good = (_LEAST_WAY_OF_HEAD, _GOOD_RATE_OF_HEAD) if self.pretrained else (_LEAST_WAY, _GOOD_RATE)
        steps, rate = len(rates), max(rates, default=0.0)
        if not steps or steps * rate >= least:
            return []
        short = "are too few to train a new detector" if is_new else "hardly change a trained detector"
        raise_it = "set" if is_new else "restart the schedule with checkpoint.reset_lr and set"
        highest = max(rate, self.run.train.learning_rate) if is_new else rate  # a warmup may not have reached it yet
        is_low = highest < good and not self.settings.lora  # of adapters no rate is known to be good
        cure = f"{raise_it} the rate to {good:g}, or train longer" if is_low else "train longer"
        return [f"{steps} steps at a learning rate of {rate:g} {short}: {cure}"]

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return a fresh detector; its two classes are fake and real. A foundation encoder is frozen.

        Raises
        ------
        InputError
            The encoder's weights can't be loaded, it can't be run on images, or can't have the adapters.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.pretrained is None:
                return Detector(self.settings.mode)  # type: ignore[arg-type]  # foundation has an encoder
            own, name = self.pretrained, self.settings.encoder
            network = encoder.build(own.configuration, own.source, own.preprocessing, name)
            pooled, inner = encoder.widths(network, own.preprocessing, name)
            head = detector.head(self.settings, 2 * (pooled + inner))
            model = detector.Foundation(network, head, 2 * pooled)
            if self.settings.lora and own.source is not None:  # a checkpoint has them in its weights
                adapters.add(model, self.settings.lora)
        if self.run.train.checkpoint_activations and adapters.are_in(model):
            encoders.checkpoint_activations(network.network, name)
        freeze.freeze(model, freeze_proof.LORA if adapters.are_in(model) else "all")
        return model

    def fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must match to be loaded."""
        s = self.settings
        if self.pretrained is None:
            return {"detector": s.mode}
        hidden = s.hidden_dim if s.head == "mlp" else None
        lora = {"lora": json.dumps(s.lora.model_dump(mode="json"))} if s.lora else {}
        return {"detector": s.mode, "head": s.head, "hidden_dim": hidden, **self.encoder_key(), **lora}

    def encoder_key(self) -> dict[str, str]:
        """Return the hash of the encoder's configuration, the views and the states; nothing without an encoder."""
        if self.pretrained is None:
            return {}
        config_sha256 = encoders.config_hash(self.pretrained.configuration)
        views = f"whole and {self.settings.crops} of {self.settings.size}"
        return {"config": config_sha256, "views": views, "states": encoder.STATES}

    def save(self, folder: Path) -> None:
        """Write the configuration and preprocessing of an encoder; without one, the config is enough."""
        if self.pretrained:
            self.pretrained.configuration.save_pretrained(folder / CONFIGURATION)
            self.pretrained.preprocessing.save(folder / CONFIGURATION)

    def encode(self, dataset: Dataset, tick: Callable[[int], object] = lambda rows: None) -> ImageExamples:
        """Return a data set's photographs as examples; no file is opened."""
        tick(len(dataset))
        return self._examples(images.root(Path(self.run.data.path)), dataset)

    def examples(self, inputs: Sequence[str]) -> ImageExamples:
        """Return image files as examples, by paths relative to the current folder; they are read when collated."""
        rows = np.arange(len(inputs))
        table = pa.table({"id": rows, "input": pa.array(map(folders.shown, inputs), pa.string())})
        dataset = Dataset(table, rows, np.zeros(len(inputs), dtype=np.int64), source="paths")
        return self._examples(Path(), dataset)

    def _examples(self, root: Path, dataset: Dataset) -> ImageExamples:
        is_viewed = self.pretrained is not None
        return ImageExamples(root, dataset, self.settings, self.run.seed, is_viewed=is_viewed)

    def batch(self, photographs: Sequence[Array]) -> Batch:
        """Return evenly spaced crops of photographs in memory, uint8 (B, K, 3, S, S), or (B, 3, S, S) for one crop.

        For an encoder, the whole picture comes before the crops.
        """
        is_viewed = self.pretrained is not None
        return {"images": channels_first([pieces(image_HW3, self.settings, is_viewed) for image_HW3 in photographs])}

    def probabilities(self, outputs: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the probabilities of fake and real, shape (N, 2); the latter is the score."""
        real_N = _score(outputs)
        return np.stack([1 - real_N, real_N], axis=1)

    def scores(self, labels_N: Rows, outputs: Array) -> dict[str, float]:
        """Return the validation scores: the loss and its parts over all rows, the ranking loss over all their pairs."""
        outputs_N3 = torch.from_numpy(np.asarray(outputs))
        parts = losses.parts(outputs_N3, torch.from_numpy(labels_N), self.settings.margin)
        total = float(losses.total(parts, self._weights))
        probs_N2 = self.probabilities(outputs)
        values = {name: float(part) for name, part in parts.items()}
        auc = authenticity.summary(labels_N, probs_N2[:, 1])["auc"]
        area = {} if auc is None else {"auc": float(auc)}  # undefined for one class
        # `total` is the documented name of `loss`.
        return {**metrics.summary(labels_N, probs_N2), **values, "total": total, "loss": total, **area}

    def criterion(self, label_smoothing: float = 0.0, class_weights: Array | None = None) -> Criterion:
        """Return the loss of a batch times its rows, and the three parts likewise.

        Ranking uses the pairs within a batch: with several micro-batches it differs from that of the complete step.
        """

        def loss(outputs_B3: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            parts, rows = losses.parts(outputs_B3, batch["labels"], self.settings.margin), len(outputs_B3)
            return losses.total(parts, self._weights) * rows, {name: part * rows for name, part in parts.items()}

        return loss

    @property
    def _weights(self) -> Mapping[str, float]:
        s = self.settings
        weights = s.regression_weight, s.classification_weight, s.ranking_weight
        return dict(zip(("regression", "classification", "ranking"), weights, strict=True))


def check(run: config.Run) -> None:
    """Check a config's data settings before any data is read."""
    images.open_gallery(Path(run.data.path), run.data.reader, run.data.layout)
    if run.data.class_weights:
        raise InputError("data.class_weights is for texts: set data.upsample to balance images")
    if run.model.lora:
        raise InputError("model.lora is for texts: set images.lora for the encoder of images.mode foundation")
    unused.refuse(run, _FOR_TEXTS, "texts", "images")
    s = run.images
    if not s.regression_weight + s.classification_weight + s.ranking_weight:
        raise InputError("images: the three weights of the loss are 0: raise one, such as images.regression_weight")


def open(run: config.Run) -> Task:
    """Return the task of a config; a foundation encoder is located, and decides the side of the crops.

    Raises
    ------
    InputError
        There is no such encoder, it is not one of images or can't have the adapters, or `images.size` is not its own.
    """
    if run.images.mode != "foundation":
        return Image(run)
    name = run.images.encoder
    source = encoders.find(name, "images.encoder")
    pretrained = Pretrained(*encoder.open_parts(source, name), source)
    if run.images.lora:
        adapters.check(encoder.skeleton(pretrained.configuration, pretrained.preprocessing, name), run.images.lora)
    return _on_encoder(run, source, pretrained)


def restore(run: config.Run, folder: Path, fingerprint: Mapping[str, Any]) -> Task:
    """Return the task of a checkpoint.

    Raises
    ------
    InputError
        Its encoder's configuration is missing or damaged.
    """
    if run.images.mode != "foundation":
        return Image(run)
    parts = encoder.open_parts(folder / CONFIGURATION, str(folder))
    return _on_encoder(run, str(folder), Pretrained(*parts, None))


def _on_encoder(run: config.Run, where: str, pretrained: Pretrained) -> Image:
    side = pretrained.preprocessing.side
    if run.images.size not in (side, config.Images.model_fields["size"].default):
        raise InputError(f"images.size {run.images.size}: the encoder in {where} takes {side} pixels: leave it out")
    sized = run.images.model_copy(update={"size": side})
    return Image(run.model_copy(update={"images": sized}), pretrained)


def _score(outputs_N3: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the sigmoid of the first output, shape (N,)."""
    real_N: Array = torch.from_numpy(np.asarray(outputs_N3[:, 0])).double().sigmoid().numpy()
    return real_N
