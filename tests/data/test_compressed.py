"""Compressed files of text: read as they are plain, as a stream; a damaged one is refused in one line."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from support.memory import peak_memory
from support.text_sets import GOOD, WRITERS, account_adds_up, kept, load
from tithe import config, data, plugins
from tithe.data import compressed
from tithe.errors import InputError

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": lambda content: bytes(pa.Codec("zstd").compress(content, asbytes=True)),
}
TEXT_FORMATS = ["csv", "tsv", "jsonl", "json", "txt"]


def write(folder: Path, kind: str) -> Path:
    """A plain file of GOOD."""
    path = folder / f"rows.{kind}"
    if kind == "txt":
        path.write_text("".join(f"__label__{label} {text}\n" for text, label in GOOD))
        return path
    return WRITERS[kind.replace("tsv", "csv")](path, GOOD)


def packed(path: Path, suffix: str, damage: Callable[[bytes], bytes] = bytes) -> Path:
    target = path.with_name(path.name + suffix)
    target.write_bytes(damage(PACK[suffix](path.read_bytes())))
    path.unlink()
    return target


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kind", TEXT_FORMATS)
def test_a_compressed_file_has_the_rows_of_the_plain_one(tmp_path: Path, kind: str, suffix: str) -> None:
    plain = load(write(tmp_path, kind))
    found = load(packed(tmp_path / f"rows.{kind}", suffix))
    assert kept(found) == kept(plain) and len(kept(found)) == len(GOOD)
    assert found.split.hash == plain.split.hash and account_adds_up(found)
    assert found.rows.source != plain.rows.source


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda content: content[: len(content) // 2],
    "without its end": lambda content: content[:-1],
    "not compressed": lambda content: b"text,label\na film,pos\n",
    "with more behind it": lambda content: content + b"more",
}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kind", TEXT_FORMATS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_archive_is_one_line(tmp_path: Path, kind: str, suffix: str, damage: str) -> None:
    path = packed(write(tmp_path, kind), suffix, DAMAGE[damage])
    with pytest.raises(InputError) as caught:
        data.ingest(config.Data(path=str(path)))
    assert f"rows.{kind}{suffix} is not whole" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", PACK)
def test_archives_that_follow_each_other_are_one_file(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"rows.csv{suffix}").write_bytes(PACK[suffix](b"text,label\na,x\n") + PACK[suffix](b"b,y\n"))
    reader = plugins.load("readers", "csv")
    assert list(reader.read(tmp_path / f"rows.csv{suffix}", "text", "label")) == [[("a", "x"), ("b", "y")]]


@pytest.mark.parametrize("suffix", PACK)
def test_memory_holds_a_part_of_the_content(tmp_path: Path, suffix: str) -> None:
    line = json.dumps({"text": "a " * 500, "label": 1}).encode() + b"\n"
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes(PACK[suffix](line * 40_000))  # 40 MB
    before = pa.total_allocated_bytes()
    with peak_memory() as peak, compressed.opened(path) as file:
        assert sum(1 for _ in file) == 40_000
        assert pa.total_allocated_bytes() - before < 2_000_000
    assert peak() < 2_000_000


@pytest.mark.parametrize(
    ("name", "suffix", "plain"),
    [
        ("rows.csv", ".csv", "rows.csv"),
        ("Rows.CSV.GZ", ".csv.gz", "Rows.CSV"),
        ("a.b.jsonl.zst", ".jsonl.zst", "a.b.jsonl"),
        ("rows.gz", ".gz", "rows"),
        ("rows", "", "rows"),
        ("part-0.5.json", ".json", "part-0.5.json"),
    ],
)
def test_the_suffix_of_a_compressed_file_is_both(name: str, suffix: str, plain: str) -> None:
    assert compressed.suffix_of(Path(name)) == suffix
    assert compressed.plain_name(Path(name)) == plain


@pytest.mark.parametrize("name", ["rows.parquet.gz", "rows.xml.zst", "rows.gz"])
def test_what_is_no_text_is_not_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"no reader for '(\.parquet|\.xml)?\.(gz|zst)' files: use one of \.csv, "):
        data.ingest(config.Data(path=str(tmp_path / name)))


@pytest.mark.parametrize("suffix", PACK)
def test_a_list_of_images_may_be_compressed(tmp_path: Path, suffix: str) -> None:
    listing: Any = plugins.load("galleries", "image_csv").listing
    (tmp_path / "labels.csv").write_bytes(b"path|label\na.png|real\nb.png|fake\n")
    path = packed(tmp_path / "labels.csv", suffix)
    layout = config.Layout(delimiter="|")
    assert [entry.path for entry in listing(path, layout).entries] == ["a.png", "b.png"]
    assert [entry.path for entry in listing(tmp_path, layout).entries] == ["a.png", "b.png"]
