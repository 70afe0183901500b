"""Every image file is read once, and again only when it has changed."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.image_sets import dropped, folder, listed, load, picture, save
from tithe import storage
from tithe.data import splits
from tithe.data.images import checks
from tithe.errors import InputError, TitheError
from tithe.imaging import decode
from tithe.imaging.provenance import provenance


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from now on."""
    names: list[str] = []
    real = decode.read

    def watched(path: Path, max_pixels: int) -> Any:
        names.append(path.name)
        return real(path, max_pixels)

    monkeypatch.setattr(decode, "read", watched)
    return names


def same(one: splits.Splits, other: splits.Splits) -> bool:
    return (
        one.rows.table.equals(other.rows.table)
        and one.fingerprint == other.fingerprint
        and one.split.hash == other.split.hash
        and one.report == other.report
        and one.dropped.read_bytes() == other.dropped.read_bytes()
    )


def test_a_second_load_opens_no_image(tmp_path: Path, read: list[str]) -> None:
    root = folder(tmp_path / "set", 6)
    first = load(root)
    assert len(read) == 12
    assert same(first, load(root)) and len(read) == 12
    assert load(root, 1).split.hash != first.split.hash and len(read) == 12


def test_only_what_has_changed_is_read_again(tmp_path: Path, read: list[str]) -> None:
    root = folder(tmp_path / "set", 6)
    size = save(root / "real/same_size.bmp", picture(702)).stat().st_size
    load(root)
    read.clear()
    assert save(root / "real/same_size.bmp", picture(703)).stat().st_size == size
    save(root / "real/new.png", picture(700))
    save(root / "fake/000.png", picture(701))
    (root / "fake/001.png").unlink()
    found = load(root)
    assert sorted(read) == ["000.png", "new.png", "same_size.bmp"]
    assert sorted(found.rows.inputs()) == sorted(str(p.relative_to(root)) for p in root.rglob("*.*"))


def test_a_missing_file_that_comes_back_is_seen(tmp_path: Path) -> None:
    listed(tmp_path, [{"path": f"{i}.png", "label": ("real", "fake")[i % 2]} for i in range(10)])
    (tmp_path / "3.png").rename(tmp_path / "away")
    assert dropped(load(tmp_path)) == {"3.png": "missing"}
    (tmp_path / "away").rename(tmp_path / "3.png")
    assert dropped(load(tmp_path)) == {}


KILLED = """
import os, signal, sys, time
from pathlib import Path
from tithe import config
from tithe.data import images
from tithe.imaging import decode

real, left = decode.read, 9

def dying(path, max_pixels):
    global left
    left -= 1
    if left < 0:
        time.sleep(0.3)  # for those before it to be kept
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, max_pixels)

decode.read = dying
images.load_images(config.Data(path=sys.argv[1]), config.Images(), 0)
"""


def test_a_killed_check_goes_on_where_it_was(tmp_path: Path, read: list[str]) -> None:
    root = folder(tmp_path / "set", 10)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(root)], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    (kept,) = (storage.cache_dir() / "images").glob("*.jsonl")
    whole = len(storage.read_lines(kept))
    with kept.open("a") as file:
        file.write('{"path": "real/009.png", "stam')
    found = load(root)
    assert 0 < whole <= 9 and len(read) == 20 - whole
    assert len(found.rows) == 20 and len(storage.read_lines(kept)) == 20


def test_a_failing_disk_stops_the_check_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, real = folder(tmp_path / "set", 6), decode.read

    def failing(path: Path, max_pixels: int) -> Any:
        if path.name == "003.png":
            raise OSError(5, "Input/output error")
        return real(path, max_pixels)

    monkeypatch.setattr(decode, "read", failing)
    with pytest.raises(TitheError, match=r"cannot read .*003\.png \(Input/output error\): run again") as caught:
        load(root)
    assert not isinstance(caught.value, InputError)
    monkeypatch.setattr(decode, "read", real)
    assert dropped(load(root)) == {}


def test_many_files_are_checked_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_AT_ONCE", 7)
    root = folder(tmp_path / "set", 10)
    found = load(root).rows
    assert found.column("sha256") == [storage.sha256_file(root / path) for path in found.inputs()]


@pytest.mark.parametrize("damage", ["another hash", "no hash", "no JSON", "another file's"])
def test_a_changed_line_of_the_cache_is_not_believed(tmp_path: Path, read: list[str], damage: str) -> None:
    root = folder(tmp_path / "set", 6)
    first = load(root)
    (store,) = (storage.cache_dir() / "images").glob("*.jsonl")
    lines = storage.read_lines(store)
    if damage == "another hash":
        lines[0]["found"][0] = "0" * 64
    elif damage == "no hash":
        del lines[0]["sha256"]
    elif damage == "another file's":
        lines[0]["found"] = lines[1]["found"]
    storage.write_lines(store, lines)
    if damage == "no JSON":
        store.write_text("{\n" + store.read_text())
    read.clear()
    for entry in (storage.cache_dir() / "images").glob("*/manifest.json"):
        entry.unlink()
    assert same(first, load(root)) and len(read) == (12 if damage == "no JSON" else 1)
    assert same(first, load(root, 0))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_malformed_exif_makes_no_image_unusable(format_: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)).save(
        path, format_, exif=b"Exif\0\0no tags"
    )
    found = checks.check(path, max_pixels=10_000)
    assert isinstance(found, checks.CheckedImage), found
    assert (found.header.format, found.header.orientation, found.header.has_exif) == (format_, None, False)
    assert provenance(path) == []
