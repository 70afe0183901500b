"""From a file to cleaned rows in the cache: an account of every row, and files that can't be used."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import (
    GOOD,
    WRITERS,
    Pairs,
    account_adds_up,
    dropped,
    kept,
    lines,
    load,
    write_csv,
    write_jsonl,
    write_parquet,
)
from tithe import plugins, storage
from tithe.data import clean, find_reader
from tithe.errors import InputError

# ---- the account of what was left out


def test_every_row_left_out_is_counted_by_reason_and_listed(tmp_path: Path) -> None:
    bad: Pairs = [
        (None, "cat"),  # 20
        ("  ", "cat"),  # 21
        ("no label", None),  # 22
        ("blank label", " "),  # 23
        ("sound text 0", "cat"),  # 24, a duplicate of row 0
        ("sound  text 2\u200b", "cat"),  # 25, a duplicate of row 2 once cleaned
        ("twice told", "cat"),  # 26, in conflict
        ("twice told", "dog"),  # 27, in conflict
        ("twice  told", "cat"),  # 28, in conflict
        ("sound text 1", "cat"),  # 29, in conflict with row 1
    ]
    found = load(write_parquet(tmp_path / "rows.parquet", GOOD + bad))
    assert dropped(found) == [
        (1, "conflict"),
        (20, "missing_text"),
        (21, "empty_text"),
        (22, "missing_label"),
        (23, "missing_label"),
        (24, "duplicate"),
        (25, "duplicate"),
        (26, "conflict"),
        (27, "conflict"),
        (28, "conflict"),
        (29, "conflict"),
    ]
    assert found.report["dropped"] == {
        "conflict": 5,
        "missing_label": 2,
        "duplicate": 2,
        "missing_text": 1,
        "empty_text": 1,
    }
    assert (found.report["rows_read"], found.report["rows_kept"]) == (30, 19)
    assert account_adds_up(found)
    listed = {line["row"]: line for line in map(json.loads, lines(found.dropped))}
    assert listed[27] == {"row": 27, "reason": "conflict", "label": "dog", "text": "twice told"}
    assert found.report["classes"] == {"cat": 10, "dog": 9}


def test_a_class_of_which_nothing_is_left_is_no_class(tmp_path: Path) -> None:
    found = load(write_parquet(tmp_path / "rows.parquet", [*GOOD, ("same", "ant"), ("same", "cat")]))
    assert found.labels.names == ("cat", "dog")
    assert [label for _, _, label in kept(found)] == [label for _, label in GOOD]


def test_the_report_describes_the_texts(tmp_path: Path) -> None:
    pairs: Pairs = [(" ".join([f"w{i}"] * words), i % 2) for i, words in enumerate([1, 2, 3, 4, 10] * 4)]
    words = load(write_parquet(tmp_path / "rows.parquet", pairs)).report["words"]
    assert words == {"mean": 4.0, "median": 3, "p95": 10, "max": 10}


# ---- the cache and the map of the file


def refuse_to_read(*_: object) -> None:
    pytest.fail("the file was read again")


@pytest.mark.parametrize("kind", WRITERS)
def test_a_second_load_does_not_read_the_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = WRITERS[kind](tmp_path / f"rows.{kind}", GOOD)
    first = load(path)
    reader = plugins.load("readers", find_reader(path, None))
    for name in {"read", "batches"} & set(vars(reader)):
        monkeypatch.setattr(reader, name, refuse_to_read)
    again = load(path)
    assert kept(first) == kept(again)
    assert first.rows.fingerprint == again.rows.fingerprint
    assert first.report == again.report
    assert dropped(load(path.rename(tmp_path / f"moved.{kind}"))) == []


def test_a_changed_file_and_other_columns_are_read_again(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", GOOD)
    first = load(path)
    write_csv(path, [("another text", "cat"), *GOOD[1:]])
    changed = load(path)
    assert kept(changed)[0] == (0, "another text", "cat")
    assert changed.rows.source != first.rows.source
    with pytest.raises(InputError, match="conflict 20"):
        load(path, text_column="label", label_column="text")


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows.parquet", GOOD)
    first = kept(load(path))
    (stored,) = (storage.cache_dir() / "data").glob("*/rows.arrow")
    stored.write_bytes(stored.read_bytes()[:-40])
    assert kept(load(path)) == first
    (stored.parent / storage.MANIFEST).unlink()
    assert kept(load(path)) == first


def test_a_new_rule_for_labels_reads_again_and_leaves_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The source is in the fingerprint of every checkpoint: it is the one of earlier versions.
    path = write_parquet(tmp_path / "rows.parquet", GOOD)
    found = load(path)
    made_of = [[storage.sha256_file(path)], "parquet", "text", "label", clean.VERSION, {}]
    assert found.rows.source == storage.digest(made_of)
    monkeypatch.setattr("tithe.data.text.ingest.VERSION", -1)
    monkeypatch.setattr("tithe.data.text.classes.normalise", lambda raw: f"a {raw}")
    again = load(path)
    assert again.labels.names == ("a cat", "a dog") and again.rows.source == found.rows.source


# ---- symbols for classes


def symbols(path: Path, **symbols: str) -> str:
    storage.write_json(path, symbols)
    return str(path)


def test_symbols_are_labels_too(tmp_path: Path) -> None:
    pairs: Pairs = [(text, ["cafe\u0301\u200b", 7][i % 2]) for i, (text, _) in enumerate(GOOD)]
    path = write_jsonl(tmp_path / "rows.jsonl", [*pairs, ("no label", None), ("another", "x")])
    found = load(path, label_mapping=symbols(tmp_path / "symbols.json", food="café", seven="7.0", gone="None"))
    assert found.labels.names == ("food", "seven") and found.report["classes"] == {"food": 10, "seven": 10}
    assert dropped(found) == [(20, "missing_label"), (21, "unknown_symbol")]


def test_symbols_that_are_one_label_are_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", GOOD)
    with pytest.raises(InputError, match="is not a mapping of classes to distinct symbols"):
        load(path, label_mapping=symbols(tmp_path / "symbols.json", one="1", two="1.0"))


# ---- files that can't be used, as data


def broken(path: Path, kind: str) -> Path:
    """Make one kind of unusable file."""
    table = {"text": [t for t, _ in GOOD], "label": [y for _, y in GOOD]}
    good = write_parquet(path.with_suffix(".parquet"), GOOD)
    contents: dict[str, Any] = {
        "empty.parquet": b"",
        "empty.csv": b"",
        "empty.jsonl": b"",
        "header.csv": b"text,label\n",
        "words.parquet": b"these are no rows",
        "truncated.parquet": good.read_bytes()[:-20],
        "latin.csv": "text,label\ncafé,1\nthé,2\n".encode("latin-1"),
        "utf16.csv": "text,label\na,1\nb,2\n".encode("utf-16"),
        "notes.txt": b"some notes",
        "notes.xml": b"<notes/>",
        "none.parquet": table | {"text": pa.nulls(20)},
        "nolabels.parquet": table | {"label": [None] * 20},
        "nans.parquet": table | {"label": [float("nan")] * 20},
        "blank.parquet": table | {"text": [" "] * 20},
        "ints.parquet": table | {"text": list(range(20))},
        "bytes.parquet": table | {"text": [b"\xff"] * 20},
        "invalid.parquet": table | {"text": pa.array([b"\xff"] * 20).cast(pa.string(), safe=False)},
        "one.parquet": table | {"label": ["cat"] * 20},
        "few.parquet": {"text": ["a", "b"], "label": [0, 1]},
        "conflicts.parquet": {"text": ["a", "a"], "label": [0, 1]},
        "column.parquet": {"txt": table["text"], "label": table["label"]},
        "column.csv": b"txt,label\na,1\n",
        "column.jsonl": b'{"txt": "a", "label": 1}\n',
        "label.parquet": {"text": table["text"], "labels": table["label"]},
        "twice.parquet": pa.table([pa.array(table["text"])] * 3, ["text", "text", "label"]),
    }
    target = path.with_name(kind)
    if kind == "folder.parquet":
        target.mkdir()
    elif kind != "missing.parquet":
        content = contents[kind]
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            pq.write_table(content if isinstance(content, pa.Table) else pa.table(content), target)
    return target


BROKEN = {
    "missing.parquet": "no data file",
    "folder.parquet": "folder.parquet",
    "empty.parquet": "is not a Parquet file",
    "empty.csv": "is empty: pass a file with a column 'text' (data.text_column)",
    "empty.jsonl": "the file is empty",
    "header.csv": "the file is empty",
    "words.parquet": "is not a Parquet file",
    "truncated.parquet": "is not a Parquet file",
    "latin.csv": "is not UTF-8",
    "utf16.csv": "is not UTF-8",
    "notes.txt": "has no __label__NAME on any line",
    "notes.xml": "no reader for '.xml' files: use one of .csv",
    "none.parquet": "no usable row among 20 (missing_text 20)",
    "nolabels.parquet": "no usable row among 20 (missing_label 20)",
    "nans.parquet": "no usable row among 20 (missing_label 20)",
    "blank.parquet": "no usable row among 20 (empty_text 20)",
    "ints.parquet": "column 'text' is int64, not text",
    "bytes.parquet": "no usable row among 20 (unreadable 20)",
    "invalid.parquet": "is damaged",
    "one.parquet": "one class only ('cat')",
    "few.parquet": "no class has enough rows",
    "conflicts.parquet": "no usable row among 2 (conflict 2)",
    "column.parquet": "has no column 'text' (data.text_column): did you mean 'txt'?",
    "column.csv": "has no column 'text' (data.text_column): did you mean 'txt'?",
    "column.jsonl": "has no key 'text' (data.text_column): did you mean 'txt'?",
    "label.parquet": "has no column 'label' (data.label_column): did you mean 'labels'?",
    "twice.parquet": "column 'text'",
}
UNFIT_BUT_READ = {"one.parquet", "few.parquet"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_can_not_be_used_is_refused_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path / "good.parquet", kind)
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert BROKEN[kind] in message
    assert kind in message
    assert len(message.splitlines()) == 1
    left = [] if kind in UNFIT_BUT_READ else list((storage.cache_dir() / "data").glob("*"))
    assert left == []
    assert list(storage.cache_dir().rglob(".partial*")) == []


def test_an_unknown_reader_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown reader 'parqet': did you mean 'parquet'"):
        load(write_parquet(tmp_path / "rows.parquet", GOOD), reader="parqet")


def test_a_reader_can_be_named_for_any_suffix(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.txt", GOOD)
    assert [(text, label) for _, text, label in kept(load(path, reader="csv"))] == GOOD


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.csv", "text,label\n" + "a film,cat,\n" * 9, "first unreadable is line 2, 'a film,cat,': repair"),
        (
            "rows.jsonl",
            '[{"text": "a", "label": "b"}]\n',
            'first unreadable is row 0, \'[{"text": "a", "label": "b"}]\'',
        ),
        ("rows.jsonl", "\x00\x07" * 99, "first unreadable is row 0, '': repair"),
    ],
)
def test_rows_of_which_none_can_be_read_are_shown(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="no usable row among") as caught:
        load(tmp_path / name)
    assert says in str(caught.value) and "text_column" not in str(caught.value)
