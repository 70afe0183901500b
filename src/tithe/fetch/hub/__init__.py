"""Data sets of a Hugging Face hub, as one Parquet file with the columns text and label.

Of a repository only its Parquet, CSV, JSONL and JSON files are read, or the Parquet files that the hub itself has made
of what is in another format: `huggingface_hub`, which comes with transformers, is enough for that, and no program of a
repository is ever run. All splits are put together, since tithe splits by itself and lets no text stand in two; rows
without a class (an unlabelled split, the hidden classes of a contest) are left out and counted.
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

__all__ = ["Unreachable", "Wanted", "fetch"]

logger = logging.getLogger("tithe")

# Where the hub keeps Parquet files of repositories that hold something else.
_CONVERTED = "refs/convert/parquet"


@dataclass(frozen=True)
class DatasetRequest:
    """What of a data set is wanted; None leaves it to the data set.

    Attributes
    ----------
    subset, split
        Of the data set; all splits when unset.
    text_column, label_column
        Columns of the texts and of the classes.
    """

    subset: str | None = None
    split: str | None = None
    text_column: str | None = None
    label_column: str | None = None

    def given(self) -> dict[str, str]:
        """Return what is not left open."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}


def fetch(repo: str, wanted: DatasetRequest) -> Path:
    """Return the Parquet file (text, label) of a data set `owner/name`; the second time without asking the hub.

    Beside it lies a JSON file with the commit, the licence, the SHA-256 of every file that was read, and the number of
    rows left out.

    Raises
    ------
    InputError
        No such data set, subset, split or column; it is gated; or it has nothing that tithe can read.
    Unreachable
        No way to the hub.
    """
    path = downloads.place(repo + "".join(f"+{name}={quote(value, safe='')}" for name, value in wanted.given().items()))
    if not path.exists():
        _check_name(repo)
        source = _find(repo, wanted)
        licence = _licence(source.card)
        logger.info("fetching %s (commit %.12s): %s", repo, source.listing.commit, licence)
        origin: dict[str, Any] = {"source": repo, **wanted.given(), "commit": source.listing.commit, "licence": licence}
        origin |= {"files": {}, "left_out": {}}
        downloads.put(path, _rows(source, wanted, origin), origin)
    return path


@dataclass(frozen=True)
class _Source:
    """Where the wanted files are, what the data set's card says, and which subset it is."""

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
        raise InputError(f"'{repo}' is no data set of a hub: write owner/name") from None


def _find(repo: str, wanted: DatasetRequest) -> _Source:
    """Return the files that are wanted, in the repository itself or as the hub has converted them."""
    place = files.listing(repo)
    card = files.card(place)
    subset, parts = layout.parts(repo, place.files, card, wanted.subset)
    if not parts:
        # Its folders tell the subsets: the patterns of the card are those of the original.
        place = files.listing(repo, _CONVERTED)
        subset, parts = layout.parts(repo, place.files, {}, wanted.subset)
    if not parts:
        kinds = "Parquet, CSV, JSONL or JSON"
        raise InputError(f"{repo} has no {kinds} files, nor has the hub made any: download it by hand")
    return _Source(place, card, subset, layout.of_split(repo, parts, wanted.split))


def _rows(source: _Source, wanted: DatasetRequest, origin: dict[str, Any]) -> Iterator[list[tuple[str | None, str]]]:
    repo, chosen, total = source.listing.repo, None, 0
    left_out: Counter[str] = Counter()
    for split, name in source.parts:
        path = files.download(source.listing, name)
        asked = wanted.text_column, wanted.label_column
        chosen = chosen or columns.choose(repo, path, source.card, source.subset, *asked)
        left_out.clear()
        before = total
        for rows in columns.rows(path, chosen, left_out):
            total += len(rows)
            yield rows
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
