"""Where rows come from: a file, a folder of parts, or a pattern that names them; and the reader of all of them."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tithe import config, plugins, storage
from tithe.data import compressed, readers
from tithe.data.readers import Batch, Pair, Record
from tithe.data.splits import Part, part_of
from tithe.errors import InputError

logger = logging.getLogger("tithe")

FORMATS = "Parquet, CSV, JSONL or JSON files"
_NOTES = "fasttext"  # its files are data only where there are no others: a README or a licence is plain text too
# The name of a file that is a split by itself: test.csv, or test-00000-of-00002.parquet and test_1.jsonl of several.
_SPLIT_NAME = re.compile(r"([a-z]+)(?:[-_.]?\d+(?:-of-\d+)?)?", re.IGNORECASE)


class File(NamedTuple):
    """What a reader reads at once, and the split that its name says, if the names of all do."""

    path: Path
    part: Part | None = None


@dataclass(frozen=True)
class Source:
    """Files with the same columns, in their order.

    Attributes
    ----------
    path
        As it was given, for messages.
    reader
        Name of the reader.
    files
        What is read, in order: for a reader of folders the folder itself.
    content
        The files whose bytes are the data.
    """

    path: Path
    reader: str
    files: tuple[File, ...]
    content: tuple[Path, ...]
    layout: config.Layout

    def read(self, file: File, text_column: str, label_column: str | None) -> Iterator[list[Pair]]:
        """Yield lists of (input, label) of one file in its order.

        Raises
        ------
        InputError
            It cannot be read, a column is missing, or the layout is not for this reader.
        """
        module = plugins.load("readers", self.reader)
        more = readers.layout_of(module, self.layout, file.path)
        yield from module.read(file.path, text_column, label_column, *more)

    def batches(self, file: File, text_column: str, label_column: str) -> Iterator[Batch]:
        """Yield the same rows as `read`, as columns.

        Raises
        ------
        InputError
            As `read`.
        """
        module = plugins.load("readers", self.reader)
        if hasattr(module, "batches"):
            more = readers.layout_of(module, self.layout, file.path)
            yield from module.batches(file.path, text_column, label_column, *more)
            return
        for rows in self.read(file, text_column, label_column):
            yield Batch([text for text, _ in rows], [label for _, label in rows])

    def class_names(self, file: File, column: str) -> Sequence[str]:
        """Return the names of the classes 0, 1, … of a column; none where the file does not say them."""
        module = plugins.load("readers", self.reader)
        names: Sequence[str] = module.class_names(file.path).get(column, ()) if hasattr(module, "class_names") else ()
        return names

    @property
    def has_records(self) -> bool:
        """Whether the reader gives all columns of a row."""
        return hasattr(plugins.load("readers", self.reader), "records")

    def records(self, file: File) -> Iterator[list[Record]]:
        """Yield lists of the rows of one file with all of their columns, in the order of `read`, if `has_records`.

        Raises
        ------
        InputError
            As `read`.
        """
        module = plugins.load("readers", self.reader)
        yield from module.records(file.path, *readers.layout_of(module, self.layout, file.path))

    @property
    def has_tables(self) -> bool:
        """Whether the reader gives the rows of `records` as Arrow has them."""
        return hasattr(plugins.load("readers", self.reader), "tables")

    def tables(self, file: File, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `records` as Arrow's record batches, with all columns or some, if `has_tables`.

        Raises
        ------
        InputError
            As `read`.
        """
        yield from plugins.load("readers", self.reader).tables(file.path, columns)

    def columns(self) -> list[str]:
        """Return the names of the columns; none where the reader finds them only in the rows."""
        return _columns(self.reader, self.files[0].path, self.layout)

    @property
    def key(self) -> list[str]:
        """What tells the content from any other: a hash of each file; and the codec of compressed ones."""
        codecs = sorted({codec for file in self.content if (codec := compressed.codec_of(file))})
        return [*(storage.sha256_file(file) for file in self.content), *codecs]


def find(path: Path, reader: str | None, layout: config.Layout | None = None) -> Source:
    """Return the files of a path and their reader: the named one, or the one that claims their suffix.

    In a folder hidden files and those with a suffix that no reader claims are left out, and so are files whose names
    begin with an underscore, as markers of other programs do. A pattern has `*`, `?` or `[`; `**` is any folders.

    Raises
    ------
    InputError
        There is no such file or no reader for it; the files have several formats, their columns differ, or one is a
        pointer of Git LFS.
    """
    source = _find(path, reader, layout or config.Layout())
    storage.refuse_pointers(*source.content)
    readers.layout_of(plugins.load("readers", source.reader), source.layout, path)
    return source


def _find(path: Path, reader: str | None, layout: config.Layout) -> Source:
    if is_pattern(path):
        files = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (it skips hidden folders)
        visible = [file for file in files if file.is_file() and not _is_hidden(file)]
        return _of_parts(path, _claimed(path, visible, reader), layout)
    if path.is_dir():
        module = plugins.load("readers", reader) if reader else None
        if reader and module and hasattr(module, "parts"):  # it reads folders itself
            return Source(path, reader, (File(path),), tuple(module.parts(path)), layout)
        return _of_parts(path, _claimed(path, _visible(path), reader), layout)
    return Source(path, find_reader(path, reader), (File(path),), (path,), layout)


def find_reader(path: Path, name: str | None) -> str:
    """Return the reader of a file: the named one, or the one that claims its suffix.

    Raises
    ------
    InputError
        The file does not exist, or no reader claims it.
    """
    if not path.exists():
        cure = "'tithe prepare' makes one from raw parts" if path.suffix == ".json" else "pass the path of one"
        raise InputError(f"no data file {path} (seen from {Path.cwd()}): {cure}")
    name = name or readers.claimed(path)
    plugins.load("readers", name)
    return name


def fits(path: Path, layout: config.Layout) -> bool:
    """Return whether the reader of a path's files reads every setting that a layout changes."""
    try:
        find(path, None, layout)
    except InputError:
        return False
    return True


def is_pattern(path: Path) -> bool:
    """Return whether a path names files by a pattern; a file with such a name is itself."""
    return glob.has_magic(str(path)) and not path.exists()


def has_parts(folder: Path) -> bool:
    """Return whether a folder has files that a reader claims, not counting plain text."""
    return any(_reader_of(file) not in (None, _NOTES) for file in _visible(folder))


def _visible(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file() and not _is_hidden(file)]


def _is_hidden(file: Path) -> bool:
    """Return whether a file is unfinished, or a marker of another program such as `_SUCCESS`."""
    return file.name.startswith((".", "_"))


def _reader_of(file: Path) -> str | None:
    try:
        return readers.claimed(file)
    except InputError:
        return None


def _claimed(path: Path, files: Sequence[Path], reader: str | None) -> tuple[str, list[Path]]:
    """Return the one reader of some files, and those of them that it claims."""
    claims: dict[str, list[Path]] = {}
    ignored = []
    for file in sorted(files):
        if name := _reader_of(file):
            claims.setdefault(name, []).append(file)
        else:
            ignored.append(file.name)
    if len(claims) > 1 and not reader:
        ignored += [file.name for file in claims.pop(_NOTES, ())]
    if reader and reader in claims:
        claims = {reader: claims[reader]}
    if len(claims) > 1:
        shown = " and ".join(parts[0].name for parts in claims.values())
        pattern = f"{path}/*.parquet" if path.is_dir() else "rows/*.parquet"
        raise InputError(f"{path} has files of several formats ({shown}): pass a pattern such as '{pattern}'")
    if not claims or (reader and reader not in claims):
        raise InputError(f"{path} has no {FORMATS}: {_cure(path)}")
    if ignored:
        logger.info("%s: no reader for %s, left out", path, ", ".join(ignored))
    return next(iter(claims.items()))


def _cure(path: Path) -> str:
    if path.is_dir() and any(child.is_dir() for child in path.iterdir()):
        return f"for those of its folders pass a pattern such as '{path}/**/*.parquet'"
    return "pass the path of a file, of a folder of them, or a pattern such as 'rows/*.parquet'"


def _of_parts(path: Path, claimed: tuple[str, list[Path]], layout: config.Layout) -> Source:
    reader, files = claimed[0], compressed.in_order(claimed[1])
    storage.refuse_pointers(*files)  # they have no columns
    first = _columns(reader, files[0], layout)
    for file in files[1:]:
        if differing := sorted(set(first) ^ set(_columns(reader, file, layout))):
            problem = f"only one of {files[0].name} and {file.name} has the column"
            raise InputError(f"{path}: {problem} '{differing[0]}': give all parts the same columns")
    return Source(path, reader, _in_splits(path, files), tuple(files), layout)


def _columns(reader: str, file: Path, layout: config.Layout) -> list[str]:
    module = plugins.load("readers", reader)
    if not hasattr(module, "columns"):
        return []
    found: list[str] = module.columns(file, *readers.layout_of(module, layout, file))
    return found


def _in_splits(path: Path, files: Sequence[Path]) -> tuple[File, ...]:
    """Return the files, the training ones first if their names are those of several splits."""
    parts = [_part_of_name(file) for file in files]
    if len(set(parts) - {None}) < 2:
        return tuple(map(File, files))
    if None in parts:
        split, other = files[parts.index(next(filter(None, parts)))], files[parts.index(None)]
        raise InputError(
            f"{path}: {split.name} is named after a split and {other.name} is not: pass one file as data.path and "
            "others as data.validation and data.test"
        )
    order = ("train", "val", "test")
    return tuple(File(file, part) for name in order for file, part in zip(files, parts, strict=True) if part == name)


def _part_of_name(file: Path) -> Part | None:
    stem = Path(compressed.plain_name(file)).stem
    match = _SPLIT_NAME.fullmatch(stem)
    return part_of(match[1]) if match else None
