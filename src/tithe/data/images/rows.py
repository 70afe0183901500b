"""Which images of a gallery become rows, and why the others are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tithe.arrays import Array, Rows
from tithe.data import grouping
from tithe.data.duplicates import find_duplicates
from tithe.data.images import checks, format_leak
from tithe.data.images.listing import Listed, Listing, Skipped
from tithe.imaging import phash

Drop = dict[str, Any]

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("input", pa.string()),
        ("label", pa.int64()),
        ("generator", pa.string()),
        ("family", pa.string()),
        ("source", pa.string()),
        ("pair", pa.string()),
        ("score", pa.float64()),
        ("split", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("format", pa.string()),
        ("group", pa.int64()),
    ]
)
_PRECEDENCE = {"test": 0, "val": 1, "train": 2, None: 2}


class Sifted(NamedTuple):
    """The usable images of a gallery, and the dropped entries.

    Attributes
    ----------
    table
        The kept images, columns as in `SCHEMA`. Images of one group belong in one split: they share a source or a
        pair, are duplicates or near-duplicates, or are connected through others that do.
    formats_NF
        Their metadata features, from `format_leak`.
    near
        Groups of near-duplicates, as positions in the table.
    dropped
        Row, reason and path of every other entry, by row.
    """

    table: pa.Table
    formats_NF: Array
    near: list[list[int]]
    dropped: list[Drop]


class _Photo(NamedTuple):
    """A usable image, and its position in the gallery."""

    row: int
    listed: Listed
    checked: checks.CheckedImage


def sift(root: Path, listing: Listing, stamps: Sequence[checks.Stamp | None], max_pixels: int) -> Sifted:
    """Drop unreadable images and duplicates.

    Of duplicates with the same label the first is kept, preferring those in a test or validation split, so that a
    published split keeps its images. Duplicates with different labels are all dropped, since no label is known to be
    right.
    """
    photos, dropped = _readable(root, listing, stamps, max_pixels)
    near = _near_duplicates(photos)
    group_N = _groups(photos, near)
    keep, *copies = _duplicates(photos)
    for reason, rows in zip(("duplicate", "conflicting_label"), copies, strict=True):
        dropped += [drop(photos[i].row, photos[i].listed.path, reason) for i in rows]
    kept = [photos[i] for i in keep]
    position = {int(i): at for at, i in enumerate(keep)}
    return Sifted(
        _table(kept, np.unique(group_N[keep], return_inverse=True)[1]),
        format_leak.format_features([photo.checked.header for photo in kept]),
        [group for rows in near if len(group := [position[int(i)] for i in rows if int(i) in position]) > 1],
        sorted(dropped, key=lambda line: int(line["row"])),
    )


def _readable(
    root: Path, listing: Listing, stamps: Sequence[checks.Stamp | None], max_pixels: int
) -> tuple[list[_Photo], list[Drop]]:
    photos: list[_Photo] = []
    dropped: list[Drop] = []
    files = [(e.path, stamp) for e, stamp in zip(listing.entries, stamps, strict=True) if isinstance(e, Listed)]
    results = iter(checks.check_all(root, files, max_pixels))
    for row, (entry, stamp) in enumerate(zip(listing.entries, stamps, strict=True)):
        if isinstance(entry, Skipped):
            dropped.append(drop(row, *entry))
            continue
        result = next(results)
        if stamp and not isinstance(result, str):
            photos.append(_Photo(row, entry, result))
        else:
            dropped.append(drop(row, entry.path, result if isinstance(result, str) else "missing"))
    return photos, dropped


def drop(row: int, path: str, reason: str, line: int | None = None) -> Drop:
    """Return the log line of a dropped entry."""
    return {"row": row, "reason": reason, **({"line": line} if line else {}), "path": path}


def _near_duplicates(photos: list[_Photo]) -> list[Rows]:
    """Return groups of near-duplicates as positions; images of a single colour (hash 0) are never grouped."""
    hash_N = np.array([photo.checked.phash for photo in photos], dtype=np.uint64)
    shaped = np.flatnonzero(hash_N)
    return [shaped[rows] for rows in phash.near_duplicates(hash_N[shaped])]


def _groups(photos: list[_Photo], near: list[Rows]) -> Rows:
    same = (
        (photo.listed.source_id for photo in photos),
        (photo.listed.pair_id for photo in photos),
        (photo.checked.sha256 for photo in photos),
    )
    links = [rows for values in same for rows in grouping.rows_sharing_value(values)]
    return grouping.connected_components(len(photos), [*links, *(rows.tolist() for rows in near)])


def _duplicates(photos: list[_Photo]) -> list[Rows]:
    """Return the positions of kept images, of their duplicates, and of images with a duplicate of another class."""
    order = np.array(sorted(range(len(photos)), key=lambda i: _PRECEDENCE[photos[i].listed.split]), dtype=np.int64)
    key_N = np.array([photo.checked.sha256.encode() for photo in photos])
    label_N = np.array([photo.listed.label for photo in photos], dtype=np.int64)
    return [np.sort(order[rows]) for rows in find_duplicates(key_N[order], label_N[order])]


def _table(kept: list[_Photo], group_N: Rows) -> pa.Table:
    columns: dict[str, Any] = {
        "id": [photo.row for photo in kept],
        "input": [photo.listed.path for photo in kept],
        "label": [photo.listed.label for photo in kept],
        "generator": [photo.listed.generator for photo in kept],
        "family": [photo.listed.family for photo in kept],
        "source": [photo.listed.source_id for photo in kept],
        "pair": [photo.listed.pair_id for photo in kept],
        "score": [photo.listed.score for photo in kept],
        "split": [photo.listed.split for photo in kept],
        "sha256": [photo.checked.sha256 for photo in kept],
        "width": [photo.checked.header.width for photo in kept],
        "height": [photo.checked.header.height for photo in kept],
        "format": [photo.checked.header.format for photo in kept],
        "group": group_N,
    }
    return pa.table(columns, schema=SCHEMA)
