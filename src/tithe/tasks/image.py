"""Detection of generated images: each photograph gets a score, from 0 (fake) to 1 (real)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch

from tithe import config, metrics
from tithe.arrays import Array, Rows
from tithe.config import unused
from tithe.data import Dataset, LabelMap, images
from tithe.data.splits import Splits
from tithe.errors import InputError
from tithe.imaging import augment, crops, decode, degradations, files
from tithe.metrics import authenticity
from tithe.models.examples import Batch
from tithe.models.forensics import losses
from tithe.models.forensics.detector import Detector
from tithe.tasks.protocol import Criterion, Task

# Least product of steps and learning rate, and a good rate. On unseen generators, 320 steps gave an AUC near 0.6 at a
# rate of 1.25e-5, and of 0.95 at 2e-4.
_LEAST_WAY, _GOOD_RATE = 0.02, 2e-4
_COLUMNS = ("text_column", "label_column", "split_column", "weight_column")
_TEXT_DATA = (f"data.{key}" for key in (*_COLUMNS, "label_mapping", "corrections", "validation", "test", "embeddings"))
_FOR_TEXTS = ("select", "model", *_TEXT_DATA, "train.label_smoothing", "tune.dropout", "tune.dropout_of")


@dataclass(frozen=True)
class ImageExamples:
    """Photographs, read from their files when they are collated.

    Attributes
    ----------
    root
        Folder that the paths in the data set are relative to.
    dataset
        The view of the data set with these rows.
    settings
        The config's `images` section.
    seed
        With the epoch, determines the crops and their augmentation.
    epoch
        None outside training: crops are then evenly spaced and not augmented.
    change
        Name of a degradation of each crop, one of `degradations.NAMES`.
    """

    lengths: ClassVar[None] = None  # all crops cost the same

    root: Path
    dataset: Dataset
    settings: config.Images
    seed: int
    epoch: int | None = None
    change: str | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def ids(self) -> Rows:
        """Positions in the gallery, shape (N,)."""
        return self.dataset.ids

    @property
    def labels(self) -> Rows:
        """1 real, 0 fake; shape (N,)."""
        return self.dataset.labels

    @property
    def paths(self) -> list[str]:
        """Paths of the files, from `root`."""
        return self.dataset.inputs()

    @cached_property
    def generators(self) -> Array:
        """The generator of each fake, and of the fakes in the same folder for each real one; shape (N,)."""
        return self._column("generator")

    @cached_property
    def groups(self) -> Rows:
        """A number that a real photograph and its fake twin share, shape (N,)."""
        pairs_N = self._column("pair") if self.settings.twins else np.full(len(self), None)
        numbers = {pair: i for i, pair in enumerate(dict.fromkeys(p for p in pairs_N if p is not None))}
        alone_N = len(numbers) + self.dataset.rows
        return np.array(
            [numbers.get(pair, alone) for pair, alone in zip(pairs_N, alone_N, strict=True)], dtype=np.int64
        )

    def _column(self, name: str) -> Array:
        column: Array = self.dataset.table.column(name).to_numpy()[self.dataset.rows]
        return column

    def take(self, rows: Rows) -> ImageExamples:
        """Return a view of the given rows of this view."""
        return replace(self, dataset=self.dataset.take(rows))

    def at_epoch(self, epoch: int) -> ImageExamples:
        """Return the same photographs, augmented for an epoch of training."""
        return replace(self, epoch=epoch)

    def changed(self, change: str | None) -> ImageExamples:
        """Return the centre crops of the same photographs, degraded in a named way."""
        return replace(self, change=change, settings=self.settings.model_copy(update={"crops": 1}))

    def whole(self, row: int) -> Array:
        """Return a complete photograph of this view, uint8, shape (H, W, 3)."""
        path = self.root / self.dataset.inputs(row, row + 1)[0]
        try:
            return decode.read(path, self.settings.max_pixels)
        except files.Unreadable as error:
            raise InputError(f"{path} can't be read ({error}): restore a readable image") from None

    def centre(self, row: int) -> Array:
        """Return the centre crop of a photograph of this view, uint8, shape (S, S, 3)."""
        centre: Array = crops.even(self.whole(row), self.settings.size, 1)[0]
        return centre

    def collate(self, rows: Rows) -> Batch:
        """Return images uint8 (B, 3, S, S), or (B, K, 3, S, S) outside training, and labels (B,)."""
        pieces = [self._pieces(int(row)) for row in rows]
        return {"images": _channels_first(pieces), "labels": torch.from_numpy(self.labels[rows])}

    def _pieces(self, row: int) -> Array:
        if self.epoch is None:
            return _even(self.whole(row), self.settings, self.change)
        # Twins share the random generator: they are cropped at the same place and augmented in the same way.
        rng = np.random.default_rng([self.seed, 0x1A6E, self.epoch, int(self.groups[row])])
        piece = crops.random(self.whole(row), self.settings.size, rng)
        if self.settings.augment == "none":
            return piece
        recipe = augment.draw(rng)
        return augment.apply(
            recipe if self.settings.augment == "all" else augment.Recipe(recipe.flip, recipe.turns), piece
        )


@dataclass(frozen=True)
class Image:
    """The image task of one run.

    Attributes
    ----------
    run
        The config; its `images` section describes the detector.
    """

    progress_label: ClassVar = ("listing", "images")
    source: ClassVar[None] = None  # nothing is pretrained

    run: config.Run

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
        return Image(self.run.model_copy(update={"data": config.Data(path=str(path), **written)}))

    def load_labelled(self) -> tuple[Dataset, LabelMap]:
        """Return every usable photograph of the config's gallery; see `images.ingest`."""
        return images.ingest(self.run.data, self.settings)[:2]

    def warnings(self, rates: Sequence[float], is_new: bool) -> list[str]:
        """Return a warning if the steps and the learning rate that they reach are too small to train a detector."""
        steps, rate = len(rates), max(rates, default=0.0)
        if not steps or steps * rate >= _LEAST_WAY:
            return []
        short = "are too few to train a new detector" if is_new else "hardly change a trained detector"
        raise_it = "set" if is_new else "restart the schedule with checkpoint.reset_lr and set"
        cure = f"{raise_it} the rate to {_GOOD_RATE:g}, or train longer" if rate < _GOOD_RATE else "train longer"
        return [f"{steps} steps at a learning rate of {rate:g} {short}: {cure}"]

    def build(self, classes: int, seed: int) -> Detector:
        """Return a fresh detector; its two classes are fake and real."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Detector(self.settings.mode)

    def fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must match to be loaded."""
        return {"detector": self.settings.mode}

    def encoder_key(self) -> dict[str, str]:
        """Return nothing: a detector has no encoder to freeze."""
        return {}

    def save(self, folder: Path) -> None:
        """Write nothing: the config is enough to rebuild a detector."""

    def encode(self, dataset: Dataset, tick: Callable[[int], object] = lambda rows: None) -> ImageExamples:
        """Return a data set's photographs as examples; no file is opened."""
        tick(len(dataset))
        return ImageExamples(images.root(Path(self.run.data.path)), dataset, self.settings, self.run.seed)

    def examples(self, inputs: Sequence[str]) -> ImageExamples:
        """Return image files as examples, by paths relative to the current folder; they are read when collated."""
        rows = np.arange(len(inputs))
        table = pa.table({"id": rows, "input": pa.array(inputs, pa.string())})
        dataset = Dataset(table, rows, np.zeros(len(inputs), dtype=np.int64), source="paths")
        return ImageExamples(Path(), dataset, self.settings, self.run.seed)

    def batch(self, photographs: Sequence[Array]) -> Batch:
        """Return evenly spaced crops of photographs in memory, uint8 (B, K, 3, S, S), or (B, 3, S, S) for one crop."""
        return {"images": _channels_first([_even(image_HW3, self.settings) for image_HW3 in photographs])}

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
    unused.refuse(run, _FOR_TEXTS, "texts", "images")
    s = run.images
    if not s.regression_weight + s.classification_weight + s.ranking_weight:
        raise InputError("images: the three weights of the loss are 0: raise one, such as images.regression_weight")


def open(run: config.Run) -> Task:
    """Return the task of a config."""
    return Image(run)


def restore(run: config.Run, folder: Path, fingerprint: Mapping[str, Any]) -> Task:
    """Return the task of a checkpoint."""
    return Image(run)


def _even(image_HW3: Array, settings: config.Images, change: str | None = None) -> Array:
    """Return evenly spaced crops (K, S, S, 3), or a single one as (S, S, 3): an average of one would round it."""
    pieces = degradations.even_crops(image_HW3, settings.size, settings.crops, change)
    return pieces[0] if settings.crops == 1 else pieces


def _channels_first(pieces: Sequence[Array]) -> torch.Tensor:
    """Stack arrays (…, S, S, 3) to a tensor (B, …, 3, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.stack(pieces), -1, -3)))


def _score(outputs_N3: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the sigmoid of the first output, shape (N,)."""
    real_N: Array = torch.from_numpy(np.asarray(outputs_N3[:, 0])).double().sigmoid().numpy()
    return real_N
