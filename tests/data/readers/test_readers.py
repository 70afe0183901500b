"""Every reader keeps the contract of `tithe.testing`; one content is one dataset, whatever the format."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import GOOD, WRITERS, Pairs, account_adds_up, dropped, kept, load, write_parquet
from support.texts import make_texts
from tithe import plugins
from tithe.data.readers import Unreadable, claimed
from tithe.errors import InputError
from tithe.testing import check_reader


# A line of fastText holds no line break, and its columns have no names.
@pytest.mark.parametrize("name", sorted(set(plugins.names("readers")) - {"fasttext"}))
def test_every_reader_keeps_the_contract(name: str) -> None:
    check_reader(name, WRITERS[name.removesuffix("_parts")])


XML = """
import re
from tithe.data.readers import check, lists
SUFFIXES = {suffixes}
def label_of(text):
    return int(text) if re.fullmatch("0|[1-9][0-9]*", text) else text or None
def read(path, text_column, label_column):
    lines = path.read_text("utf-8", "replace").split("\\0")
    {check}
    names = lines[0].split("\\1")
    pairs = [line.split("\\1") for line in lines[1:] if line.count("\\1") == 1]
    rows = [(pair[names.index(text_column)], {label}) for pair in pairs]
    {end}
"""
RIGHT = {
    "suffixes": '(".nul",)',
    "check": 'check(path, text_column, label_column, lines[0].split("\\1"))',
    "label": "label_of(pair[names.index(label_column)]) if label_column else None",
    "end": "yield from lists(iter(rows))",
}
RECORDS = """
    {end}
def records(path):
    for rows in read(path, "text", "label"):
        yield [dict(text=text, label=label) for text, label in {of}]
"""
BROKEN = {
    "a word for suffixes": ({"suffixes": '(".nul")'}, "should be a tuple of names"),
    "a suffix without its dot": ({"suffixes": '("nul",)'}, "as '.xml'"),
    "a row lost": ({"end": "yield rows[1:]"}, "read 11 rows of 12"),
    "texts changed": ({"end": "yield [(text.strip(), label) for text, label in rows]"}, "read row 4 as"),
    "another order": ({"end": "yield rows[::-1]"}, "read row 0 as"),
    "one column for all": ({"label": "label_of(pair[1]) if label_column else None", "check": ""}, "raises ValueError"),
    "labels unasked": ({"label": "label_of(pair[1])"}, "gave labels where no column was named"),
    "all rows at once": ({"end": "yield rows"}, "10000 at most"),
    "files of elsewhere": ({"check": "assert len(lines) > 2\n    " + RIGHT["check"]}, "raises AssertionError"),
    "the file changed": ({"end": "path.write_bytes(path.read_bytes() + b'\\0'); yield rows"}, "changed the file"),
    "a column passed over": ({"label": "None", "check": ""}, "read row 0 as"),
    "a record lost": ({"end": RECORDS.format(end=RIGHT["end"], of="rows[1:]")}, "has 11 records of 12 rows"),
    "records in another order": ({"end": RECORDS.format(end=RIGHT["end"], of="rows[::-1]")}, "has record 0 as"),
    "a file beside": ({"end": "path.with_suffix('.idx').touch(); yield rows"}, "wrote files beside"),
}


def write_nul(path: Path, pairs: Pairs, text: str, label: str) -> None:
    rows = [(text, label), *((t, "" if y is None else y) for t, y in pairs)]
    path.write_text("\0".join(f"{t}\1{y}" for t, y in rows), encoding="utf-8")


def nul_reader(folder: Path, **parts: str) -> Path:
    (folder / "nul.py").write_text(XML.format(**{**RIGHT, **parts}))
    return folder / "nul.py"


def test_a_reader_in_a_file_keeps_the_contract(tmp_path: Path) -> None:
    check_reader(nul_reader(tmp_path), write_nul)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reader_is_found(tmp_path: Path, name: str) -> None:
    parts, says = BROKEN[name]
    with pytest.raises((AssertionError, InputError), match=says):
        check_reader(nul_reader(tmp_path, **parts), write_nul)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json"])
@pytest.mark.parametrize("labels", [("cat", "dog"), (3, 20), ("да", "нет"), ("1a", "01")])
def test_every_format_gives_the_same_dataset(tmp_path: Path, kind: str, labels: tuple[Any, Any]) -> None:
    texts, _ = make_texts(20)
    texts[:4] = ["with, comma", 'a "quoted" word', "two\nlines", "хлеб и соль"]
    pairs = [(text, labels[i % 3 == 0]) for i, text in enumerate(texts)] + [("  ", labels[0]), ("no label", None)]
    first = load(write_parquet(tmp_path / "rows.parquet", pairs), seed=5)
    other = load(WRITERS[kind](tmp_path / f"rows.{kind}", pairs), seed=5)
    assert kept(first) == kept(other)
    assert dropped(first) == dropped(other) == [(40, "empty_text"), (41, "missing_label")]
    assert first.labels == other.labels
    assert first.split.hash == other.split.hash
    assert kept(first)[2][1] == "two lines"


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_have_the_names_that_the_settings_give(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    table = {"note": ["x"] * 20, "body": [t for t, _ in GOOD], "topic": [y for _, y in GOOD]}
    if kind == "parquet":
        pq.write_table(pa.table(table), path)
    elif kind == "csv":
        path.write_text("note,body,topic\n" + "".join(f"x,{t},{y}\n" for t, y in GOOD), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps({"note": "x", "body": t, "topic": y}) + "\n" for t, y in GOOD))
    found = load(path, text_column="body", label_column="topic")
    assert [(text, label) for _, text, label in kept(found)] == GOOD


def test_a_file_of_many_batches_keeps_its_row_numbers(tmp_path: Path) -> None:
    pairs: Pairs = [(f"text {i}", i % 2) for i in range(9000)]
    pairs[8500] = ("", 0)
    for kind, write in WRITERS.items():
        found = load(write(tmp_path / f"rows.{kind}", pairs))
        assert found.rows.ids[-1] == 8999
        assert dropped(found) == [(8500, "empty_text")]
        assert account_adds_up(found)


DAMAGED = {
    "csv": (
        "text,n,n\na,1,2\nb,1\nc,3,4\n",
        [{"text": "a", "n": "1", "n_2": "2"}, None, {"text": "c", "n": "3", "n_2": "4"}],
    ),
    "jsonl": (
        '{"text": "a"}\n[1]\n{"text": "b", "m": [1]}\n{"te',
        [{"text": "a"}, None, {"text": "b", "m": [1]}, None],
    ),
    "json": ('[{"text": "a"}, 3, {"text": "b", "m": null}]', [{"text": "a"}, None, {"text": "b", "m": None}]),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_records_and_pairs_agree_on_what_is_unreadable(tmp_path: Path, kind: str) -> None:
    content, expected = DAMAGED[kind]
    file = tmp_path / f"rows.{kind}"
    file.write_text(content)
    reader = plugins.load("readers", claimed(file))
    pairs = [text for rows in reader.read(file, "text", None) for text, _ in rows]
    records = [record for rows in reader.records(file) for record in rows]
    assert [None if isinstance(record, Unreadable) else record for record in records] == expected
    assert [record if isinstance(record, Unreadable) else record["text"] for record in records] == pairs
