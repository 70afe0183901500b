"""Dialects of CSV, and rows with a wrong number of fields."""

from pathlib import Path

import pytest

from support.text_sets import GOOD, account_adds_up, dropped, kept, load, write_csv


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
