"""Load labelled images: list them, read each once, drop duplicates and conflicts, split by source."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa

from tithe import config, plugins, storage
from tithe.config import unused
from tithe.console import counted
from tithe.data import readers, sources
from tithe.data.balance import resample
from tithe.data.dataset import Dataset
from tithe.data.images import checks
from tithe.data.images.listing import CLASSES
from tithe.data.images.report import count_values, describe_files, describe_splits, warn
from tithe.data.images.rows import SCHEMA, Sifted, drop, sift
from tithe.data.images.splits import assign_splits
from tithe.data.labels import LabelMap
from tithe.data.splits import PARTS, Split, Splits
from tithe.errors import InputError
from tithe.imaging import folders
from tithe.storage import cache

logger = logging.getLogger("tithe")

LABELS = LabelMap(CLASSES)

# Part of the cache keys: increase it when the same files would give other rows or splits.
_VERSION = 2


def root(path: Path) -> Path:
    """Return the folder that image paths are relative to: the data set itself, or the folder of its list."""
    return path if path.is_dir() else path.parent


def find_gallery(path: Path, name: str | None) -> str:
    """Return the gallery that reads a path: the named one, or the one that fits it best.

    Raises
    ------
    InputError
        The path does not exist, or no gallery fits it.
    """
    if not path.exists():
        raise InputError(
            f"no images at {path} (seen from {Path.cwd()}): pass a folder of images, or a CSV that lists them"
        )
    if name:
        plugins.load("galleries", name)
        return name
    claims = {gallery: plugins.load("galleries", gallery).claims(path) for gallery in plugins.names("galleries")}
    best = max(claims, key=lambda gallery: claims[gallery])
    if not claims[best]:
        raise InputError(f"{path} is neither a folder of images nor a CSV that lists them: pass one of these")
    return best


def kind_of_folder(folder: Path) -> str:
    """Return what a folder of data has: `images`, which a CSV in it may list, or else `texts`.

    Raises
    ------
    InputError
        It has both.
    """
    image_csv, has_pictures = plugins.load("galleries", "image_csv"), folders.has_pictures(folder)
    if has_pictures and not image_csv.claims(folder) and sources.has_parts(folder):
        cure = f"pass --images, or a pattern such as '{folder}/*.parquet'"
        raise InputError(f"{folder} has both images and data files: {cure}")
    return "images" if has_pictures else "texts"


def open_gallery(path: Path, name: str | None, layout: config.Layout) -> tuple[ModuleType, tuple[config.Layout, ...]]:
    """Return the gallery that reads a path, and the layout in a tuple if it is of a kind that has one.

    Raises
    ------
    InputError
        As `find_gallery`, or a setting of the layout is given and the gallery does not read it.
    """
    gallery = plugins.load("galleries", find_gallery(path, name))
    return gallery, readers.layout_of(gallery, layout, path)


def ingest(settings: config.Data, images: config.Images) -> tuple[Dataset, LabelMap, Path]:
    """List, read and filter all images; the result is cached until a file changes.

    Returns
    -------
    dataset, labels, folder
        The kept images, whose `input` is a path from `root`; the classes fake and real; the cache folder with
        `report.json` and `dropped.jsonl`.

    Raises
    ------
    InputError
        The gallery cannot be read, or has no usable image.
    """
    path = Path(settings.path)
    gallery, layout = open_gallery(path, settings.reader, settings.layout)
    listing = gallery.listing(path, *layout)
    stamps = [checks.stamp_of(folders.located(root(path), entry.path)) for entry in listing.entries]
    fingerprint = [_VERSION, checks.VERSION, str(path.absolute()), images.max_pixels, listing, stamps]
    folder = cache.place("images", storage.digest(fingerprint))
    if not cache.is_whole(folder):
        logger.info("reading %s of %s", counted(len(stamps), "file"), path)
        with storage.atomic_folder(folder) as aside:
            sifted = sift(root(path), listing, stamps, images.max_pixels)
            if len(sifted.table) == 0:
                storage.refuse_pointers(*(folders.located(root(path), entry.path) for entry in listing.entries))
            _write(path, sifted, listing.remarks, aside)
        cache.make_room()
    table = pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()
    label_N = table.column("label").to_numpy()
    source = storage.read_json(folder / "report.json")["rows_sha256"]
    return Dataset(table, np.arange(len(label_N)), label_N, source), LABELS, folder


def _write(path: Path, sifted: Sifted, remarks: Sequence[str], folder: Path) -> None:
    if len(sifted.table) == 0:
        reasons = count_values(line["reason"] for line in sifted.dropped)
        summary = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
        raise InputError(f"{path}: no usable image among {len(sifted.dropped)} ({summary}): repair them or add others")
    with pa.ipc.new_file(str(folder / "rows.arrow"), SCHEMA) as sink:
        sink.write_table(sifted.table)
    np.save(folder / "formats.npy", sifted.formats_NF)
    storage.write_lines(folder / "dropped.jsonl", sifted.dropped)
    source = {"file": path.resolve().name, "label_hash": LABELS.hash, "remarks": remarks}
    # An unrelated file in the folder shifts the positions but not the rows: hash without `id`.
    columns = (sifted.table.column(name) for name in sifted.table.column_names if name != "id")
    content = storage.digest([storage.digest(column.to_pylist()) for column in columns])
    storage.write_json(folder / "report.json", {**source, **describe_files(sifted), "rows_sha256": content})


def load_images(settings: config.Data, images: config.Images, seed: int) -> Splits:
    """Ingest, split and balance; the same files, settings and seed give the same rows.

    Raises
    ------
    InputError
        The images cannot be read, are all of one class, or are too few for the requested splits.
    """
    dataset, labels, folder = ingest(settings, images)
    present = np.unique(dataset.labels)
    if len(present) < 2:
        one, other = CLASSES[present[0]], CLASSES[1 - present[0]]
        raise InputError(f"{settings.path}: {one} images only: training needs both classes, add {other} ones")
    given = set(dataset.column("split"))
    for key, value in unused.changed(settings, [f"{part}_ratio" for part in ("val", "test") if part in given]):
        logger.warning("data.%s %s has no effect: %s has its own splits", key, value, settings.path)
    split_settings: list[object] = [settings.val_ratio, settings.test_ratio, settings.hold_out, seed]
    split_settings += [settings.validate_on] if settings.validate_on else []
    place = cache.place("images", storage.digest([_VERSION, folder.name, *split_settings]))
    if not cache.is_whole(place):
        with storage.atomic_folder(place) as aside:
            _divide(dataset, settings, seed, folder, aside)
        cache.make_room()
    report = storage.read_json(place / "report.json")
    warn(report)
    part_N = np.load(place / "parts.npy")
    rows = {name: np.flatnonzero(part_N == part) for part, name in enumerate(PARTS)}
    split = Split(rows["train"], rows["val"], rows["test"], too_small=())
    train = split.train[resample(dataset.labels[split.train], settings.upsample, settings.downsample, seed)]
    report["splits"] |= {"train_after_balancing": len(train), "seed": seed, "sha256": split.hash}
    return Splits(dataset, labels, train, split, report, place / "dropped.jsonl", {})


def _divide(images: Dataset, settings: config.Data, seed: int, listed: Path, folder: Path) -> None:
    part_N = assign_splits(images, settings, seed)
    np.save(folder / "parts.npy", part_N)
    ids, paths = images.ids, images.inputs()
    dropped = storage.read_lines(listed / "dropped.jsonl")
    dropped += [drop(int(ids[i]), paths[i], "held_out") for i in np.flatnonzero(part_N < 0)]
    dropped.sort(key=lambda line: int(line["row"]))
    storage.write_lines(folder / "dropped.jsonl", dropped)
    splits = describe_splits(images, part_N, np.load(listed / "formats.npy"), seed)
    storage.write_json(folder / "report.json", {**storage.read_json(listed / "report.json"), "splits": splits})
