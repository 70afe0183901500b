"""Read files of any format into cleaned, labelled rows in the cache, and record every dropped row."""

from __future__ import annotations

import bisect
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tithe import config, plugins, storage
from tithe.arrays import Rows
from tithe.console import counted
from tithe.data import clean, delimited, readers, weights
from tithe.data.dataset import Dataset
from tithe.data.duplicates import find_duplicates
from tithe.data.labels import VERSION, Label, LabelMap, look_alike, normalise, storable
from tithe.data.sources import File
from tithe.data.text import given_splits, input_files
from tithe.data.text.corrections import DROPPED, Corrections, corrections_of
from tithe.data.text.input_files import Chunk, Found
from tithe.errors import InputError
from tithe.storage import cache

logger = logging.getLogger("tithe")

_SCHEMA = pa.schema([("id", pa.int64()), ("input", pa.large_string())])
_EXCERPT = 80
_EVALUATED = given_splits.VAL, given_splits.TEST


@dataclass
class _Ingestion:
    """Kept and dropped rows, collected while files are read.

    Attributes
    ----------
    parts
        Positions in `PARTS`, or −1 where the data have no splits.
    weights
        Of the rows in training; 1 of others.
    classes
        The class of each symbol, by its normalised text; empty where the file has the class names.
    starts, files
        Where each file begins, and its name, if there are several.
    corrections
        Of the labels, by a person, if any.
    """

    dropped: list[dict[str, object]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    read: int = 0
    classes: dict[str, str] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    corrections: Corrections | None = None

    def label(self, raw: object) -> tuple[Label | None, str]:
        """Return a row's class, or None and the reason: it has none, or a symbol that is not in the mapping."""
        label = normalise(raw)
        if label is None or not self.classes:
            return label, "missing_label"
        return self.classes.get(str(label)), "unknown_symbol"

    def corrected(self, row: int, text: str, label: Label | None, why_not: str) -> tuple[Label | None, str]:
        """Return a row's class as `label` does, as a person corrected it."""
        if self.corrections is None:
            return label, why_not
        label, stays = self.corrections.apply(row, text, label)
        return (label, why_not) if stays else (None, DROPPED)

    def drop(self, row: int, reason: str, value: object, **more: object) -> None:
        file = self.files[bisect.bisect_right(self.starts, row) - 1] if self.files else ""
        line: dict[str, object] = {"file": file} if file else {}
        if isinstance(value, readers.Unreadable):
            self.unreadable.append(f"{value.place(row)} of {file}" if file else value.place(row))
            line |= {"line": value.line} if value.line else {}
        excerpt = {"text": storable(value[:_EXCERPT])} if isinstance(value, str) else {}
        self.dropped.append({"row": row, "reason": reason, **line, **more, **excerpt})


def ingest(data: config.Data) -> tuple[Dataset, LabelMap, Path]:
    """Read, clean and index files; the result is cached by content and columns.

    Returns
    -------
    dataset, labels, folder
        The kept rows; their label map; the cache folder with `report.json` and `dropped.jsonl`, and if the data have
        splits `parts.npy`: the position in `PARTS` of each kept row; and if they have weights `weights.npy`.

    Raises
    ------
    InputError
        A file cannot be read, a column is missing, a weight is not one, or no row is usable.
    """
    found = input_files.find_sources(data)
    symbols = symbols_of(data)
    own, reader = found[0][0], found[0][0].reader
    cache_key = [own.key, reader, data.text_column, data.label_column, clean.VERSION, symbols]
    if code := plugins.sha256("readers", reader):  # of a reader from another package
        cache_key.append(code)
    if more := input_files.more_of_key(data, found):
        cache_key.append(more)
    if corrections := corrections_of(data):
        cache_key.append({"corrections": corrections.key})
    source = storage.digest(cache_key)
    # The versions of these rules are not part of the source: a dataset's fingerprint has its rows and label codes, so
    # it changes only where a new rule reads this file differently, and runs on other files can still be resumed.
    folder = cache.place("data", storage.digest([source, VERSION, delimited.VERSION]))
    if not cache.is_whole(folder):
        logger.info("reading and cleaning %s", ", ".join(str(one.path) for one, _ in found))
        with storage.atomic_folder(folder) as aside:
            _write(found, data, {str(normalise(symbol)): name for name, symbol in symbols.items()}, aside)
        cache.make_room()
    labels = LabelMap.load(folder / "labels.json")
    kept = np.load(folder / "kept.npy")
    weights_N = np.load(folder / "weights.npy") if data.weight_column else None
    dataset = Dataset.open(folder / "rows.arrow", kept["row"], kept["label"], source, weights_N)
    return dataset, labels, folder


def symbols_of(data: config.Data) -> dict[str, str]:
    """Return the symbol for each class in the data file; empty where the file has the class names.

    Raises
    ------
    InputError
        The mapping file is missing or is not a mapping.
    """
    if data.label_mapping is None:
        return {}
    path = Path(data.label_mapping)
    mapping = storage.read_json(path)
    is_mapping = isinstance(mapping, dict) and all(isinstance(symbol, str) for symbol in mapping.values())
    if not is_mapping or len(set(map(normalise, mapping.values()))) != len(mapping):
        raise InputError(f"{path} is not a mapping of classes to distinct symbols: recreate it with 'tithe prepare'")
    return dict(mapping)


def _write(found: Found, data: config.Data, classes: dict[str, str], folder: Path) -> None:
    path = found[0][0].path
    ingestion = _Ingestion(classes=classes, corrections=(corrections := corrections_of(data)))
    with pa.ipc.new_file(str(folder / "rows.arrow"), _SCHEMA) as sink:
        for batch in _cleaned(found, data, ingestion):
            sink.write_batch(batch)
    corrected = corrections and corrections.finish(ingestion.read)
    if places := ingestion.unreadable:
        logger.warning(
            "%s: %d of %s %s unreadable, the first is %s",
            *(path, len(places), counted(ingestion.read, "row"), "is" if len(places) == 1 else "are", places[0]),
        )
    if not ingestion.labels:
        raise InputError(f"{path}: {_nothing_left(ingestion)}")
    labels = LabelMap.of(ingestion.labels)
    codes_N = labels.encode(ingestion.labels)
    keep, drops = _without_copies(ingestion, codes_N)
    table = pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()
    for reason, rows in drops.items():
        for row, text in zip(rows, table.column("input").take(pa.array(rows)).to_pylist(), strict=True):
            ingestion.drop(ingestion.ids[row], reason, text, label=ingestion.labels[row])
    if len(keep) == 0:
        raise InputError(f"{path}: {_nothing_left(ingestion)}")
    labels, codes_N = _without_empty(labels, codes_N, keep)
    kept = np.empty(len(keep), dtype=[("row", "<i8"), ("label", "<i8")])
    kept["row"], kept["label"] = keep, codes_N
    np.save(folder / "kept.npy", kept)
    if data.weight_column:
        np.save(folder / "weights.npy", np.array(ingestion.weights)[keep])
    labels.save(folder / "labels.json")
    storage.write_lines(folder / "dropped.jsonl", sorted(ingestion.dropped, key=lambda d: int(str(d["row"]))))
    content = storage.digest_bytes(*(ingestion.keys[row] for row in keep), codes_N.tobytes())
    report = _report(path, ingestion, labels, codes_N, np.array(ingestion.words)[keep])
    report |= {"corrections": corrected} if corrected else {}
    if (part_N := np.array(ingestion.parts)[keep]).min() >= 0:
        np.save(folder / "parts.npy", part_N)
        report["given"] = given_splits.report(part_N, np.array(ingestion.keys)[keep])
    storage.write_json(folder / "report.json", {**report, "rows_sha256": content})


def _without_copies(ingestion: _Ingestion, codes_N: Rows) -> tuple[Rows, dict[str, Rows]]:
    """Return the rows to keep, and those to drop by reason."""
    keys_N, part_N = np.array(ingestion.keys), np.array(ingestion.parts)
    if part_N.min() >= 0:
        return given_splits.sift(keys_N, codes_N, part_N)
    keep, duplicate, conflict = find_duplicates(keys_N, codes_N)
    return keep, {"duplicate": duplicate, "conflict": conflict}


def _cleaned(found: Found, data: config.Data, ingestion: _Ingestion) -> Iterator[pa.RecordBatch]:
    several = sum(len(source.files) for source, _ in found) > 1
    for source, part in found:
        for file in source.files:
            if several:
                ingestion.starts.append(ingestion.read)
                ingestion.files.append(file.path.name)
            for chunk in input_files.chunks(source, file, part or file.part, data):
                yield _kept(file, chunk, ingestion)


def _kept(file: File, chunk: Chunk, ingestion: _Ingestion) -> pa.RecordBatch:
    ids: list[int] = []
    texts: list[str] = []
    for row, ((value, raw), part, weight) in enumerate(zip(*chunk, strict=True), start=ingestion.read):
        problem = clean.why_not_text(value)
        text = "" if problem else clean.clean_text(str(value))
        try:
            label, why_not = ingestion.label(raw)
        except InputError as error:
            raise InputError(f"{file.path}, row {row}: {error} (data.label_column)") from None
        label, why_not = ingestion.corrected(row, text, label, why_not)
        if problem or label is None or part is None:
            ingestion.drop(row, problem or (why_not if label is None else "unknown_split"), value)
            continue
        ids.append(row)
        texts.append(text)
        ingestion.labels.append(label)
        ingestion.parts.append(part)
        try:
            ingestion.weights.append(1.0 if part in _EVALUATED else weights.parse(weight))
        except InputError as error:
            raise InputError(f"{file.path}, row {row}: {error} (data.weight_column)") from None
        ingestion.words.append(text.count(" ") + 1)
        ingestion.keys.append(hashlib.blake2b(text.encode(), digest_size=16).digest())
    ingestion.read += len(chunk.rows)
    ingestion.ids += ids
    return pa.record_batch([pa.array(ids, pa.int64()), pa.array(texts, pa.large_string())], schema=_SCHEMA)


def _nothing_left(ingestion: _Ingestion) -> str:
    reasons = Counter(str(drop["reason"]) for drop in ingestion.dropped)
    counted = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return (
        f"no usable row among {ingestion.read} ({counted or 'the file is empty'}): check text_column and label_column"
    )


def _without_empty(
    labels: LabelMap, codes_N: np.ndarray[Any, Any], keep: np.ndarray[Any, Any]
) -> tuple[LabelMap, np.ndarray[Any, Any]]:
    """Remove classes whose rows were all dropped as conflicts."""
    present, kept_codes_N = np.unique(codes_N[keep], return_inverse=True)
    return LabelMap(tuple(labels.names[int(c)] for c in present)), kept_codes_N


def _report(
    path: Path,
    ingestion: _Ingestion,
    labels: LabelMap,
    codes_N: np.ndarray[Any, Any],
    words_N: np.ndarray[Any, Any],
) -> dict[str, object]:
    sizes = dict(zip(labels.names, np.bincount(codes_N, minlength=len(labels)).tolist(), strict=True))
    return {
        "file": path.name or path.resolve().name,
        "rows_read": ingestion.read,
        "rows_kept": len(codes_N),
        "dropped": dict(Counter(str(drop["reason"]) for drop in ingestion.dropped).most_common()),
        "classes": {str(name): size for name, size in sizes.items()},
        "alike_classes": [{str(name): sizes[name] for name in names} for names in look_alike(labels.names)],
        "label_hash": labels.hash,
        "words": {
            "mean": round(float(words_N.mean()), 1),
            "median": int(np.median(words_N)),
            "p95": int(np.percentile(words_N, 95)),
            "max": int(words_N.max()),
        },
    }
