"""Rows in several files: a folder or a pattern of parts of one format and with the same columns."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from support.text_sets import GOOD, WRITERS, account_adds_up, dropped, kept, load
from tithe import config, data, storage
from tithe.data import sources
from tithe.errors import InputError

SUFFIX = {"parquet": ".parquet", "csv": ".csv", "jsonl": ".jsonl", "json": ".json"}


def parts(folder: Path, kind: str) -> Path:
    """Three parts of GOOD, which are not written in their order, and files that are none."""
    folder.mkdir(exist_ok=True)
    for number in (2, 0, 1):
        WRITERS[kind](folder / f"part-0000{number}{SUFFIX[kind]}", GOOD[7 * number : 7 * number + 7])
    for name in ("_SUCCESS", f".part-00000{SUFFIX[kind]}.crc", f".hidden{SUFFIX[kind]}", f"_draft{SUFFIX[kind]}"):
        (folder / name).write_text("not a part")
    for name in (f"part-00003{SUFFIX[kind]}.tmp", f"part-00001{SUFFIX[kind]}~", "README.md", "LICENSE.txt"):
        (folder / name).write_text("not a part")
    return folder


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("pattern", [False, True])
def test_parts_are_read_in_the_order_of_their_names(tmp_path: Path, kind: str, pattern: bool) -> None:
    folder = parts(tmp_path / "rows", kind)
    found = load(folder / f"*{SUFFIX[kind]}" if pattern else folder)
    assert kept(found) == [(row, text, label) for row, (text, label) in enumerate(GOOD)]
    assert account_adds_up(found)


def test_what_is_left_out_of_a_folder_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tithe"):
        sources.find(parts(tmp_path / "rows", "csv"), None)
    left = "LICENSE.txt, README.md, part-00001.csv~, part-00003.csv.tmp"
    assert any(all(name in line for name in left.split(", ")) for line in caplog.messages)


def test_a_part_that_changes_is_another_dataset(tmp_path: Path) -> None:
    folder = parts(tmp_path / "rows", "csv")
    before = load(folder)
    with (folder / "part-00001.csv").open("a") as file:
        file.write("one more,cat\n")
    after = load(folder)
    assert len(after.rows) == len(before.rows) + 1 and after.rows.source != before.rows.source
    (folder / "part-00001.csv").unlink()
    assert len(load(folder).rows) == len(GOOD) - 7


def test_dropped_rows_name_their_part(tmp_path: Path) -> None:
    folder = parts(tmp_path / "rows", "csv")
    with (folder / "part-00001.csv").open("a") as file:
        file.write("a,b,c\n,cat\n")
    found = load(folder)
    assert dropped(found) == [(14, "unreadable"), (15, "empty_text")] and account_adds_up(found)
    assert storage.read_lines(found.dropped) == [
        {"row": 14, "reason": "unreadable", "file": "part-00001.csv", "line": 9, "text": "a,b,c"},
        {"row": 15, "reason": "empty_text", "file": "part-00001.csv", "text": ""},
    ]


def test_folders_below_are_read_by_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    parts(tmp_path / "rows/a", "jsonl")
    with pytest.raises(InputError, match=r"rows has no Parquet, .*: for those of its folders pass a pattern such as"):
        load(tmp_path / "rows")
    assert len(load(tmp_path / "rows/**/*.jsonl").rows) == len(GOOD)


def test_a_file_whose_name_has_a_bracket_is_that_file(tmp_path: Path) -> None:
    assert len(load(WRITERS["csv"](tmp_path / "rows[1].csv", GOOD)).rows) == len(GOOD)


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


TABLE, LINE = "text,label\na,x\nb,y\n", json.dumps({"text": "a", "label": "x"}) + "\n"
REFUSED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "another column": (
        {"a.csv": TABLE, "b.csv": "text,label,note\na,x,\n"},
        {},
        "only one of a.csv and b.csv has the column 'note': give all parts the same columns",
    ),
    "a column less": (
        {"a.csv": TABLE, "b.csv": "text\na\n"},
        {},
        "only one of a.csv and b.csv has the column 'label'",
    ),
    "two formats": ({"a.csv": TABLE, "b.jsonl": LINE}, {}, "several formats (a.csv and b.jsonl): pass a pattern"),
    "one part twice": (
        {"a.csv": TABLE, "a.csv.gz": ""},
        {},
        "a.csv.gz and a.csv are one file, plain and compressed: keep one of them",
    ),
    "nothing": ({"notes.md": ""}, {}, "has no Parquet, CSV, JSONL or JSON files: pass the path of a file"),
    "nothing for that reader": ({"a.csv": TABLE}, {"reader": "jsonl"}, "has no Parquet, CSV, JSONL or JSON files"),
    "a missing part of the columns": ({"a.csv": TABLE}, {"label_column": "topic"}, "a.csv has no column 'topic'"),
    "some named after splits": (
        {"train.csv": TABLE, "test.csv": TABLE, "extra.csv": TABLE},
        {},
        "test.csv is named after a split and extra.csv is not",
    ),
    "splits twice": (
        {"train.csv": TABLE, "test.csv": TABLE},
        {"test": "other.csv"},
        "has splits of its own (train.csv, test.csv): leave data.validation and data.test out",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_is_no_one_table_is_refused(tmp_path: Path, name: str) -> None:
    files, settings, says = REFUSED[name]
    if "test" in settings:
        settings = {"test": str(WRITERS["csv"](tmp_path / settings["test"], GOOD))}
    folder = write(tmp_path / "rows", files)
    with pytest.raises(InputError) as caught:
        data.ingest(config.Data(path=str(folder), **settings))
    assert says in str(caught.value) and "\n" not in str(caught.value)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["", "part-00001", "*"])
def test_a_file_that_git_lfs_has_not_fetched_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    folder = parts(tmp_path / "rows", kind)
    (folder / f"part-00001{SUFFIX[kind]}").write_text(POINTER)
    with pytest.raises(InputError, match=rf"part-00001\{SUFFIX[kind]} is a Git LFS pointer.*: run 'git lfs pull' in "):
        sources.find(folder / f"{name}{SUFFIX[kind]}" if name else folder, None)


def test_the_report_names_the_folder_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(parts(tmp_path / "rows", "csv"))
    assert load(Path()).report["file"] == "rows"


def test_a_pattern_that_fits_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\*\.csv has no Parquet, CSV, JSONL or JSON files"):
        load(tmp_path / "*.csv")


def test_a_reader_that_is_set_takes_its_files_out_of_several_formats(tmp_path: Path) -> None:
    folder = write(tmp_path / "rows", {"a.csv": TABLE, "b.jsonl": LINE})
    assert len(data.ingest(config.Data(path=str(folder), reader="csv"))[0]) == 2


def test_columns_may_have_another_order_in_another_part(tmp_path: Path) -> None:
    folder = write(tmp_path / "rows", {"a.csv": TABLE, "b.csv": "label,text\nx,c\n"})
    assert data.ingest(config.Data(path=str(folder)))[0].inputs() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train.csv", "train"),
        ("test-00000-of-00002.parquet", "test"),
        ("validation_1.jsonl.gz", "val"),
        ("dev.json", "val"),
        ("testimonials.csv", None),
        ("test_results.csv", None),
        ("part-0.csv", None),
    ],
)
def test_a_name_says_a_split_only_as_a_whole(name: str, part: str | None) -> None:
    assert sources._part_of_name(Path(name)) == part
