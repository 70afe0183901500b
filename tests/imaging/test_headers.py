"""What a header says of its file, without a pixel."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from support.image_files import COLOURS, CUT, STRANGE, Store, encoded, picture
from tithe.imaging import headers
from tithe.imaging.files import Unreadable
from tithe.imaging.headers import Header

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
    assert headers.header(store(data)) == expected


def test_a_header_needs_no_pixels(store: Store) -> None:
    for kind in ("jpeg", "png", "bmp"):
        assert headers.header(store(CUT[kind][:-500])) == HEADERS[kind][1]
    with pytest.raises(Unreadable) as error:
        headers.header(store(b"text"))
    assert error.value.reason == "not_an_image"


def test_the_quality_of_a_jpeg_is_found(store: Store) -> None:
    pixels = picture(16, 16)
    for quality in range(1, 101):
        by_pillow = headers.header(store(encoded(pixels, "JPEG", quality=quality))).quality
        by_opencv = headers.header(
            store(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
        ).quality
        assert by_pillow == by_opencv == quality


def test_foreign_tables_get_the_nearest_quality(store: Store) -> None:
    table = [min(255, round(value * 1.04)) for value in Image.open(BytesIO(CUT["jpeg"])).quantization[0]]
    found = headers.header(store(encoded(picture(), "JPEG", qtables=[table, table]))).quality
    assert found is not None and 88 <= found <= 90


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_shown_upright_as_pillow_shows_it(orientation: int) -> None:
    pixels, tags = picture(8, 12), Image.Exif()
    tags[0x0112] = orientation
    with Image.open(BytesIO(encoded(pixels, "PNG", exif=tags))) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(headers.upright(pixels, orientation), expected)
    assert headers.upright(pixels, None) is pixels
