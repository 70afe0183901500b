"""The rows on which an export is compared: a part of the run's own, named by hashes, so that no text travels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, data, storage
from tithe.arrays import Rows
from tithe.data import Dataset, Splits, images, sources
from tithe.errors import InputError, TitheError
from tithe.evaluate.checkpoint import own_splits
from tithe.predict import TrainedModel

# What says how a data file is read; its path is kept from the export, so that neither names the home of its user.
_READING = ("reader", "delimiter", "encoding", "column_names", "text_column", "label_column")
_FILES = ("path", "validation", "test")


@dataclass(frozen=True)
class Reference:
    """Real rows with their classes.

    Attributes
    ----------
    inputs
        Cleaned texts, or paths of images; N of them.
    labels_N
        Class indices.
    parts
        How many are of which part of the data.
    """

    inputs: list[str]
    labels_N: Rows
    parts: dict[str, int]


def of_run(trained: TrainedModel, count: int) -> Reference:
    """Return up to `count` rows of a checkpoint's own run: test rows, then validation, then training rows.

    Raises
    ------
    InputError
        The run's data are missing, or have changed.
    """
    splits = own_splits(trained, "an export is compared on rows of its run, so restore them")
    chosen: list[Rows] = []
    parts: dict[str, int] = {}
    for name, rows in _parts(splits):
        taken = _spread(rows, count - sum(parts.values()))
        if len(taken):
            chosen.append(taken)
            parts[name] = len(taken)
    dataset = splits.rows.take(np.concatenate(chosen))
    return Reference(list(_inputs(dataset, trained.run)), dataset.labels, parts)


def _parts(splits: Splits) -> Iterator[tuple[str, Rows]]:
    yield "test", splits.test
    yield "validation", splits.val
    yield "train", splits.split.train


def _spread(rows: Rows, count: int) -> Rows:
    """Return at most `count` rows, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))]


def _inputs(dataset: Dataset, run: config.Run, path: str | None = None) -> Iterator[str]:
    if run.task != "image":
        return iter(dataset.inputs())
    folder = images.root(Path(path or run.data.path))
    return (str(folder / name) for name in dataset.inputs())


def fingerprint(of: str, is_path: bool) -> str:
    """Return the SHA-256 of a text, or of the file of an image."""
    return storage.sha256_file(Path(of)) if is_path else hashlib.sha256(of.encode()).hexdigest()


def origin(run: config.Run, folder: Path) -> dict[str, Any]:
    """Return what finds the rows again: the data files as seen from the export, and how they are read."""
    files = [value for key in _FILES if (value := getattr(run.data, key)) is not None]
    seen = [os.path.relpath(Path(file).absolute(), folder.absolute()) for file in files]
    own = run.images.model_dump(mode="json") if run.task == "image" else {}
    return {"files": seen, "reading": run.data.model_dump(mode="json", include=set(_READING)), "images": own}


def find(origin: Mapping[str, Any], task: str, folder: Path, file: Path | None, sha256: Sequence[str]) -> list[str]:
    """Return the inputs with the given hashes, from the files that an export names, or from another one.

    Raises
    ------
    InputError
        A file does not exist or can't be read.
    TitheError
        Not all of the rows are there.
    """
    files = [str(file)] if file else [os.path.normpath(folder / name) for name in origin["files"]]
    found: dict[str, str] = {}
    for path in files:
        if not file and not Path(path).exists() and not sources.is_pattern(Path(path)):
            raise InputError(f"the rows of {folder} were read from {path}, which does not exist: pass them with --data")
        settings = {"data": {**origin["reading"], "path": path}, "images": origin["images"], "task": task}
        run = config.parse(settings, source=str(folder))
        for text in _inputs(_dataset(run), run):
            found[fingerprint(text, task == "image")] = text
    if missing := sum(key not in found for key in sha256):
        raise TitheError(
            f"{', '.join(files)}: {missing} of the {len(sha256)} rows that {folder} was compared on are missing "
            "or changed: pass the file that the run was trained on with --data"
        )
    return [found[key] for key in sha256]


def _dataset(run: config.Run) -> Dataset:
    return images.ingest(run.data, run.images)[0] if run.task == "image" else data.ingest(run.data)[0]
