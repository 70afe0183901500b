"""Dialects of CSV, rows with a wrong number of fields, and quotes that are never closed."""

import logging
from pathlib import Path

import pytest

from support.text_sets import GOOD, account_adds_up, dropped, kept, load, write_csv
from tithe import storage
from tithe.data import delimited
from tithe.data.readers import Unreadable
from tithe.errors import InputError


@pytest.mark.parametrize(("name", "delimiter"), [("rows.csv", ","), ("rows.csv", ";"), ("rows.tsv", "\t")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_dialects(tmp_path: Path, name: str, delimiter: str, newline: str, mark: str) -> None:
    rows = [delimiter.join(pair) for pair in [("text", "label"), *GOOD]]
    (tmp_path / name).write_bytes((mark + newline.join(rows)).encode())
    assert [(text, label) for _, text, label in kept(load(tmp_path / name))] == GOOD


def test_csv_rows_with_a_wrong_number_of_fields_are_unreadable(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", GOOD)
    with path.open("a", encoding="utf-8") as file:
        file.write("one,two,cat\nalone\n\nno label,\n,cat\n")
    found = load(path)
    assert dropped(found) == [(20, "unreadable"), (21, "unreadable"), (22, "missing_label"), (23, "empty_text")]
    assert account_adds_up(found)


def test_rows_behind_an_unclosed_quote_keep_their_texts_and_labels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"{text},{label}" for text, label in GOOD]
    lines[5], lines[15] = '"Great film he said,cat', '"Awful film he said,cat'
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["text,label", *lines]))
    with caplog.at_level(logging.WARNING, "tithe"):
        found = load(path)
    assert kept(found) == [(row, *pair) for row, pair in enumerate(GOOD) if row not in (5, 15)]
    assert account_adds_up(found) and found.report["dropped"] == {"unreadable": 2}
    assert storage.read_lines(found.dropped) == [
        {"row": 5, "reason": "unreadable", "line": 7, "text": lines[5]},
        {"row": 15, "reason": "unreadable", "line": 17, "text": lines[15]},
    ]
    assert f"{path}: 2 of 20 rows are unreadable, the first is line 7" in caplog.messages


@pytest.mark.parametrize("header", ["text,label,label", "text,text,label", '"label";text;"label"'])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(header + "\n" + header.replace("label", "cat"))
    with pytest.raises(InputError, match=r"rows\.csv has more than one column '(text|label)': rename all but one"):
        load(path)


def test_other_columns_may_have_one_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,note,note,label\n" + "".join(f"{text},,,{label}\n" for text, label in GOOD))
    assert [(text, label) for _, text, label in kept(load(path))] == GOOD


@pytest.mark.parametrize("header", ["text, label", " text ,label\t", "\ufefftext,\u200blabel", '"text ","label"'])
def test_names_of_columns_may_have_what_is_not_seen_at_their_ends(tmp_path: Path, header: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(header + "\n" + "".join(f"{text}, {label}\n" for text, label in GOOD))
    assert kept(load(path)) == [(row, text, label) for row, (text, label) in enumerate(GOOD)]


def test_blank_lines_before_the_header_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n  \n\ntext,label\ngood film,pos\n\nbad\n")
    with delimited.opened(path) as table:
        assert table.header == ["text", "label"]
        assert list(table.rows()) == [(5, ["good film", "pos"]), (7, Unreadable("bad", 7))]
