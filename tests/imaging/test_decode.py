"""Pixels of every kind of file, whole, mangled and of any size, against its own or Pillow's."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from support.image_files import (
    COLOURS,
    CUT,
    DEEP,
    LOSSLESS,
    LOSSY,
    ORIENTATION,
    STRANGE,
    Store,
    encoded,
    picture,
    png,
    reason,
)
from tithe.imaging import decode, headers
from tithe.imaging.files import REASONS, Unreadable

# ---- whole files


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("size", [(48, 64), (1, 1), (1, 37), (31, 2)])
def test_lossless_files_give_their_pixels(store: Store, kind: str, size: tuple[int, int]) -> None:
    pixels = picture(*size)
    found = decode.read(store(encoded(pixels, **LOSSLESS[kind])))
    assert found.dtype == np.uint8 and found.flags.writeable and found.flags.c_contiguous
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("kind", LOSSY)
@pytest.mark.parametrize("size", [(48, 64), (1, 1), (17, 33)])
def test_lossy_files_give_the_pixels_that_pillow_finds(store: Store, kind: str, size: tuple[int, int]) -> None:
    data = encoded(picture(*size), **LOSSY[kind])
    expected = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode.read(store(data)), expected)


@pytest.mark.parametrize("kind", COLOURS)
def test_every_kind_of_pixels_becomes_rgb(store: Store, kind: str) -> None:
    data, colour = COLOURS[kind]
    found = decode.read(store(data)).astype(int)
    assert found.shape == (16, 16, 3)
    assert abs(found - colour).max() <= (2 if "cmyk" in kind or kind == "ycck" else 0), found[0, 0]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_scaled_and_not_cut_off(store: Store, suffix: str, channels: int) -> None:
    values = np.repeat(DEEP[..., None], channels, axis=2)
    values[..., 1:2] //= 2
    if channels == 4:
        values[..., 3] = 65535
    path = store(cv2.imencode(suffix, values)[1].tobytes())
    expected = np.rint(values[..., :3][..., ::-1] / 257).astype(np.uint8)  # written as BGR
    np.testing.assert_array_equal(decode.read(path), np.broadcast_to(expected, (1, 10, 3)))
    assert headers.header(path).bits == 16


def test_a_hidden_pixel_of_16_bits_is_white(store: Store) -> None:
    values = np.array([[[1000, 2000, 3000, 0], [0, 0, 65535, 32768]]], np.uint16)
    found = decode.read(store(cv2.imencode(".png", values)[1].tobytes()))
    assert found.tolist() == [[[255, 255, 255], [255, 127, 127]]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_span_the_whole_range(store: Store, bits: int) -> None:
    found = decode.read(store(png(1, 2, bits, 0, bytes([0, 0, 0, 0xFF]))))
    assert found.tolist() == [[[0, 0, 0]], [[255, 255, 255]]]


@pytest.mark.parametrize("kind", STRANGE)
def test_pixels_of_unknown_range_are_refused(store: Store, kind: str) -> None:
    assert reason(store(STRANGE[kind])) == "unsupported_mode"


@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "tiff-lzw", "jpeg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_told_and_ignored(store: Store, kind: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    options = {**LOSSLESS, **LOSSY}[kind]
    data = encoded(picture(8, 16), exif=tags, **options)
    plain = store(encoded(picture(8, 16), **options), "plain")
    np.testing.assert_array_equal(decode.read(store(data)), decode.read(plain))
    found = headers.header(store(data))
    assert (found.orientation, found.height, found.width, found.has_exif) == (orientation, 8, 16, True)


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_read(store: Store, format_: str) -> None:
    first, second = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    options = {"lossless": True} if format_ == "WEBP" else {}
    path = store(encoded(first, format_, save_all=True, append_images=[second], **options))
    assert headers.header(path).frames == 2
    assert abs(decode.read(path).astype(int) - (255, 0, 0)).max() <= 2


# ---- broken files


@pytest.mark.parametrize("kind", ["jpeg", "jpeg-progressive", "png", "webp", "webp-lossy", "bmp"])
def test_what_follows_the_end_is_not_part_of_the_image(store: Store, kind: str) -> None:
    np.testing.assert_array_equal(
        decode.read(store(CUT[kind] + b"appended by a phone" * 50)), decode.read(store(CUT[kind], "plain"))
    )


@pytest.mark.parametrize("kind", [*CUT, "gif"])
def test_mangled_bytes_give_pixels_or_a_reason(store: Store, kind: str) -> None:
    rng = np.random.default_rng(0)
    data = {**CUT, "gif": encoded(picture(), "GIF")}[kind]
    for _ in range(40):
        mangled = np.frombuffer(data, np.uint8).copy()
        where = rng.integers(0, rng.choice([60, len(data)]), 4)
        mangled[where] = rng.integers(0, 256, 4)
        path = store(mangled.tobytes())
        try:
            found = decode.read(path)
        except Unreadable as error:
            assert error.reason in REASONS
        else:
            assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3 and found.size


# ---- sizes


def test_a_bomb_is_refused_by_its_header(store: Store) -> None:
    for side in (10_000, 100_000):  # where Pillow warns, and where it raises
        path = store(png(side, side, 8, 2, b""))
        assert reason(path) == "too_large"
    assert headers.header(store(png(10_000, 10_000, 8, 2, b""))).width == 10_000


def test_the_cap_is_exact(store: Store) -> None:
    path = store(encoded(picture(6, 7), "PNG"))
    assert decode.read(path, max_pixels=42).shape == (6, 7, 3)
    assert reason(path, max_pixels=41) == "too_large"


def test_a_line_longer_than_opencv_allows_is_an_answer_too(store: Store) -> None:
    assert reason(store(png(2**20 + 1, 1, 8, 0, bytes(2**20 + 2)))) == "damaged"
