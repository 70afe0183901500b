"""fastText: one label on a line, as a word; several are refused."""

from pathlib import Path

import pytest

from support.text_sets import account_adds_up, dropped, kept, load
from tithe import config, data, plugins
from tithe.errors import InputError

LINES = {
    "__label__pos a good film": ("a good film", "pos"),
    "__label__2\tan old film": ("an old film", "2"),
    "at the end __label__neg": ("at the end", "neg"),
    "a word__label__pos is none": ("a word__label__pos is none", None),
    "хлеб и соль , __label__кухня": ("хлеб и соль ,", "кухня"),
    "no label": ("no label", None),
    "__label__pos": ("", "pos"),
    "": ("", None),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_is_a_text_and_its_label(tmp_path: Path, end: str) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes("".join(line + end for line in LINES).encode())
    reader = plugins.load("readers", "fasttext")
    assert list(reader.read(path, "text", "label")) == [list(LINES.values())]
    assert list(reader.read(path, "text", None)) == [[(text, None) for text, _ in LINES.values()]]


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    (tmp_path / "train.ft").write_text(
        "".join(f"__label__{i % 2} text {i}\n" for i in range(20)) + "alone\n\n__label__0\n"
    )
    found = load(tmp_path / "train.ft")
    assert found.labels.names == (0, 1) and len(kept(found)) == 20
    assert dropped(found) == [(20, "missing_label"), (21, "empty_text"), (22, "empty_text")]
    assert account_adds_up(found)


WRONG = {
    "__label__a one\n__label__a __label__b two\n": r"rows\.txt line 2: 2 labels \(__label__a __label__b\): multi-label",
    "just\nnotes\n": r"rows\.txt has no __label__NAME on any line",
    "\xff": r"rows\.txt is not UTF-8 \(byte 0\): set data\.encoding",
}


@pytest.mark.parametrize("content", WRONG)
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "rows.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=f"^[^\n]*{WRONG[content]}[^\n]*$"):
        data.ingest(config.Data(path=str(tmp_path / "rows.txt")))


def test_its_columns_have_the_usual_names_and_its_encoding_is_a_setting(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes("__label__да хлеб\n__label__нет соль\n".encode("cp1251"))
    assert data.ingest(config.Data(path=str(path), encoding="cp1251"))[1].names == ("да", "нет")
    with pytest.raises(InputError, match=r"has no column 'review' \(data\.text_column\)"):
        data.ingest(config.Data(path=str(path), encoding="cp1251", text_column="review"))
    with pytest.raises(InputError, match=r"data\.delimiter ';' is not for a file such as .*rows\.txt: leave it out"):
        data.ingest(config.Data(path=str(path), delimiter=";"))
