"""Read a file of any format into cleaned, labelled rows in the cache, and record every dropped row."""

from __future__ import annotations

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
from tithe.data import clean, delimited, readers
from tithe.data.dataset import Dataset
from tithe.data.duplicates import find_duplicates
from tithe.data.labels import VERSION, Label, LabelMap, look_alike, normalise, storable
from tithe.errors import InputError
from tithe.storage import cache

logger = logging.getLogger("tithe")

_SCHEMA = pa.schema([("id", pa.int64()), ("input", pa.large_string())])
_EXCERPT = 80


@dataclass
class _Ingestion:
    """Kept and dropped rows, collected while a file is read.

    Attributes
    ----------
    classes
        The class of each symbol, by its normalised text; empty where the file has the class names.
    """

    dropped: list[dict[str, object]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    read: int = 0
    classes: dict[str, str] = field(default_factory=dict)

    def label(self, raw: object) -> tuple[Label | None, str]:
        """Return a row's class, or None and the reason: it has none, or a symbol that is not in the mapping."""
        label = normalise(raw)
        if label is None or not self.classes:
            return label, "missing_label"
        return self.classes.get(str(label)), "unknown_symbol"

    def drop(self, row: int, reason: str, value: object, **more: object) -> None:
        line: dict[str, object] = {}
        if isinstance(value, readers.Unreadable):
            self.unreadable.append(value.place(row))
            line = {"line": value.line} if value.line else {}
        excerpt = {"text": storable(value[:_EXCERPT])} if isinstance(value, str) else {}
        self.dropped.append({"row": row, "reason": reason, **line, **more, **excerpt})


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
    if path.is_dir():
        folder_readers = [reader for reader, module in plugins.each("readers") if hasattr(module, "parts")]
        if name not in folder_readers:
            names = ", ".join(folder_readers)
            raise InputError(f"{path} is a folder: pass a file, or set data.reader to one of {names}")
    name = name or readers.claimed(path)
    plugins.load("readers", name)
    return name


def ingest(data: config.Data) -> tuple[Dataset, LabelMap, Path]:
    """Read, clean and index a file; the result is cached by content and columns.

    Returns
    -------
    dataset, labels, folder
        The kept rows; their label map; the cache folder with `report.json` and `dropped.jsonl`.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or no row is usable.
    """
    path = Path(data.path)
    reader = find_reader(path, data.reader)
    symbols = symbols_of(data)
    parts = plugins.load("readers", reader).parts(path) if path.is_dir() else [path]
    content = [storage.sha256_file(part) for part in parts]
    cache_key = [content, reader, data.text_column, data.label_column, clean.VERSION, symbols]
    if code := plugins.sha256("readers", reader):  # of a reader from another package
        cache_key.append(code)
    source = storage.digest(cache_key)
    # The versions of these rules are not part of the source: a dataset's fingerprint has its rows and label codes, so
    # it changes only where a new rule reads this file differently, and runs on other files can still be resumed.
    folder = cache.place("data", storage.digest([source, VERSION, delimited.VERSION]))
    if not cache.is_whole(folder):
        logger.info("reading and cleaning %s", path)
        with storage.atomic_folder(folder) as aside:
            _write(path, reader, data, {str(normalise(symbol)): name for name, symbol in symbols.items()}, aside)
        cache.make_room()
    labels = LabelMap.load(folder / "labels.json")
    kept = np.load(folder / "kept.npy")
    dataset = Dataset.open(folder / "rows.arrow", kept["row"], kept["label"], source)
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


def _write(path: Path, reader: str, data: config.Data, classes: dict[str, str], folder: Path) -> None:
    ingestion = _Ingestion(classes=classes)
    with pa.ipc.new_file(str(folder / "rows.arrow"), _SCHEMA) as sink:
        for batch in _cleaned(path, reader, data, ingestion):
            sink.write_batch(batch)
    if places := ingestion.unreadable:
        logger.warning(
            "%s: %d of %d rows are unreadable, the first is %s", path, len(places), ingestion.read, places[0]
        )
    if not ingestion.labels:
        raise InputError(f"{path}: {_nothing_left(ingestion)}")
    labels = LabelMap.of(ingestion.labels)
    codes_N = labels.encode(ingestion.labels)
    keep, duplicate, conflict = find_duplicates(np.array(ingestion.keys), codes_N)
    table = pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()
    for reason, rows in (("duplicate", duplicate), ("conflict", conflict)):
        for row, text in zip(rows, table.column("input").take(pa.array(rows)).to_pylist(), strict=True):
            ingestion.drop(ingestion.ids[row], reason, text, label=ingestion.labels[row])
    if len(keep) == 0:
        raise InputError(f"{path}: {_nothing_left(ingestion)}")
    labels, codes_N = _without_empty(labels, codes_N, keep)
    kept = np.empty(len(keep), dtype=[("row", "<i8"), ("label", "<i8")])
    kept["row"], kept["label"] = keep, codes_N
    np.save(folder / "kept.npy", kept)
    labels.save(folder / "labels.json")
    storage.write_lines(folder / "dropped.jsonl", sorted(ingestion.dropped, key=lambda d: int(str(d["row"]))))
    content = storage.digest_bytes(*(ingestion.keys[row] for row in keep), codes_N.tobytes())
    report = _report(path, ingestion, labels, codes_N, np.array(ingestion.words)[keep])
    storage.write_json(folder / "report.json", {**report, "rows_sha256": content})


def _cleaned(path: Path, reader: str, data: config.Data, ingestion: _Ingestion) -> Iterator[pa.RecordBatch]:
    for rows in plugins.load("readers", reader).read(path, data.text_column, data.label_column):
        ids: list[int] = []
        texts: list[str] = []
        for row, (value, raw) in enumerate(rows, start=ingestion.read):
            try:
                label, why_not = ingestion.label(raw)
            except InputError as error:
                raise InputError(f"{path}, row {row}: {error} (data.label_column)") from None
            problem = clean.why_not_text(value)
            if problem or label is None:
                ingestion.drop(row, problem or why_not, value)
                continue
            text = clean.clean_text(value)
            ids.append(row)
            texts.append(text)
            ingestion.labels.append(label)
            ingestion.words.append(text.count(" ") + 1)
            ingestion.keys.append(hashlib.blake2b(text.encode(), digest_size=16).digest())
        ingestion.read += len(rows)
        ingestion.ids += ids
        yield pa.record_batch([pa.array(ids, pa.int64()), pa.array(texts, pa.large_string())], schema=_SCHEMA)


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
        "file": path.name,
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
