"""From inputs to probabilities with what is in an export's folder, as its users do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from tithe import config, storage
from tithe.arrays import Array
from tithe.errors import InputError
from tithe.imaging import crops, decode, files
from tithe.models import inference, vocabulary
from tithe.progress import Tick

CROPS = "preprocessor_config.json"  # of images: how they become crops
Probs = np.ndarray[Any, np.dtype[np.float64]]


class Network(Protocol):
    """Maps a batch of arrays to outputs, shape (B, …), float32."""

    def __call__(self, batch: Mapping[str, Array]) -> Array: ...  # noqa: D102


class Preparation(Protocol):
    """What happens to inputs before the network, and to outputs after it.

    Attributes
    ----------
    at_once
        Most inputs whose batch takes little memory.
    """

    at_once: ClassVar[int]

    def batch(self, inputs: Sequence[str]) -> Mapping[str, Array]:
        """Return the network's inputs for texts, or for images by their paths."""
        ...

    def probabilities(self, outputs: Array) -> Probs:
        """Return class probabilities, shape (N, C), of the network's outputs."""
        ...


@dataclass(frozen=True)
class Texts:
    """Texts as token ids, by the tokenizer in the folder."""

    at_once: ClassVar[int] = 1 << 20

    tokenizer: Any

    def batch(self, inputs: Sequence[str]) -> Mapping[str, Array]:
        """Return input_ids and attention_mask, int64, shape (B, T)."""
        options = {"padding": len(inputs) > 1, "truncation": True, "return_attention_mask": True}
        encoded = self.tokenizer(list(inputs), return_tensors="np", **options)
        return {name: encoded[name].astype(np.int64) for name in ("input_ids", "attention_mask")}

    def probabilities(self, outputs: Array) -> Probs:
        """Return the softmax of logits."""
        return inference.softmax(outputs)


@dataclass(frozen=True)
class Pictures:
    """Images as evenly spaced crops, never resized."""

    at_once: ClassVar[int] = 4

    settings: config.Images

    def batch(self, inputs: Sequence[str]) -> Mapping[str, Array]:
        """Return crops, uint8, shape (B, K, 3, S, S)."""
        return {"crops": np.stack([self._crops(Path(path)) for path in inputs])}

    def _crops(self, path: Path) -> Array:
        try:
            image_HW3 = decode.read(path, self.settings.max_pixels)
        except files.Unreadable as error:
            raise InputError(f"{path} can't be read ({error}): restore a readable image") from None
        pieces_KSS3 = crops.even(image_HW3, self.settings.size, self.settings.crops)
        return np.ascontiguousarray(np.moveaxis(pieces_KSS3, -1, 1))

    def probabilities(self, outputs: Array) -> Probs:
        """Return the probabilities of fake and real: the latter is the sigmoid of the first output."""
        real_N = 1 / (1 + np.exp(-outputs[:, 0].astype(np.float64)))
        return np.stack([1 - real_N, real_N], axis=1)


def open_preparation(folder: Path) -> Preparation:
    """Return what an export's folder says about its inputs."""
    if (folder / CROPS).is_file():
        return Pictures(config.section(config.Images, storage.read_json(folder / CROPS)["images"], CROPS))
    return Texts(vocabulary.open_tokenizer(folder, str(folder)))


def save_crops(settings: config.Images, folder: Path) -> None:
    """Write how images become the network's inputs."""
    how = (
        "RGB as decoded, never resized; `crops` squares of side `size`, evenly spaced; uint8, shape (B, K, 3, S, S); "
        "the score of being real is the sigmoid of the first output"
    )
    own = settings.model_dump(mode="json", include={"size", "crops", "max_pixels"})
    storage.write_json(folder / CROPS, {"images": own, "how": how})


def run(network: Network, preparation: Preparation, inputs: Sequence[str], at_once: int, tick: Tick) -> Probs:
    """Return class probabilities, shape (N, C), of N inputs in batches in their order."""
    step, parts = min(at_once, preparation.at_once), []
    for start in range(0, len(inputs), step):
        batch = inputs[start : start + step]
        parts.append(preparation.probabilities(network(preparation.batch(batch))))
        tick(len(batch))
    return np.concatenate(parts)
