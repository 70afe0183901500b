"""The states of a foundation encoder for every image of a set, computed once for all runs on parts of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from authenticity_photos import CACHE
from trivial_baseline import read_list

from tithe import storage
from tithe.arrays import Array
from tithe.imaging import decode, degradations
from tithe.models import features, inference, network
from tithe.models.features import Embedder, Features, States
from tithe.models.photographs import ImageExamples, channels_first, pieces
from tithe.predict import TrainedModel, load

_AT_ONCE = 8
_MOST_PIXELS = 10**7
_OPPOSITE = {"real": "fake", "fake": "real"}


class Store:
    """Takes the place of the feature cache while it is entered: that one would compute those of each list again."""

    def __init__(self, lists: Iterable[Path], changes: Sequence[str] = tuple(degradations.HARMLESS)) -> None:
        self.changes, parts = changes, {}
        for file in lists:
            self.folder, listed = file.parent, read_list(file)
            parts |= {
                str(path.relative_to(file.parent)): part for path, part in zip(listed.paths, listed.part_N, strict=True)
            }
        self.paths = sorted(parts)
        self.tested = [path for path in self.paths if parts[path] == "test"]

    def __enter__(self) -> Store:
        self._own, features.cached = features.cached, self._cached  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        features.cached = self._own

    def _cached(
        self,
        model: Embedder,
        examples: ImageExamples,
        key: Mapping[str, str],
        accelerator: Accelerator,
        _: States | None = None,
    ) -> Features:
        states = self._states(model, examples.settings, key, accelerator.autocast, None)
        return Features(np.stack([states[path] for path in examples.paths]), np.arange(len(examples)), examples)

    def _states(
        self, model: Embedder, settings: Any, key: Mapping[str, str], autocast: Callable[[], Any], change: str | None
    ) -> dict[str, Array]:
        """Return the states by path: of every image as it is, or of the test images after harmless processing."""
        paths = self.tested if change else self.paths
        digest = storage.digest([dict(key), paths, storage.sha256_file(self.folder / "labels.csv"), change])[:16]
        kept = CACHE / "states" / f"{digest}.npy"
        if not kept.exists():
            process = degradations.HARMLESS[change] if change else lambda image_HW3: image_HW3

            def views(some: Sequence[str]) -> torch.Tensor:
                read = [process(decode.read(self.folder / path, _MOST_PIXELS)) for path in some]
                return channels_first([pieces(image_HW3, settings, True) for image_HW3 in read])

            kept.parent.mkdir(parents=True, exist_ok=True)
            with inference.evaluating(model):
                blocks = [
                    inference.of_batch(model, model.embed, {"images": views(paths[first : first + _AT_ONCE])}, autocast)
                    for first in range(0, len(paths), _AT_ONCE)
                ]
            with storage.atomic_file(kept) as aside, aside.open("wb") as file:
                np.save(file, np.concatenate(blocks))
            print(f"states of {len(paths)} images, {change or 'as they are'}", flush=True)
        return dict(zip(paths, np.load(kept), strict=True))

    def verdicts(self, checkpoint: Path, paths: Sequence[str]) -> Array:
        """Return the verdicts of `tithe predict` on test images, shape (N,): `predict/verdicts.py` on their states."""
        trained = load(checkpoint, "cpu")
        rule, calibration = trained.abstention, trained.calibration
        assert rule and calibration
        probs_N2, states_ND = self._answers(trained, None, paths)
        verdict_N = np.array(calibration.verdicts(probs_N2[:, 1]))
        unsure_N = rule.abstains(probs_N2, states_ND)
        for change in self.changes:
            others = calibration.verdicts(self._answers(trained, change, paths)[0][:, 1])
            unsure_N |= [_OPPOSITE.get(one) == other for one, other in zip(verdict_N, others, strict=True)]
        return np.where(unsure_N, "unsure", verdict_N)

    def _answers(self, trained: TrainedModel, change: str | None, paths: Sequence[str]) -> tuple[Array, Array]:
        """Return the probabilities and the states of images."""
        model = trained.model
        assert isinstance(model, Embedder)
        key = network.Network(model, model, None, trained.task.encoder_key(), is_frozen=True).cache_key
        states = self._states(model, trained.run.images, key, trained.accelerator.autocast, change)
        states_ND = np.stack([states[path] for path in paths])
        outputs = inference.of_batch(
            model, lambda batch: model.head(batch["states"]), {"states": torch.from_numpy(states_ND)}
        )
        return trained.task.probabilities(outputs), states_ND
