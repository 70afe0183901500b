"""Files of text, also compressed ones: gzip and Zstandard by their suffix, read as a stream in constant memory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import BinaryIO, TextIO, cast

import pyarrow as pa

from tithe.errors import InputError

_CODECS = {".gz": "gzip", ".zst": "zstd"}


def forms(*suffixes: str) -> tuple[str, ...]:
    """Return suffixes with those of their compressed forms: `.csv`, `.csv.gz`, `.csv.zst`."""
    return tuple(suffix + codec for suffix in suffixes for codec in ("", *_CODECS))


def suffix_of(path: PurePath) -> str:
    """Return the suffix of a path in lower case; of a compressed file both of its suffixes."""
    last = path.suffix.lower()
    return PurePath(path.stem).suffix.lower() + last if last in _CODECS else last


def codec_of(path: PurePath) -> str | None:
    """Return the codec that a path's suffix names; None for a plain file."""
    return _CODECS.get(path.suffix.lower())


def plain_name(path: PurePath) -> str:
    """Return the name that a file has when it is not compressed."""
    return path.stem if codec_of(path) else path.name


def in_order(files: Iterable[Path]) -> list[Path]:
    """Return files sorted by their paths.

    Raises
    ------
    InputError
        One of them is there twice: plain and compressed.
    """
    ordered = sorted(files)
    seen: dict[Path, Path] = {}
    for file in ordered:
        other = seen.setdefault(file.with_name(plain_name(file)), file)
        if other != file:
            raise InputError(f"{file} and {other.name} are one file, plain and compressed: keep one of them")
    return ordered


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file as bytes.

    Raises
    ------
    InputError
        In the block: a compressed file is damaged or cut short.
    """
    codec = codec_of(path)
    if codec is None:
        with path.open("rb") as file:
            yield file
        return
    try:
        with pa.OSFile(str(path)) as packed, pa.CompressedInputStream(packed, codec) as stream:
            yield cast(BinaryIO, io.BufferedReader(stream))
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not whole {codec} ({reason}): copy or compress it again") from None


@contextlib.contextmanager
def opened_text(path: Path, encoding: str, errors: str = "strict") -> Iterator[TextIO]:
    """Open a file as text, its line ends as they are; a byte order mark is not part of it.

    Raises
    ------
    InputError
        In the block: the file has another encoding, or a compressed file is damaged.
    """
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    try:
        with opened(path) as file:
            yield io.TextIOWrapper(file, encoding=name, errors=errors, newline="")
    except UnicodeError as error:
        place = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        damaged = ", or is damaged" if codec_of(path) else ""
        cure = "set data.encoding to its own, for example cp1251, or convert it with iconv"
        raise InputError(f"{path} is not {encoding.upper()}{place}{damaged}: {cure}") from None
