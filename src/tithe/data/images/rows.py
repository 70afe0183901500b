"""Which of the images that a gallery lists become rows, and why the others don't."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tithe.arrays import Array, Rows
from tithe.data import grouping
from tithe.data.duplicates import repeats
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
    """What is left of a gallery.

    Attributes
    ----------
    table
        The kept images, columns as in `SCHEMA`. Images of one group belong into one split: they share a source or a
        pair, or are copies or near copies, or are bound by others that do.
    formats_NF
        What their files give away without a look at the picture.
    near
        Positions in the table of images that look the same, one list for each look.
    dropped
        Row, reason and path of every other entry, by row.
    """

    table: pa.Table
    formats_NF: Array
    near: list[list[int]]
    dropped: list[Drop]


class _Photo(NamedTuple):
    """An image that can be used, and its position in the gallery."""

    row: int
    listed: Listed
    found: checks.Whole


def sift(root: Path, listing: Listing, stamps: Sequence[checks.Stamp | None], max_pixels: int) -> Sifted:
    """Leave out what can't be read and what stands more than once.

    Of copies with one label the first is kept, those in a test or validation split before others, so that such a
    split stays as it was published. Copies with different labels are all left out: nothing says which label is right.
    """
    photos, dropped = _readable(root, listing, stamps, max_pixels)
    near = _near(photos)
    group_N = _groups(photos, near)
    keep, *copies = _repeats(photos)
    for reason, rows in zip(("duplicate", "conflicting_label"), copies, strict=True):
        dropped += [drop(photos[i].row, photos[i].listed.path, reason) for i in rows]
    kept = [photos[i] for i in keep]
    place = {int(i): at for at, i in enumerate(keep)}
    return Sifted(
        _table(kept, np.unique(group_N[keep], return_inverse=True)[1]),
        format_leak.format_features([photo.found.header for photo in kept]),
        [look for rows in near if len(look := [place[int(i)] for i in rows if int(i) in place]) > 1],
        sorted(dropped, key=lambda line: int(line["row"])),
    )


def _readable(
    root: Path, listing: Listing, stamps: Sequence[checks.Stamp | None], max_pixels: int
) -> tuple[list[_Photo], list[Drop]]:
    photos: list[_Photo] = []
    dropped: list[Drop] = []
    files = [(e.path, stamp) for e, stamp in zip(listing.entries, stamps, strict=True) if isinstance(e, Listed)]
    checked = iter(checks.check_all(root, files, max_pixels))
    for row, (entry, stamp) in enumerate(zip(listing.entries, stamps, strict=True)):
        if isinstance(entry, Skipped):
            dropped.append(drop(row, *entry))
            continue
        found = next(checked)
        if stamp and not isinstance(found, str):
            photos.append(_Photo(row, entry, found))
        else:
            dropped.append(drop(row, entry.path, found if isinstance(found, str) else "missing"))
    return photos, dropped


def drop(row: int, path: str, reason: str) -> Drop:
    """Return the line of an entry that is left out."""
    return {"row": row, "reason": reason, "path": path}


def _near(photos: list[_Photo]) -> list[Rows]:
    """Return the positions of images that look the same; of one colour, which have no shape, none do."""
    hash_N = np.array([photo.found.phash for photo in photos], dtype=np.uint64)
    shaped = np.flatnonzero(hash_N)
    return [shaped[rows] for rows in phash.near_duplicates(hash_N[shaped])]


def _groups(photos: list[_Photo], near: list[Rows]) -> Rows:
    same = (
        (photo.listed.source_id for photo in photos),
        (photo.listed.pair_id for photo in photos),
        (photo.found.sha256 for photo in photos),
    )
    links = [rows for values in same for rows in grouping.alike(values)]
    return grouping.joined(len(photos), [*links, *(rows.tolist() for rows in near)])


def _repeats(photos: list[_Photo]) -> list[Rows]:
    """Return the positions of images that are kept, of their copies, and of those with a copy of another class."""
    order = np.array(sorted(range(len(photos)), key=lambda i: _PRECEDENCE[photos[i].listed.split]), dtype=np.int64)
    key_N = np.array([photo.found.sha256.encode() for photo in photos])
    label_N = np.array([photo.listed.label for photo in photos], dtype=np.int64)
    return [np.sort(order[rows]) for rows in repeats(key_N[order], label_N[order])]


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
        "sha256": [photo.found.sha256 for photo in kept],
        "width": [photo.found.header.width for photo in kept],
        "height": [photo.found.header.height for photo in kept],
        "format": [photo.found.header.format for photo in kept],
        "group": group_N,
    }
    return pa.table(columns, schema=SCHEMA)
