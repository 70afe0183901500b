"""The account of what was read: of each kept row some numbers in arrays, of each dropped one a line in a file."""

from __future__ import annotations

import bisect
import hashlib
import heapq
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from tithe import storage
from tithe.arrays import Array, Rows
from tithe.data.clean import clean_text
from tithe.data.dataset import Dataset
from tithe.data.labels import Label, storable
from tithe.data.readers import Unreadable

_EXCERPT = 80
_SHOWN = 60
_AT_ONCE = 8192


class Account:
    """Kept and dropped rows, as files are read.

    Parameters
    ----------
    file
        An empty file for the lines of dropped rows.

    Attributes
    ----------
    read
        Rows so far.
    reasons
        Dropped rows by reason, in the order in which the reasons came up.
    unreadable, first_unreadable
        How many rows no reader could parse, and where the first is.
    starts, files
        Where each file begins, and its name, if there are several.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.read = 0
        self.reasons: Counter[str] = Counter()
        self.unreadable, self.first_unreadable, self._begins = 0, "", ""
        self.starts: list[int] = []
        self.files: list[str] = []
        self._lines, self._dropped = file, [np.empty(0, np.int64)]
        self._kept: dict[str, list[Array]] = {}

    def keep(self, texts: pa.LargeStringArray, codes: Rows, parts: Rows) -> None:
        """Add texts that stay so far: their classes, and their positions in `PARTS`, −1 for none."""
        offset_N, byte_U = _buffers(texts)
        space_at = np.flatnonzero(byte_U == ord(" "))
        added = {
            "key": _keys(offset_N, byte_U),
            "code": codes.astype(np.int32),
            "part": parts.astype(np.int8),
            "words": (np.diff(np.searchsorted(space_at, offset_N)) + 1).astype(np.int32),
        }
        for name, values in added.items():
            self._kept.setdefault(name, []).append(values)

    def weigh(self, weights: Sequence[float]) -> None:
        """Add the weights of the texts that were kept last."""
        self._kept.setdefault("weight", []).append(np.array(weights, dtype=np.float64))

    def kept(self, name: str) -> Array:
        """Return what was kept of every row, shape (N,): `key` (16 bytes), `code`, `part`, `words`, `weight`."""
        pieces = self._kept.get(name, [np.empty(0)])
        self._kept[name] = [np.concatenate(pieces)]
        return self._kept[name][0]

    def drop(self, rows: Sequence[int], reasons: Sequence[str], values: Sequence[object]) -> None:
        """Add rows that are left out, in their order."""
        if not rows:
            return
        self.reasons.update(reasons)
        self._dropped.append(np.array(rows, dtype=np.int64))
        lines = (self._line(row, why, value) for row, why, value in zip(rows, reasons, values, strict=True))
        self._lines.write("".join(lines).encode())

    def _line(self, row: int, reason: str, value: object, label: Label | None = None) -> str:
        file = self.files[bisect.bisect_right(self.starts, row) - 1] if self.files else ""
        line: dict[str, object] = {"row": row, "reason": reason, **({"file": file} if file else {})}
        if isinstance(value, Unreadable):
            self.unreadable += 1
            place = value.place(row)
            self.first_unreadable = self.first_unreadable or (f"{place} of {file}" if file else place)
            self._begins = self._begins or clean_text(value[:_SHOWN])
            line |= {"line": value.line} if value.line else {}
        line |= {} if label is None else {"label": label}
        line |= {"text": storable(value[:_EXCERPT])} if isinstance(value, str) else {}
        return json.dumps(line, ensure_ascii=False) + "\n"

    def write_dropped(self, path: Path, copies: dict[str, Rows], texts: Dataset, names: Sequence[Label]) -> None:
        """Write the lines of all dropped rows, sorted: of those so far, and of the texts that are left out as copies.

        Parameters
        ----------
        copies
            Positions among the texts, by reason.
        texts
            The texts that stayed so far, with the positions of their classes in `names` as labels.
        """
        self.reasons.update({reason: len(rows) for reason, rows in copies.items() if len(rows)})
        self._lines.seek(0)
        rows = np.concatenate(self._dropped)
        lines = zip(rows.tolist(), (line.decode() for line in self._lines), strict=True)
        with storage.atomic_file(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(line for _, line in heapq.merge(lines, self._of_copies(copies, texts, names)))

    def _of_copies(self, copies: dict[str, Rows], texts: Dataset, names: Sequence[Label]) -> Iterator[tuple[int, str]]:
        position_D = np.concatenate([np.empty(0, np.int64), *copies.values()])
        why_D = np.repeat(np.arange(len(copies)), [len(rows) for rows in copies.values()])
        order, reasons = np.argsort(position_D), list(copies)
        for start in range(0, len(order), _AT_ONCE):
            some = order[start : start + _AT_ONCE]
            own = texts.take(position_D[some])
            for row, why, text, code in zip(own.ids.tolist(), why_D[some], own.inputs(), own.labels, strict=True):
                yield row, self._line(row, reasons[why], text, names[code])

    def said(self) -> str:
        """Return the reasons and counts of dropped rows, none of which is left, and the cure in one line."""
        counted = ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common())
        cure = "check text_column and label_column"
        if self.unreadable:
            cure = (
                f"the first unreadable is {self.first_unreadable}, '{self._begins}': repair its format, or its suffix"
            )
        return f"no usable row among {self.read} ({counted or 'the file is empty'}): {cure}"


def _buffers(texts: pa.LargeStringArray) -> tuple[Rows, Array]:
    """Return where each text begins, and the last one ends, and the bytes of all, without a copy."""
    _, offsets, data = texts.buffers()
    offset_N: Rows = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return offset_N, np.frombuffer(data or b"", np.uint8)[: offset_N[-1]]


def _keys(offset_N: Rows, byte_U: Array) -> Array:
    """Return a key of 16 bytes of each text, shape (N,): keys are equal if and only if texts are."""
    data, blake2b, at = byte_U.data, hashlib.blake2b, offset_N.tolist()
    digests: Iterable[bytes] = (
        blake2b(data[begin:end], digest_size=16).digest() for begin, end in itertools.pairwise(at)
    )
    return np.frombuffer(b"".join(digests), dtype="V16")
