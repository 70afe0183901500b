"""Files that can't be opened, and a process whose warnings stay as they were."""

from __future__ import annotations

import importlib.util
import os
import pickle
import resource
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from support.image_files import CUT, Store, encoded, picture, reason
from tithe.errors import InputError
from tithe.imaging import backends, decode, files, headers
from tithe.imaging.files import Unreadable, quiet


@contextmanager
def _nobody() -> Iterator[None]:
    """Be a user without rights: root may read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_file_that_may_not_be_read(store: Store) -> None:
    path = store(CUT["png"])
    path.chmod(0)
    with _nobody():
        assert reason(path) == "no_permission"


def test_what_is_no_file(tmp_path: Path, store: Store) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    file = store(b"text")
    assert reason(tmp_path) == "not_an_image"
    assert reason(tmp_path / "pipe") == "not_an_image"
    for name in ("nothing", "dangling", "n" * 300, "a\0b", f"{file.name}/below"):
        assert reason(tmp_path / name) == "missing", name


def test_the_systems_trouble_is_not_the_files(store: Store) -> None:
    path = store(CUT["png"])
    decode.read(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open() as file:
        lowest_free = file.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            decode.read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_error_survives_its_way_between_processes() -> None:
    back = pickle.loads(pickle.dumps(Unreadable("truncated", "a.jpg")))
    assert (back.reason, back.path, str(back)) == ("truncated", "a.jpg", "a.jpg: the file ends too early")


def test_many_threads_leave_the_warnings_as_they_were(tmp_path: Path) -> None:
    cut = encoded(picture(), "TIFF", compression="tiff_lzw")[:-1]  # of which Pillow warns
    paths = [tmp_path / f"{i}" for i in range(40)]
    for i, path in enumerate(paths):
        path.write_bytes(cut if i % 2 else CUT["png"])
    before = list(warnings.filters)

    def outcome(path: Path) -> str:
        try:
            return str(decode.read(path).shape)
        except Unreadable as error:
            return error.reason

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, paths)) == ["(48, 64, 3)", "damaged"] * 20
        with quiet():
            waiting = pool.submit(outcome, paths[0])
            with pytest.raises(TimeoutError):  # a second change before the first is undone would outlast both
                waiting.result(timeout=0.2)
        assert waiting.result() == "(48, 64, 3)"
    assert list(warnings.filters) == before


def test_pillow_must_not_be_told_to_let_broken_files_pass(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(InputError, match=r"LOAD_TRUNCATED_IMAGES is set, .*: set it to False"):
        decode.read(store(CUT["bmp"]))


READABLE = {
    "avif": encoded(picture(), "AVIF", quality=95),
    "jpeg 2000": encoded(picture(), "JPEG2000", no_jp2=False),
    "codestream": encoded(picture(), "JPEG2000", no_jp2=True),
}


@pytest.mark.parametrize("kind", READABLE)
def test_newer_formats_are_read_where_there_is_a_decoder(
    kind: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(READABLE[kind])
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(decode.read(path), expected)
    assert headers.header(path).format == ("AVIF" if kind == "avif" else "JPEG2000")
    for share in (0.4, 0.95):
        data = READABLE[kind]
        assert reason(store(data[: int(len(data) * share)], "cut")) in ("truncated", "damaged")
    monkeypatch.setattr(files, "readable_formats", lambda formats: ("JPEG", "PNG"))
    assert reason(path) == "unsupported_format"


@pytest.mark.skipif(not importlib.util.find_spec("pillow_heif"), reason="pillow-heif is not installed")
def test_heic_is_read_where_there_is_a_decoder(store: Store) -> None:
    backends.readable_formats(files.FORMATS)  # registers it
    data = encoded(picture(), "HEIF", quality=95)
    path = store(data)
    np.testing.assert_array_equal(decode.read(path), np.asarray(Image.open(path).convert("RGB")))
    assert np.abs(decode.read(path).astype(int) - np.asarray(picture())).mean() < 8
    assert headers.header(path).format == "HEIF"
    for share in (0.4, 0.95):
        assert reason(store(data[: int(len(data) * share)], "cut")) in ("truncated", "damaged")


UNREADABLE = {
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
    "jpeg xl": b"\xff\x0a" + bytes(40),
    "photoshop": b"8BPS\0\1" + bytes(40),
    "icon": b"\0\0\1\0\1\0" + bytes(40),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_image_that_can_not_be_read_is_still_called_an_image(kind: str, store: Store) -> None:
    if kind != "heic" or not importlib.util.find_spec("pillow_heif"):
        assert reason(store(UNREADABLE[kind])) == "unsupported_format"


def test_a_video_or_a_text_is_no_image(store: Store) -> None:
    for data in (b"\0\0\0\x18ftypisom" + bytes(40), b"P1ain text", b"<html>" * 9):
        assert reason(store(data)) == "not_an_image"


def test_an_image_of_a_few_pixels_has_no_traces(store: Store) -> None:
    for height, width, usable in ((1, 1, False), (7, 300, False), (8, 8, True)):
        path = store(encoded(picture(height, width), "PNG"))
        assert decode.read(path).shape[:2] == (height, width)
        if usable:
            assert decode.read_usable(path, 1 << 20).shape == (8, 8, 3)
        else:
            with pytest.raises(Unreadable, match="a side of the image has fewer than 8 pixels"):
                decode.read_usable(path, 1 << 20)
