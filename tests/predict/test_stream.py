"""Texts to predict: the formats, compressions, layouts and parts that training reads too."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from support.text_sets import WRITERS
from tithe import config
from tithe.errors import InputError
from tithe.predict import TextInput, read_texts

TEXTS = ["a film", "хлеб, соль", "", "the last"]
ROWS = [(text, "cat") for text in TEXTS]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("how", ["file", "folder", "pattern"])
def test_every_format_in_one_file_or_in_parts(tmp_path: Path, kind: str, how: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    WRITERS[kind](folder / f"part-1.{kind}", ROWS[2:])
    first = WRITERS[kind](folder / f"part-0.{kind}", ROWS[:2])
    path = {"file": first, "folder": folder, "pattern": folder / "part-?.*"}[how]
    assert list(read_texts(None, TextInput(path))) == (TEXTS[:2] if how == "file" else TEXTS)


LAYOUTS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "csv": (
        "rows.csv",
        "cat|a film\nдог|хлеб, соль\n",
        {"delimiter": "|", "column_names": ["label", "text"]},
        "cp1251",
    ),
    "csv.gz": ("rows.csv.gz", "text;label\na film;x\nхлеб, соль;y\n", {}, "utf-16"),
    "lines": ("rows.txt", "a film\nхлеб, соль\n", {}, "cp1251"),
    "lines.gz": ("rows.txt.gz", "a film\r\nхлеб, соль", {}, "utf-8"),
    "fastText": ("rows.txt", "__label__cat a film\nхлеб, соль __label__dog\n", {}, "utf-8"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_as_given(tmp_path: Path, name: str) -> None:
    file, content, settings, encoding = LAYOUTS[name]
    data = content.encode(encoding)
    (tmp_path / file).write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
    layout = config.Layout(**settings, encoding=encoding)
    assert list(read_texts(None, TextInput(tmp_path / file, "text", layout))) == TEXTS[:2]


def test_a_damaged_archive_is_refused_before_the_first_text(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n' * 100_000)[:-9])
    with pytest.raises(InputError, match=r"rows\.jsonl\.gz is not whole gzip"):
        next(read_texts(None, TextInput(tmp_path / "rows.jsonl.gz")))
