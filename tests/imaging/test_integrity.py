"""Files that end too early or are damaged: none is taken for a whole one."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pytest

from support.image_files import CUT, Store, encoded, picture, reason
from tithe.imaging import decode, integrity


@pytest.mark.parametrize("kind", CUT)
def test_no_beginning_of_a_file_is_taken_for_it(store: Store, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = CUT[kind]
    assert decode.read(store(data)).shape == (48, 64, 3)
    lengths = {0, 1, 5, 11, 40, len(data) - 2, len(data) - 1, *np.linspace(12, len(data) - 3, 25).astype(int).tolist()}
    found = {length: reason(store(data[:length])) for length in lengths}
    assert found.pop(0) == "empty_file"
    assert found.pop(1) == "not_an_image"
    named = {"truncated"} if kind.startswith(("jpeg", "png", "webp")) else {"truncated", "damaged", "not_an_image"}
    assert {why for length, why in found.items() if length > 11} <= named
    if not kind.startswith("tiff"):  # Pillow's libtiff speaks of some itself
        assert capfd.readouterr().err == ""


def test_a_gif_is_read_as_soon_as_its_first_frame_is_there(store: Store) -> None:
    data = encoded(picture(), "GIF")
    whole = decode.read(store(data))
    for length in np.linspace(20, len(data) - 40, 20).astype(int):
        assert reason(store(data[:length])) in {"truncated", "damaged"}
    np.testing.assert_array_equal(decode.read(store(data[:-1])), whole)


def _with_thumbnail() -> bytes:
    thumbnail = encoded(picture(6, 8), "JPEG")
    data = encoded(picture(), "JPEG")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail + data[2:]


def test_the_end_of_a_thumbnail_is_not_that_of_the_photograph(store: Store) -> None:
    data = _with_thumbnail()
    assert decode.read(store(data)).shape == (48, 64, 3)
    assert data[: len(data) // 2 + 400].count(b"\xff\xd9") == 1
    assert reason(store(data[: len(data) // 2 + 400])) == "truncated"


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        yield data[at + 4 : at + 8], data[at:end]
        at = end


def _png_without(data: bytes, which: int) -> bytes:
    return data[:8] + b"".join(chunk for i, (_, chunk) in enumerate(_chunks(data)) if i != which)


LARGE_PNG = encoded(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8), "PNG")
NUMBER = [kind for kind, _ in _chunks(LARGE_PNG)].index(b"IDAT")


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE = {
    "png without its first data": (_png_without(LARGE_PNG, NUMBER), "damaged"),
    "png without data in the middle": (_png_without(LARGE_PNG, NUMBER + 1), "damaged"),
    "png without its last data": (_png_without(LARGE_PNG, len(list(_chunks(LARGE_PNG))) - 2), "damaged"),
    "png without its end": (_png_without(LARGE_PNG, len(list(_chunks(LARGE_PNG))) - 1), "truncated"),
    "png without any data": (LARGE_PNG[:33] + LARGE_PNG[-12:], "damaged"),
    "png with another bit": (_flipped(LARGE_PNG, len(LARGE_PNG) // 2), "damaged"),
    "png alone by its signature": (b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged"),
    "jpeg ending in zeros": (CUT["jpeg"][:-300] + bytes(300), "truncated"),
    "jpeg of nothing but an end": (b"\xff\xd8\xff\xd9" + bytes(40), "damaged"),
    "webp, its data zero": (CUT["webp"][:30] + bytes(len(CUT["webp"]) - 30), "damaged"),
    "text": (b"it was a dark and stormy night " * 20, "not_an_image"),
    "html": (b"<html><body>404 Not Found</body></html>", "not_an_image"),
    "sound": (b"RIFF\x64\0\0\0WAVEfmt " + bytes(100), "not_an_image"),
    "zeros": (bytes(1000), "not_an_image"),
    "empty": (b"", "empty_file"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_has_a_name(store: Store, kind: str) -> None:
    data, expected = DAMAGE[kind]
    assert reason(store(data, "photo.jpg")) == expected


def test_a_progressive_jpeg_is_walked_scan_by_scan() -> None:
    data = CUT["jpeg-progressive"]
    assert data.count(b"\xff\xda") > 3
    assert integrity.flaw(data) is None
    for at in [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"][1:]:
        assert integrity.flaw(data[:at]) == "truncated"
