"""Read files of any format into cleaned, labelled rows in the cache, and record every dropped row."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tithe import config, plugins, storage
from tithe.arrays import Rows
from tithe.console import counted
from tithe.data import clean, delimited, weights
from tithe.data.dataset import Dataset
from tithe.data.duplicates import find_duplicates, numbered
from tithe.data.labels import VERSION, Label, LabelMap, look_alike, normalise
from tithe.data.sources import File
from tithe.data.text import given_splits, input_files
from tithe.data.text.account import Account
from tithe.data.text.classes import WHY_NOT, BadLabelError, Classes
from tithe.data.text.cleaning import cleaned
from tithe.data.text.corrections import DROPPED, Corrections, corrections_of
from tithe.data.text.input_files import UNKNOWN_SPLIT, Chunk, Found
from tithe.errors import InputError
from tithe.storage import cache

logger = logging.getLogger("tithe")

_SCHEMA = pa.schema([("id", pa.int64()), ("input", pa.large_string())])
_EVALUATED = given_splits.VAL, given_splits.TEST


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


@dataclass(frozen=True)
class _Reading:
    """What one pass over the files fills."""

    account: Account
    classes: Classes
    corrections: Corrections | None


def _write(found: Found, data: config.Data, symbols: dict[str, str], folder: Path) -> None:
    path = found[0][0].path
    with tempfile.TemporaryFile(dir=folder) as lines:
        reading = _Reading(Account(lines), Classes(symbols), corrections_of(data))
        account, classes, corrections = reading.account, reading.classes, reading.corrections
        with pa.ipc.new_file(str(folder / "rows.arrow"), _SCHEMA) as sink:
            for batch in _cleaned(found, data, reading):
                sink.write_batch(batch)
        corrected = corrections and corrections.finish(account.read)
        if count := account.unreadable:
            is_, first = "is" if count == 1 else "are", account.first_unreadable
            rows = counted(account.read, "row")
            logger.warning("%s: %d of %s %s unreadable, the first is %s", path, count, rows, is_, first)
        if not len(code_N := account.kept("code")):
            raise InputError(f"{path}: {account.said()}")
        labels, codes_N = _encoded(classes.names, code_N)
        keep, copies = _without_copies(account, codes_N)
        texts = Dataset.open(folder / "rows.arrow", np.arange(len(code_N)), code_N, "")
        account.write_dropped(folder / "dropped.jsonl", copies, texts, classes.names)
    if len(keep) == 0:
        raise InputError(f"{path}: {account.said()}")
    labels, codes_N = _without_empty(labels, codes_N, keep)
    _save_kept(folder, account, keep, codes_N, has_weights=data.weight_column is not None)
    labels.save(folder / "labels.json")
    key_K = account.kept("key")[keep]
    report = _report(path, account, labels, codes_N, account.kept("words")[keep].astype(np.int64))
    report |= {"corrections": corrected} if corrected else {}
    if (part_N := account.kept("part")[keep].astype(np.int64)).min() >= 0:
        np.save(folder / "parts.npy", part_N)
        report["given"] = given_splits.report(part_N, numbered(key_K))
    content = storage.digest_items(memoryview(key_K.tobytes()), key_K.itemsize, codes_N.tobytes())
    storage.write_json(folder / "report.json", {**report, "rows_sha256": content})


def _encoded(names: Sequence[Label], code_N: Rows) -> tuple[LabelMap, Rows]:
    """Return the classes that rows have, in their order, and those of the rows."""
    present = np.unique(code_N)
    labels = LabelMap.of(names[code] for code in present)
    of_code = np.full(len(names), -1)
    of_code[present] = labels.encode([names[code] for code in present])
    return labels, of_code[code_N]


def _save_kept(folder: Path, account: Account, keep: Rows, codes_N: Rows, has_weights: bool) -> None:
    kept = np.empty(len(keep), dtype=[("row", "<i8"), ("label", "<i8")])
    kept["row"], kept["label"] = keep, codes_N
    np.save(folder / "kept.npy", kept)
    if has_weights:
        np.save(folder / "weights.npy", account.kept("weight")[keep])


def _without_copies(account: Account, codes_N: Rows) -> tuple[Rows, dict[str, Rows]]:
    """Return the rows to keep, and those to drop by reason."""
    text_N, part_N = numbered(account.kept("key")), account.kept("part")
    if part_N.min() >= 0:
        return given_splits.sift(text_N, codes_N, part_N)
    keep, duplicate, conflict = find_duplicates(text_N, codes_N)
    return keep, {"duplicate": duplicate, "conflict": conflict}


def _cleaned(found: Found, data: config.Data, reading: _Reading) -> Iterator[pa.RecordBatch]:
    account = reading.account
    several = sum(len(source.files) for source, _ in found) > 1
    for source, part in found:
        for file in source.files:
            if several:
                account.starts.append(account.read)
                account.files.append(file.path.name)
            for chunk in input_files.chunks(source, file, part or file.part, data):
                yield _kept(file, chunk, reading)


def _kept(file: File, chunk: Chunk, reading: _Reading) -> pa.RecordBatch:
    """Take account of some rows; return those that stay.

    Raises
    ------
    InputError
        A label, a correction or a weight is wrong: the message names the first.
    """
    account, classes = reading.account, reading.classes
    try:
        codes_N = classes.codes(chunk.labels)
    except BadLabelError as error:
        _kept(file, chunk.before(error.position), reading)
        raise InputError(f"{file.path}, row {account.read}: {error} (data.label_column)") from None
    texts, problems = cleaned(chunk.texts)
    why_not = {**{row: WHY_NOT[int(codes_N[row])] for row in np.flatnonzero(codes_N < 0).tolist()}, **problems}
    _correct(reading, texts, codes_N, why_not)
    for row in np.flatnonzero(chunk.parts == UNKNOWN_SPLIT).tolist():
        why_not.setdefault(row, "unknown_split")
    rows = sorted(why_not)
    values = [chunk.value(row) for row in rows]
    account.drop([account.read + row for row in rows], [why_not[row] for row in rows], values)
    stay = np.delete(np.arange(len(codes_N)), rows)
    texts = texts.take(pa.array(stay)) if rows else texts
    if chunk.weights is not None:
        account.weigh(_weights(file, chunk, stay, account.read))
    account.keep(texts, codes_N[stay], chunk.parts[stay])
    ids = pa.array(account.read + stay, pa.int64())
    account.read += len(codes_N)
    return pa.record_batch([ids, texts], schema=_SCHEMA)


def _correct(reading: _Reading, texts: pa.LargeStringArray, codes_N: Rows, why_not: dict[int, str]) -> None:
    """Give rows the classes that a person gave them, or leave them out; a row without a text stays left out."""
    corrections, classes = reading.corrections, reading.classes
    if corrections is None:
        return
    first, names = reading.account.read, classes.names
    for row in sorted(row - first for row in corrections.of_row if first <= row < first + len(codes_N)):
        before = names[codes_N[row]] if codes_N[row] >= 0 else None
        label, stays = corrections.apply(first + row, texts[row].as_py(), before)
        is_text = why_not.get(row) in (None, *WHY_NOT.values())
        if stays and label is not None:
            codes_N[row] = classes.code(label)
        if is_text and not stays:
            why_not[row] = DROPPED
        elif is_text and label is not None:
            why_not.pop(row, None)


def _weights(file: File, chunk: Chunk, stay: Rows, first: int) -> list[float]:
    found = []
    assert chunk.weights is not None
    for row in stay.tolist():
        try:
            found.append(1.0 if chunk.parts[row] in _EVALUATED else weights.parse(chunk.weights[row]))
        except InputError as error:
            raise InputError(f"{file.path}, row {first + row}: {error} (data.weight_column)") from None
    return found


def _without_empty(
    labels: LabelMap, codes_N: np.ndarray[Any, Any], keep: np.ndarray[Any, Any]
) -> tuple[LabelMap, np.ndarray[Any, Any]]:
    """Remove classes whose rows were all dropped as conflicts."""
    present, kept_codes_N = np.unique(codes_N[keep], return_inverse=True)
    return LabelMap(tuple(labels.names[int(c)] for c in present)), kept_codes_N


def _report(
    path: Path,
    account: Account,
    labels: LabelMap,
    codes_N: np.ndarray[Any, Any],
    words_N: np.ndarray[Any, Any],
) -> dict[str, object]:
    sizes = dict(zip(labels.names, np.bincount(codes_N, minlength=len(labels)).tolist(), strict=True))
    return {
        "file": path.name or path.resolve().name,
        "rows_read": account.read,
        "rows_kept": len(codes_N),
        "dropped": dict(account.reasons.most_common()),
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
