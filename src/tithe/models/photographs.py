"""Photographs as examples: read from their files when they are collated, as crops or as an encoder's views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from tithe import config, storage
from tithe.arrays import Array, Rows
from tithe.data import Dataset
from tithe.errors import InputError
from tithe.imaging import augment, crops, decode, degradations, files, folders, views
from tithe.models.examples import Batch

_PATCH = 16  # pixels of a side, of most encoders
_VERSION = 1  # of the features' key: raise it when the same files would give other views


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
        Name of a degradation, one of `degradations.NAMES`: of each crop, or of the picture before its views.
    is_viewed
        Whether the inputs are those of an encoder, `views.views` of a picture, and not crops alone.
    """

    root: Path
    dataset: Dataset
    settings: config.Images
    seed: int
    epoch: int | None = None
    change: str | None = None
    is_viewed: bool = False

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def lengths(self) -> Rows | None:
        """What each picture costs, in patches of an encoder's views; None for crops, which cost the same."""
        if not self.is_viewed:
            return None
        patches = (1 + self.settings.crops) * (self.settings.size // _PATCH) ** 2
        return np.full(len(self), max(1, patches))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels that an encoder sees, without labels."""
        files = self._column("sha256").tolist()
        return storage.digest([_VERSION, files, self.settings.size, self.settings.crops])

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

    def alone(self) -> ImageExamples:
        """Return a view of a data set of these rows and of no others."""
        return replace(self, dataset=self.dataset.alone())

    def at_epoch(self, epoch: int) -> ImageExamples:
        """Return the same photographs, augmented for an epoch of training."""
        return replace(self, epoch=epoch)

    def changed(self, change: str | None) -> ImageExamples:
        """Return the centre crops of the same photographs, degraded in a named way."""
        return replace(self, change=change, settings=self.settings.model_copy(update={"crops": 1}))

    def whole(self, row: int) -> Array:
        """Return a complete photograph of this view, uint8, shape (H, W, 3)."""
        path = folders.located(self.root, self.dataset.inputs(row, row + 1)[0])
        try:
            return decode.read_usable(path, self.settings.max_pixels)
        except files.Unreadable as error:
            raise InputError(
                f"{path} can't be read ({files.REASONS[error.reason]}): restore a readable image"
            ) from None

    def centre(self, row: int) -> Array:
        """Return the centre crop of a photograph of this view, uint8, shape (S, S, 3)."""
        centre: Array = crops.even(self.whole(row), self.settings.size, 1)[0]
        return centre

    def collate(self, rows: Rows) -> Batch:
        """Return images uint8 (B, 3, S, S), or (B, K, 3, S, S) for several crops or views, and labels (B,)."""
        read = [self._pieces(int(row)) for row in rows]
        return {"images": channels_first(read), "labels": torch.from_numpy(self.labels[rows])}

    def _pieces(self, row: int) -> Array:
        image_HW3 = self.whole(row)
        if self.epoch is None:
            return pieces(image_HW3, self.settings, self.is_viewed, self.change)
        # Twins share the random generator: they are cropped at the same place and augmented in the same way.
        rng = np.random.default_rng([self.seed, 0x1A6E, self.epoch, int(self.groups[row])])
        if self.is_viewed:
            return views.views(self._augmented(image_HW3, rng), self.settings.size, self.settings.crops)
        return self._augmented(crops.random(image_HW3, self.settings.size, rng), rng)

    def _augmented(self, piece: Array, rng: np.random.Generator) -> Array:
        if self.settings.augment == "none":
            return piece
        recipe = augment.draw(rng)
        return augment.apply(
            recipe if self.settings.augment == "all" else augment.Recipe(recipe.flip, recipe.turns), piece
        )


def pieces(image_HW3: Array, settings: config.Images, is_viewed: bool, change: str | None = None) -> Array:
    """Return what a network sees of a picture outside training.

    Returns
    -------
    Evenly spaced crops (K, S, S, 3), or a single one as (S, S, 3): an average of one would round it. An encoder's
    views, shape (1 + K, S, S, 3).
    """
    if is_viewed:
        seen_HW3 = degradations.by_name(change)(image_HW3) if change else image_HW3
        return views.views(seen_HW3, settings.size, settings.crops)
    even = degradations.even_crops(image_HW3, settings.size, settings.crops, change)
    return even[0] if settings.crops == 1 else even


def channels_first(arrays: Sequence[Array]) -> torch.Tensor:
    """Stack arrays (…, S, S, 3) to a tensor (B, …, 3, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.stack(arrays), -1, -3)))
