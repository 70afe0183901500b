"""The offline benchmark of image authenticity: real crops, and fake twins partly reconstructed by autoencoders.

A fake is real + α·(reconstruction − real). Photographs are split before they are cropped, so that none has crops in two
parts. Each crop has one twin: by one of three autoencoders in training and validation, by one of three others in the
test. All six are trained on the training photographs. Both classes go through the same codec with the same distribution
of quality, drawn independently for each image.

The folder is an `image_csv` gallery. `labels.csv` lists crops and twins; `derived.csv` lists the test's real crops and
edits of them: splice, copy-move and inpainting, which are fakes, and upscaling and double JPEG, which are not.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import autoencoders
import cv2
import numpy as np
import torch
from authenticity_edits import KINDS
from authenticity_photos import CACHE, SIDE, Image, photographs, read, shrunk

from tithe import storage

ALPHAS, CODECS = (1.0, 0.5, 0.25, 0.1), ("png", "jpeg")

_PARTS = {"train": 0.6, "val": 0.15, "test": 0.25}
_SEEN, _UNSEEN = ("transposed4", "bilinear", "pixel_shuffle"), ("transposed3", "nearest", "vae")
_STEPS = 1000
_VERSION = 1  # of the cached pairs: raise it to recreate them
_STRIDE, _MOST = 160, 16  # pixels between crops, and the most crops of one photograph
_BLANK = 6.0  # a crop whose grey levels have a smaller standard deviation is blank, such as sky or water
_MARGIN = 32  # pixels around a crop that the autoencoders see too, which keeps their border effects out
_QUALITY = (75, 95)


class Pair(NamedTuple):
    """A crop and its full reconstruction."""

    name: str
    source: str
    part: str
    generator: str
    real: Image
    made: Image


class Row(NamedTuple):
    """A line of `labels.csv` or `derived.csv`."""

    path: str
    label: str
    generator: str
    family: str
    source_id: str
    pair_id: str
    split: str


def build(out: Path, alpha: float, codec: str, seed: int) -> str:
    """Write a data set; return the table of its parts.

    Parameters
    ----------
    alpha
        The share of the reconstruction in a fake, above 0, at most 1.
    codec
        `png`, or `jpeg` with a quality drawn from 75 to 95.
    """
    rows: list[Row] = []
    noise: dict[tuple[str, str], list[tuple[float, float]]] = {}
    tests: list[tuple[Row, Image]] = []
    for i, pair in enumerate(_pairs(seed)):
        rng = np.random.default_rng([seed, i])
        fake = np.rint(pair.real + alpha * (pair.made.astype(np.float64) - pair.real)).astype(np.uint8)
        family = autoencoders.UPSAMPLERS[pair.generator][1]
        for label, image in (("real", pair.real), ("fake", fake)):
            path = _written(out, f"{pair.part}/{label}/{pair.name}", image, codec, rng)
            rows.append(Row(path, label, pair.generator, family, pair.source, pair.name, pair.part))
        noise.setdefault((pair.part, pair.generator), []).append(
            (autoencoders.psnr(pair.real, pair.made), autoencoders.psnr(pair.real, fake))
        )
        if pair.part == "test":
            tests.append((rows[-2], pair.real))
    _list(out / "labels.csv", rows)
    _list(out / "derived.csv", [*(row for row, _ in tests), *_derived(out, tests, codec, seed)])
    return _table(noise)


def _written(out: Path, name: str, image: Image, codec: str, rng: np.random.Generator) -> str:
    """Write an image and return its path relative to the data set's folder."""
    path = out / f"{name}.{codec}"
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = int(rng.integers(_QUALITY[0], _QUALITY[1] + 1))
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality] if codec == "jpeg" else [])
    return str(path.relative_to(out))


def _derived(out: Path, tests: Sequence[tuple[Row, Image]], codec: str, seed: int) -> Iterator[Row]:
    """Write every edit of every real test crop; the donor is a crop of another photograph."""
    for i, (row, image) in enumerate(tests):
        rng = np.random.default_rng([seed, i, 1])
        others = [other for of, other in tests if of.source_id != row.source_id]
        for kind, (work, label, family) in KINDS.items():
            changed = work(image, others[rng.integers(len(others))], rng)
            path = _written(out, f"derived/{kind}/{row.pair_id}", changed, codec, rng)
            yield row._replace(path=path, label=label, generator=kind, family=family)


def _list(path: Path, rows: Sequence[Row]) -> None:
    with storage.atomic_file(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(Row._fields)
        lines.writerows(rows)


def _table(noise: dict[tuple[str, str], list[tuple[float, float]]]) -> str:
    lines = ["| part | generator | pairs | PSNR of reconstructions, dB | of fakes |", "|---|---|---|---|---|"]
    for (part, generator), values in sorted(noise.items(), key=lambda item: (list(_PARTS).index(item[0][0]), item)):
        whole, fakes = (statistics.mean(column) for column in zip(*values, strict=True))
        lines.append(f"| {part} | {generator} | {len(values)} | {whole:.1f} | {fakes:.1f} |")
    return "\n".join(lines)


def _pairs(seed: int) -> Iterator[Pair]:
    """Yield all pairs from the cache; create them first if needed."""
    files = photographs()
    key = storage.digest([_VERSION, seed, list(files), _STEPS])[:16]
    folder = CACHE / "pairs" / key
    if storage.broken_files(folder):
        _make(folder, files, seed)
    for line in storage.read_lines(folder / "pairs.jsonl"):
        images = [read(folder / f"{line['name']}_{kind}.png") for kind in ("real", "made")]
        yield Pair(*line.values(), *images)


def _make(folder: Path, files: dict[str, Path], seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = {name: shrunk(file, rng) for name, file in files.items()}
    parts = _parted(list(images), rng)
    models = _models(folder, [image for name, image in images.items() if parts[name] == "train"], seed)
    lines: list[dict[str, Any]] = []
    turn = dict.fromkeys(_PARTS, 0)
    with storage.atomic_folder(folder) as aside:
        for source, image in images.items():
            part = parts[source]
            generators = _UNSEEN if part == "test" else _SEEN
            for window in _windows(image, rng):
                name, generator = f"{len(lines):05d}", generators[turn[part] % len(generators)]
                made = autoencoders.reconstruct(models[generator], window)
                for kind, whole in (("real", window), ("made", made)):
                    cv2.imwrite(str(aside / f"{name}_{kind}.png"), _middle(whole))
                lines.append({"name": name, "source": source, "part": part, "generator": generator})
                turn[part] += 1
        storage.write_lines(aside / "pairs.jsonl", lines)


def _models(folder: Path, images: Sequence[Image], seed: int) -> dict[str, autoencoders.Autoencoder]:
    models = {}
    for name in (*_SEEN, *_UNSEEN):
        path = folder.parent.with_name("autoencoders") / f"{folder.name}-{name}.pt"
        models[name] = autoencoders.trained(name, images, _STEPS, seed, path)
        print(f"autoencoder {name} is ready", flush=True)
    return models


def _parted(names: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """Return the part of each photograph."""
    ends = np.rint(np.cumsum(list(_PARTS.values())) * len(names))
    order = rng.permutation(len(names))
    return {name: list(_PARTS)[np.searchsorted(ends, i, side="right")] for name, i in zip(names, order, strict=True)}


def _windows(image: Image, rng: np.random.Generator) -> list[Image]:
    """Cut a photograph at even offsets, each crop with its margin, without blank ones; sample if there are too many."""
    rows, columns = (np.linspace(0, n - SIDE, (n - SIDE) // _STRIDE + 1).astype(int) for n in image.shape[:2])
    wide = cv2.copyMakeBorder(image, _MARGIN, _MARGIN, _MARGIN, _MARGIN, cv2.BORDER_REFLECT_101)
    side = SIDE + 2 * _MARGIN
    windows = [wide[y : y + side, x : x + side] for y in rows for x in columns]
    windows = [window for window in windows if cv2.cvtColor(_middle(window), cv2.COLOR_BGR2GRAY).std() >= _BLANK]
    return [windows[i] for i in sorted(rng.permutation(len(windows))[:_MOST])]


def _middle(window: Image) -> Image:
    return window[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def main() -> None:
    """Build one data set and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--codec", choices=CODECS, default="jpeg")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not 0 < arguments.alpha <= 1:
        parser.error(f"--alpha {arguments.alpha} is not a share: choose above 0 and at most 1, such as {ALPHAS}")
    if arguments.out.exists():
        parser.error(f"{arguments.out} exists: name a new folder, or remove it first")
    torch.set_num_threads(1)  # with more, sums are in another order and the set differs
    print(build(arguments.out, arguments.alpha, arguments.codec, arguments.seed))


if __name__ == "__main__":
    main()
