"""Data sets of a Hugging Face hub, each as one Parquet file with the columns text and label, and often split.

Only Parquet, CSV, JSONL and JSON files of a repository are read, or the Parquet files that the hub has converted from
another format. This needs only `huggingface_hub`, which comes with transformers, and never runs code of a repository.
Splits are combined; the column `split` says which one a row is of, if there are several. Rows without a class (an
unlabelled split, the hidden labels of a competition) are left out and counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tithe import storage
from tithe.errors import InputError
from tithe.fetch import downloads
from tithe.fetch.hub import columns, files, layout
from tithe.fetch.hub.files import Listing, Unreachable
from tithe.fetch.hub.layout import Part

__all__ = ["DatasetRequest", "Unreachable", "fetch"]

logger = logging.getLogger("tithe")

# The revision with Parquet files that the hub converts from other formats.
_CONVERTED = "refs/convert/parquet"


@dataclass(frozen=True)
class DatasetRequest:
    """Which part of a data set to fetch; None uses the default.

    Attributes
    ----------
    subset, split
        Names in the data set; all splits when unset.
    text_column, label_column
        Columns with the texts and the classes.
    """

    subset: str | None = None
    split: str | None = None
    text_column: str | None = None
    label_column: str | None = None

    def given(self) -> dict[str, str]:
        """Return the fields that are set."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}


def fetch(repo: str, request: DatasetRequest) -> Path:
    """Return the Parquet file (text, label) of a data set `owner/name`; it is downloaded once, then cached.

    A JSON file next to it has the commit, the licence, the SHA-256 of every file that was read, and the number of rows
    left out.

    Raises
    ------
    InputError
        The data set, subset, split or column does not exist; the data set is gated; or it has no readable file.
    Unreachable
        The hub cannot be reached.
    """
    path = downloads.place(
        repo + "".join(f"+{name}={quote(value, safe='')}" for name, value in request.given().items())
    )
    if not downloads.is_whole(path):
        _check_name(repo)
        source = _find(repo, request)
        licence = _licence(source.card)
        logger.info("fetching %s (commit %.12s): %s", repo, source.listing.commit, licence)
        origin: dict[str, Any] = {
            "source": repo,
            **request.given(),
            "commit": source.listing.commit,
            "licence": licence,
        }
        origin |= {"files": {}, "left_out": {}}
        splits = {part.split for part in source.parts}
        downloads.put(path, _rows(source, request, origin), origin, [downloads.SPLIT] if len(splits) > 1 else [])
    downloads.name_splits(path)
    return path


@dataclass(frozen=True)
class _Source:
    """The repository, its card, and the subset and files to read."""

    listing: Listing
    card: dict[str, Any]
    subset: str
    parts: list[Part]


def _check_name(repo: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise InputError(f"'{repo}' is not a data set name of a hub: write owner/name") from None


def _find(repo: str, request: DatasetRequest) -> _Source:
    """Return the requested files, from the repository itself or from the hub's Parquet conversion."""
    listing = files.listing(repo)
    card = files.card(listing)
    subset, parts = layout.parts(repo, listing.files, card, request.subset)
    if not parts:
        # Folders give the subsets here: the patterns of the card are for the original files.
        listing = files.listing(repo, _CONVERTED)
        subset, parts = layout.parts(repo, listing.files, {}, request.subset)
    if not parts:
        kinds = "Parquet, CSV, JSONL or JSON"
        raise InputError(f"{repo} has no {kinds} files, and no Parquet conversion on the hub: download it by hand")
    return _Source(listing, card, subset, layout.filter_split(repo, parts, request.split))


def _rows(source: _Source, request: DatasetRequest, origin: dict[str, Any]) -> Iterator[downloads.Rows]:
    repo, selected, total = source.listing.repo, None, 0
    has_splits = len({part.split for part in source.parts}) > 1
    left_out: Counter[str] = Counter()
    for split, name in source.parts:
        path = files.download(source.listing, name)
        requested = request.text_column, request.label_column
        selected = selected or columns.choose(repo, path, source.card, source.subset, *requested)
        left_out.clear()
        before = total
        for rows in columns.rows(path, selected, left_out):
            total += len(rows)
            yield [(*row, split) for row in rows] if has_splits else rows
        origin["files"][name] = storage.sha256_file(path)
        logger.info("%s (%s): %d rows, sha256 %s", name, split, total - before, origin["files"][name])
        for reason, count in left_out.items():
            logger.info("%s: %d rows %s left out", name, count, reason)
            origin["left_out"][name] = dict(left_out)
    if not total:
        raise InputError(f"{repo}: no row has a class in {', '.join(sorted({part.split for part in source.parts}))}")


def _licence(card: dict[str, Any]) -> str:
    """Return a line about the licence, as the card states it."""
    stated = card.get("license_name") or card.get("license")
    names = ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated or "")
    return f"licence {names}" if names else "its card states no licence"
