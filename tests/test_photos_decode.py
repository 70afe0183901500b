"""Reading photographs: every kind of file written here, whole and broken, against its own pixels or Pillow's."""

from __future__ import annotations

import os
import pickle
import resource
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from tithe.errors import InputError
from tithe.photos import backends, containers, decode
from tithe.photos.decode import REASONS, Header, Unreadable
from tithe.photos.files import quiet

Array = np.ndarray[Any, np.dtype[Any]]
ORIENTATION = 0x0112


def picture(height: int = 48, width: int = 64, seed: int = 0) -> Array:
    """Return coarse random shapes and a little noise: what compresses like a photograph, but not to nothing."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (width, height)).astype(int)
    return (coarse + rng.integers(-9, 10, coarse.shape)).clip(0, 255).astype(np.uint8)


def encoded(image: Image.Image | Array, format_: str, **options: Any) -> bytes:
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format_, **options)
    return file.getvalue()


LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {"format_": "PNG"},
    "webp": {"format_": "WEBP", "lossless": True},
    "bmp": {"format_": "BMP"},
    "tiff": {"format_": "TIFF"},
    "tiff-lzw": {"format_": "TIFF", "compression": "tiff_lzw"},
    "tiff-deflate": {"format_": "TIFF", "compression": "tiff_adobe_deflate"},
}
LOSSY: dict[str, dict[str, Any]] = {
    "jpeg": {"format_": "JPEG", "quality": 90},
    "jpeg-444": {"format_": "JPEG", "quality": 95, "subsampling": 0},
    "jpeg-progressive": {"format_": "JPEG", "quality": 80, "progressive": True},
    "jpeg-restarts": {"format_": "JPEG", "quality": 80, "restart_marker_rows": 1},
    "webp-lossy": {"format_": "WEBP", "quality": 80},
}


@pytest.fixture
def store(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes to a file whose name says nothing true of them."""

    def write(data: bytes, name: str = "photo.gif") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


Store = Callable[..., Path]


def reason(path: Path, **options: Any) -> str:
    with pytest.raises(Unreadable) as error:
        decode.read(path, **options)
    assert error.value.reason in REASONS
    assert str(error.value) == f"{path}: {REASONS[error.value.reason]}"
    return error.value.reason


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


CLEAR = {"transparency": b"\xff\x00\x80"}
GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def _painted(mode: str, colour: Any, palette: list[int] | None = None) -> Image.Image:
    image = Image.new(mode, (16, 16), colour)
    if palette:
        image.putpalette(palette)
    return image


PALETTE = [255, 0, 0, 0, 255, 0, 0, 0, 255]
# What is stored in every pixel, and what should be read from it.
COLOURS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "1 bit, set": (encoded(_painted("1", 1), "PNG"), (255, 255, 255)),
    "1 bit, clear": (encoded(_painted("1", 0), "TIFF"), (0, 0, 0)),
    "grey": (encoded(_painted("L", 77), "PNG"), (77, 77, 77)),
    "grey jpeg": (encoded(_painted("L", 77), "JPEG", quality=100), (77, 77, 77)),
    "palette": (encoded(_painted("P", 1, PALETTE), "PNG"), (0, 255, 0)),
    "palette, bmp": (encoded(_painted("P", 1, PALETTE), "BMP"), (0, 255, 0)),
    "gif": (encoded(_painted("P", 2, PALETTE), "GIF"), (0, 0, 255)),
    "palette, opaque": (encoded(_painted("P", 0, PALETTE), "PNG", **CLEAR), (255, 0, 0)),
    "palette, hidden": (encoded(_painted("P", 1, PALETTE), "PNG", **CLEAR), (255, 255, 255)),
    "palette, half": (encoded(_painted("P", 2, PALETTE), "PNG", **CLEAR), (127, 127, 255)),
    "gif, hidden": (encoded(_painted("P", 2, PALETTE), "GIF", transparency=2), (255, 255, 255)),
    "rgb with a hidden colour": (encoded(_painted("RGB", (9, 8, 7)), "PNG", transparency=(9, 8, 7)), (255, 255, 255)),
    "grey with alpha": (encoded(_painted("LA", (0, 51)), "PNG"), (204, 204, 204)),
    "rgba, hidden": (encoded(_painted("RGBA", (9, 8, 7, 0)), "PNG"), (255, 255, 255)),
    "rgba, opaque": (encoded(_painted("RGBA", (9, 8, 7, 255)), "PNG"), (9, 8, 7)),
    "rgba, webp": (encoded(_painted("RGBA", (0, 100, 255, 51)), "WEBP", lossless=True), (204, 224, 255)),
    "rgba, tiff": (encoded(_painted("RGBA", (0, 100, 255, 51)), "TIFF"), (204, 224, 255)),
    "cmyk": (encoded(_painted("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), (255, 0, 0)),
    "cmyk, tiff": (encoded(_painted("CMYK", (0, 255, 0, 128)), "TIFF"), (127, 0, 127)),
    # Adobe's marker with transform 2 makes YCCK of it: (179, 171, 1) is the YCbCr of full magenta and yellow, and
    # what is written is the inverse of what is given.
    "ycck": (
        encoded(_painted("CMYK", (255 - 179, 255 - 171, 255 - 1, 0)), "JPEG", quality=100).replace(
            b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2"
        ),
        (255, 0, 0),
    ),
}


@pytest.mark.parametrize("kind", COLOURS)
def test_every_kind_of_pixels_becomes_rgb(store: Store, kind: str) -> None:
    data, colour = COLOURS[kind]
    found = decode.read(store(data)).astype(int)
    assert found.shape == (16, 16, 3)
    assert abs(found - colour).max() <= (2 if "cmyk" in kind or kind == "ycck" else 0), found[0, 0]


DEEP = np.array([[0, 128, 129, 257, 385, 386, 1000, 32768, 65406, 65535]], np.uint16)


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
    assert decode.header(path).bits == 16


def test_a_hidden_pixel_of_16_bits_is_white(store: Store) -> None:
    values = np.array([[[1000, 2000, 3000, 0], [0, 0, 65535, 32768]]], np.uint16)
    found = decode.read(store(cv2.imencode(".png", values)[1].tobytes()))
    assert found.tolist() == [[[255, 255, 255], [255, 127, 127]]]


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG chunk by chunk, for what no library here writes."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)), *extra]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_span_the_whole_range(store: Store, bits: int) -> None:
    found = decode.read(store(png(1, 2, bits, 0, bytes([0, 0, 0, 0xFF]))))
    assert found.tolist() == [[[0, 0, 0]], [[255, 255, 255]]]


def _turned_deep_tiff() -> bytes:
    """A TIFF of 16-bit colours whose ExtraSamples-free header gets the tag for a turn in place of its resolution."""
    data = bytearray(cv2.imencode(".tiff", np.repeat(DEEP[..., None], 3, axis=2))[1].tobytes())
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    tags = [bytes(data[at + 2 + 12 * i : at + 14 + 12 * i]) for i in range(count)]
    tags = [t for t in tags if struct.unpack_from("<H", t)[0] != ORIENTATION]
    tags = sorted([*tags, struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)], key=lambda t: struct.unpack_from("<H", t)[0])
    struct.pack_into("<I", data, 4, len(data))
    return bytes(data) + struct.pack("<H", len(tags)) + b"".join(tags) + bytes(4)


STRANGE = {
    "float": encoded(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4), "TIFF"),
    "32-bit integers": encoded(np.arange(12, dtype=np.int32).reshape(3, 4), "TIFF"),
    "Lab": encoded(Image.new("LAB", (4, 4)), "TIFF"),
    "16-bit grey with a hidden value": png(1, 1, 16, 0, bytes([0, 3, 232]), (b"tRNS", struct.pack(">H", 1000))),
    "16 bits, turned": _turned_deep_tiff(),
}


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
    found = decode.header(store(data))
    assert (found.orientation, found.height, found.width, found.has_exif) == (orientation, 8, 16, True)


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_read(store: Store, format_: str) -> None:
    first, second = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    options = {"lossless": True} if format_ == "WEBP" else {}
    path = store(encoded(first, format_, save_all=True, append_images=[second], **options))
    assert decode.header(path).frames == 2
    assert abs(decode.read(path).astype(int) - (255, 0, 0)).max() <= 2


# ---- broken files

CUT = {
    **{kind: encoded(picture(), **options) for kind, options in (LOSSLESS | LOSSY).items()},
    "jpeg-cmyk": encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG"),
    "png-alpha": encoded(Image.fromarray(picture()).convert("RGBA"), "PNG"),
    "png-16": cv2.imencode(".png", picture().astype(np.uint16) * 257)[1].tobytes(),
    "tiff-16": cv2.imencode(".tiff", picture().astype(np.uint16) * 257)[1].tobytes(),
    "webp-alpha": encoded(Image.fromarray(picture()).convert("RGBA"), "WEBP", lossless=True),
}


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


def test_a_progressive_jpeg_is_walked_scan_by_scan() -> None:
    data = CUT["jpeg-progressive"]
    assert data.count(b"\xff\xda") > 3
    assert containers.flaw(data) is None
    for at in [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"][1:]:
        assert containers.flaw(data[:at]) == "truncated"


# ---- sizes


def test_a_bomb_is_refused_by_its_header(store: Store) -> None:
    for side in (10_000, 100_000):  # where Pillow warns, and where it raises
        path = store(png(side, side, 8, 2, b""))
        assert reason(path) == "too_large"
    assert decode.header(store(png(10_000, 10_000, 8, 2, b""))).width == 10_000


def test_the_cap_is_exact(store: Store) -> None:
    path = store(encoded(picture(6, 7), "PNG"))
    assert decode.read(path, max_pixels=42).shape == (6, 7, 3)
    assert reason(path, max_pixels=41) == "too_large"


def test_a_line_longer_than_opencv_allows_is_an_answer_too(store: Store) -> None:
    assert reason(store(png(2**20 + 1, 1, 8, 0, bytes(2**20 + 2)))) == "damaged"


# ---- places


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


# ---- the process around


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


@pytest.mark.parametrize(("module", "name"), [("cv2", "cv2"), ("PIL", "PIL.Image")])
def test_a_missing_library_names_the_extra(
    store: Store, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    backends.opencv.cache_clear()
    backends.pillow.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"^{name} is not installed: pip install 'tithe\[image\]'$"):
        decode.read(store(CUT["jpeg"]))


def test_opencv_runs_on_one_thread() -> None:
    backends.opencv.cache_clear()
    cv2.setNumThreads(2)
    backends.opencv()
    assert cv2.getNumThreads() == 1


# ---- headers

HEADERS: dict[str, tuple[bytes, Header]] = {
    "jpeg": (CUT["jpeg"], Header("JPEG", 64, 48, "RGB", 8, 1, False, None, 90, False)),
    "jpeg, progressive": (CUT["jpeg-progressive"], Header("JPEG", 64, 48, "RGB", 8, 1, False, None, 80, False)),
    "jpeg, cmyk": (CUT["jpeg-cmyk"], Header("JPEG", 64, 48, "CMYK", 8, 1, False, None, 75, False)),
    "png": (CUT["png"], Header("PNG", 64, 48, "RGB", 8, 1, False, None, None, False)),
    "png, alpha": (CUT["png-alpha"], Header("PNG", 64, 48, "RGBA", 8, 1, True, None, None, False)),
    "png, 16 bits": (CUT["png-16"], Header("PNG", 64, 48, "RGB", 16, 1, False, None, None, False)),
    "png, palette": (COLOURS["palette, half"][0], Header("PNG", 16, 16, "P", 8, 1, True, None, None, False)),
    "png, 1 bit": (COLOURS["1 bit, set"][0], Header("PNG", 16, 16, "1", 1, 1, False, None, None, False)),
    "webp": (CUT["webp-lossy"], Header("WEBP", 64, 48, "RGB", 8, 1, False, None, None, False)),
    "webp, alpha": (COLOURS["rgba, webp"][0], Header("WEBP", 16, 16, "RGBA", 8, 1, True, None, None, False)),
    "bmp": (CUT["bmp"], Header("BMP", 64, 48, "RGB", 8, 1, False, None, None, False)),
    "tiff": (CUT["tiff"], Header("TIFF", 64, 48, "RGB", 8, 1, False, None, None, True)),
    "tiff, float": (STRANGE["float"], Header("TIFF", 4, 3, "F", 32, 1, False, None, None, True)),
    "gif": (COLOURS["gif"][0], Header("GIF", 16, 16, "P", 8, 1, False, None, None, False)),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers(store: Store, kind: str) -> None:
    data, expected = HEADERS[kind]
    assert decode.header(store(data)) == expected


def test_a_header_needs_no_pixels(store: Store) -> None:
    for kind in ("jpeg", "png", "bmp"):
        assert decode.header(store(CUT[kind][:-500])) == HEADERS[kind][1]
    with pytest.raises(Unreadable) as error:
        decode.header(store(b"text"))
    assert error.value.reason == "not_an_image"


def test_the_quality_of_a_jpeg_is_found(store: Store) -> None:
    pixels = picture(16, 16)
    for quality in range(1, 101):
        by_pillow = decode.header(store(encoded(pixels, "JPEG", quality=quality))).quality
        by_opencv = decode.header(
            store(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
        ).quality
        assert by_pillow == by_opencv == quality


def test_foreign_tables_get_the_nearest_quality(store: Store) -> None:
    table = [min(255, round(value * 1.04)) for value in Image.open(BytesIO(CUT["jpeg"])).quantization[0]]
    found = decode.header(store(encoded(picture(), "JPEG", qtables=[table, table]))).quality
    assert found is not None and 88 <= found <= 90
