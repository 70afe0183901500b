"""A set of real generators for the authenticity benchmark: photographs, and fakes by networks from package registries.

Each crop of a photograph has twins by upscalers (`tithe.fetch.generators`), which shrink and enlarge it, and by three
small autoencoders, whose reconstructions are taken whole. Generated faces, which have no photograph, are shrunk by the
same random factor as photographs and cropped alike; so they differ from the reals in content too, which the page says.
Photographs are split before they are cropped. Both classes are JPEGs of one distribution of quality.

The folder is an `image_csv` gallery with the columns of `authenticity_set.py`.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import autoencoders
import cv2
import numpy as np
import torch
from authenticity_photos import CACHE, SIDE, Image, photographs, shrunk
from authenticity_set import Row, _list, _parted, _windows, _written

from tithe import storage
from tithe.fetch import generators

FACES = "random-face"
AUTOENCODERS = ("transposed4", "bilinear", "vae")
NAMES = (FACES, *generators.UPSCALERS, *AUTOENCODERS)
FAMILIES = {FACES: "faces", **dict.fromkeys(generators.UPSCALERS, "upscaler"), **dict.fromkeys(AUTOENCODERS, "auto")}
# Fakes of each generator, by part, and faces, which are a training set of their own; and twins of a crop.
FAKES, FACE_COUNT = {"train": 60, "val": 30, "test": 45}, {"train": 120, "val": 30, "test": 45}
TWINS = {"train": 2, "val": 2, "test": 2}
_MARGIN, _STEPS, _FACE_SHRINK = 32, 1000, (2.0, 2.4)


def build(out: Path, seed: int = 0) -> None:
    """Write the set; an existing one is kept."""
    if (out / "labels.csv").exists():
        return
    torch.set_num_threads(1)  # with more, sums are in another order and the set differs
    rng = np.random.default_rng(seed)
    images = {name: shrunk(file, rng) for name, file in photographs().items()}
    parts = _parted(list(images), rng)
    makers = _makers([image for name, image in images.items() if parts[name] == "train"], seed)
    faces = generators.faces(sum(FACE_COUNT.values()), seed)
    rows: list[Row] = []
    for part, fakes in FAKES.items():
        crops = _crops({name: image for name, image in images.items() if parts[name] == part}, rng)
        turns = itertools.cycle(makers)
        for number, (source, wide) in enumerate(itertools.islice(crops, fakes * len(makers) // TWINS[part])):
            name = f"{part}-{number:04d}"
            for label, generator, image in [
                ("real", "", _middle(wide)),
                *(("fake", own, makers[own](wide)) for own in itertools.islice(turns, TWINS[part])),
            ]:
                path = _written(out, f"{part}/{label}/{generator}{name}", image, "jpeg", rng)
                rows.append(Row(path, label, generator, FAMILIES.get(generator, ""), source, "", part))
        for number, face in enumerate(itertools.islice(faces, FACE_COUNT[part])):
            path = _written(out, f"{part}/fake/{FACES}-{number:04d}", _face(face, rng), "jpeg", rng)
            rows.append(Row(path, "fake", FACES, FAMILIES[FACES], f"{FACES}-{part}-{number}", "", part))
        print(part, len(rows), flush=True)
    _list(out / "labels.csv", rows)


def _makers(images: Sequence[Image], seed: int) -> dict[str, Callable[[Image], Image]]:
    """Return what makes a twin of a crop with its margin, BGR, by the name of the generator."""
    makers: dict[str, Callable[[Image], Image]] = {}
    for name in generators.UPSCALERS:
        twin = generators.upscaler(name)
        makers[name] = lambda wide, twin=twin: twin(_middle(wide)[:, :, ::-1])[:, :, ::-1]  # type: ignore[misc]
    key = storage.digest([seed, _STEPS, len(images)])[:16]
    for name in AUTOENCODERS:
        model = autoencoders.trained(name, images, _STEPS, seed, CACHE / "autoencoders" / f"unseen-{key}-{name}.pt")
        makers[name] = lambda wide, model=model: _middle(autoencoders.reconstruct(model, wide))  # type: ignore[misc]
        print(f"autoencoder {name} is ready", flush=True)
    return makers


def _crops(images: dict[str, Image], rng: np.random.Generator) -> Iterator[tuple[str, Image]]:
    """Yield crops with their margin and photograph: the first of each photograph, then the second of each, ..."""
    windows = {name: _windows(image, rng) for name, image in images.items()}
    for number in range(max(map(len, windows.values()))):
        for name, own in windows.items():
            if number < len(own):
                yield name, own[number]


def _middle(wide: Image) -> Image:
    return np.ascontiguousarray(wide[_MARGIN : _MARGIN + SIDE, _MARGIN : _MARGIN + SIDE])


def _face(face: Image, rng: np.random.Generator) -> Image:
    """Return a crop of a generated face, BGR, after it was shrunk as photographs are."""
    side = round(len(face) / rng.uniform(*_FACE_SHRINK))
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    top, left = rng.integers(side - SIDE + 1, size=2)
    return np.ascontiguousarray(small[top : top + SIDE, left : left + SIDE, ::-1])


def main() -> None:
    """Build the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
