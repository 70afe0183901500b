"""Data files, label maps and lists of images that must be refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from support.bad_inputs import Bad, Content


def _table(**columns: list[object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _train(says: str, name: str, content: Content, *more: str) -> Bad:
    return Bad(says, ("train", "good.yaml", "--set", f"data.path={name}", *more), {name: content})


def _truncated(path: Path, run: Path) -> None:
    whole = _table(text=["a", "b"], label=["x", "y"])
    path.write_bytes(whole[: len(whole) // 2])


def _zip(path: Path, run: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", "text,label\na,b\n")


def _folder(path: Path, run: Path) -> None:
    path.mkdir()


_ROWS = "text,label\n" + "".join(f"a text number {i},{'ab'[i % 2]}\n" for i in range(40))
FILES = {
    "an empty CSV": _train("", "d.csv", ""),
    "a CSV of a header": _train("empty|no usable row", "d.csv", "text,label\n"),
    "a CSV without the columns": _train("no column 'text'", "d.csv", "a,b\n1,2\n"),
    "a CSV with a column twice": _train("text", "d.csv", "text,text,label\na,b,c\n"),
    "a CSV in UTF-16": _train("UTF-8|no column", "d.csv", _ROWS.encode("utf-16")),
    "a CSV of one class": _train("one class only", "d.csv", _ROWS.replace(",b", ",a")),
    "a CSV of two rows": _train("add rows", "d.csv", "text,label\none,a\ntwo,b\n"),
    "binary as CSV": _train("", "d.csv", bytes(range(256)) * 4),
    "NULs as CSV": _train("", "d.csv", b"\0" * 1000),
    "an empty Parquet": _train("is not a Parquet file", "d.parquet", b""),
    "text as Parquet": _train("is not a Parquet file", "d.parquet", "text,label\n"),
    "a truncated Parquet": _train("is not a Parquet file", "d.parquet", _truncated),
    "the magic of Parquet": _train("is not a Parquet file", "d.parquet", b"PAR1" + b"\xff" * 100 + b"PAR1"),
    "Parquet without a text column": _train("no column 'text'", "d.parquet", _table(x=["a"], label=["b"])),
    "Parquet of numbers": _train("column 'text' is int64", "d.parquet", _table(text=[1, 2], label=["a", "b"])),
    "Parquet of lists as texts": _train("column 'text' is list", "d.parquet", _table(text=[["a"]], label=["b"])),
    "Parquet of label lists": _train("list of labels", "d.parquet", _table(text=["a", "b"], label=[["x"], ["y"]])),
    "Parquet of label structs": _train("several fields", "d.parquet", _table(text=["a"], label=[{"x": 1}])),
    "Parquet of labels that are bytes": _train("is not UTF-8", "d.parquet", _table(text=["a"], label=[b"\xff"])),
    "Parquet without rows": _train(
        "the file is empty", "d.parquet", _table(text=pa.array([], pa.string()), label=pa.array([], pa.string()))
    ),
    "Parquet of empty texts": _train("no usable row", "d.parquet", _table(text=["", " "], label=["a", "b"])),
    "Parquet of missing labels": _train("no usable row", "d.parquet", _table(text=["a", "b"], label=[None, None])),
    "Parquet of NaN labels": _train(
        "no usable row", "d.parquet", _table(text=["a", "b"], label=[float("nan"), float("nan")])
    ),
    "an empty JSONL": _train("", "d.jsonl", ""),
    "JSONL of lists": _train("", "d.jsonl", "[1]\n[2]\n"),
    "JSONL of garbage": _train("", "d.jsonl", "not JSON\n" * 3),
    "JSONL of huge numbers": _train("", "d.jsonl", '{"text": ' + "9" * 5000 + ', "label": 1}\n'),
    "JSONL, 100,000 deep": _train("", "d.jsonl", "[" * 100_000 + "\n"),
    "JSONL without the columns": _train("no key 'text'", "d.jsonl", '{"a": 1}\n'),
    "JSON of garbage": _train("is not JSON at line 1|no reader", "d.json", "[{]"),
    "a ZIP": _train("no reader for '.zip'", "d.zip", _zip),
    "no suffix": _train("no reader", "data", "text,label\na,b\n"),
    "an Excel file": _train("no reader for '.xlsx'", "d.xlsx", b"PK"),
    "a pickle": _train("no reader for '.pkl'", "d.pkl", b"\x80\x04N."),
    "an empty folder": _train("", "folder", _folder),
    "a mapping of a list": _train("", "m.csv", _ROWS, "--set", "data.label_mapping=m.csv"),
}

_MAPPED = ("train", "good.yaml", "--set", "data.label_mapping=m.json")
MAPPINGS = {
    "a label map of garbage": Bad("m.json is not JSON", _MAPPED, {"m.json": "{"}),
    "a label map, empty": Bad("m.json is not JSON", _MAPPED, {"m.json": ""}),
    "a label map of a list": Bad("is not a mapping of classes", _MAPPED, {"m.json": "[1]"}),
    "a label map of numbers": Bad("is not a mapping of classes", _MAPPED, {"m.json": '{"a": 1}'}),
    "a label map with a symbol twice": Bad("distinct symbols", _MAPPED, {"m.json": '{"a": "x", "b": "x"}'}),
    "a label map, 100,000 deep": Bad("nested too deeply", _MAPPED, {"m.json": "[" * 100_000}),
    "a label map of 5,000 digits": Bad("m.json is not JSON", _MAPPED, {"m.json": "9" * 5000}),
    "a label map in UTF-16": Bad("m.json is not JSON", _MAPPED, {"m.json": "{}".encode("utf-16")}),
    "a label map of other classes": Bad("", _MAPPED, {"m.json": '{"a": "x", "b": "y"}'}),
    "a label map that is a folder": Bad("m.json", _MAPPED, {"m.json": _folder}, code=1),
    "corrections of other data": Bad(
        "c.json is for other data: row 1 has another text",
        ("train", "good.yaml", "--set", "data.corrections=c.json"),
        {"c.json": '{"corrections": [{"row": 1, "text_sha256": "0", "label": "a"}]}'},
    ),
    "corrections that are missing": Bad("no file c.json", ("train", "good.yaml", "--set", "data.corrections=c.json")),
}

_IMAGES = ("train", "good.yaml", "--set", "task=image", "--set", "model={}", "--set", "data.path=list.csv")
IMAGES = {
    "a list of images, empty": Bad("", _IMAGES, {"list.csv": ""}),
    "a list of images without its columns": Bad("list.csv", _IMAGES, {"list.csv": "a,b\n1,2\n"}),
    "a list of images that are missing": Bad("", _IMAGES, {"list.csv": "path,label\nnone.png,real\n"}),
    "a list of images of unknown classes": Bad("", _IMAGES, {"list.csv": "path,label\nnone.png,cat\n"}),
    "a list of images, binary": Bad("", _IMAGES, {"list.csv": bytes(range(256))}),
    "a folder of no images": Bad(
        "", ("train", "good.yaml", "--set", "task=image", "--set", "model={}", "--set", "data.path=f"), {"f": _folder}
    ),
}

_PREDICT = ("predict", "RUN", "--output", "out.csv", "--input")
INPUTS = {
    "predict: an empty CSV": Bad("", (*_PREDICT, "d.csv"), {"d.csv": ""}),
    "predict: a CSV without the column": Bad("no column 'text'", (*_PREDICT, "d.csv"), {"d.csv": "a,b\n1,2\n"}),
    "predict: a broken Parquet": Bad("is not a Parquet file", (*_PREDICT, "d.parquet"), {"d.parquet": "x"}),
    "predict: garbage as JSONL": Bad("", (*_PREDICT, "d.jsonl"), {"d.jsonl": "garbage\n"}),
    "predict: no reader": Bad("no reader for '.xyz'", (*_PREDICT, "d.xyz"), {"d.xyz": "garbage\n"}),
    "evaluate: other classes": Bad(
        "is not one of the 2 classes", ("evaluate", "-c", "RUN", "--data", "d.csv", "--out", "e"), {"d.csv": _ROWS}
    ),
    "select: a broken Parquet": Bad(
        "is not a Parquet file", ("select", "d.parquet", "--out", "p.parquet"), {"d.parquet": "x"}
    ),
    "describe: a broken Parquet": Bad("is not a Parquet file", ("describe", "d.parquet"), {"d.parquet": "x"}),
    "prepare: garbage": Bad("d.json", ("prepare", "d.json", "--out", "o"), {"d.json": "garbage"}),
    "prepare: 100,000 deep": Bad("nested too deeply", ("prepare", "d.json", "--out", "o"), {"d.json": "[" * 100_000}),
    "prepare: an empty folder": Bad("", ("prepare", "f", "--out", "o"), {"f": _folder}),
}
