"""What files say of where they come from."""

from __future__ import annotations

import pytest
from PIL import Image, PngImagePlugin

from support.image_files import Store, encoded, picture
from tithe.imaging.files import Unreadable
from tithe.imaging.provenance import Fact, provenance

_SETTINGS = "a castle\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7"


def test_a_file_that_says_nothing(store: Store) -> None:
    for format_ in ("PNG", "JPEG", "BMP", "WEBP", "AVIF"):
        assert provenance(store(encoded(picture(), format_))) == []


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_camera_and_its_software(store: Store, format_: str) -> None:
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0131] = "Canon", "Canon EOS 5D", "GIMP 2.10\0"
    tags[0x0132] = "2021:05:01 10:00:00"
    found = provenance(store(encoded(picture(), format_, exif=tags)))
    assert found == [
        Fact("camera", "Canon EOS 5D"),
        Fact("taken", "2021:05:01 10:00:00"),
        Fact("software", "GIMP 2.10"),
    ]


def test_the_date_is_that_of_the_photograph_and_a_maker_is_named_once(store: Store) -> None:
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0132] = "NIKON CORPORATION", "NIKON D70", "2024:01:01 00:00:00"
    tags.get_ifd(0x8769)[0x9003] = "2004:05:01 10:00:00"
    found = provenance(store(encoded(picture(), "JPEG", exif=tags)))
    assert found == [Fact("camera", "NIKON CORPORATION NIKON D70"), Fact("taken", "2004:05:01 10:00:00")]


def test_settings_of_a_generator(store: Store) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", _SETTINGS)
    text.add_itxt("prompt", '{"3": {"class_type": "KSampler"}}' * 20)
    first, second = provenance(store(encoded(picture(), "PNG", pnginfo=text)))
    assert first == Fact("generator", f"parameters: {_SETTINGS}")
    assert second.kind == "generator" and second.text.startswith('prompt: {"3"') and len(second.text) == 160
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + _SETTINGS.encode("utf-16-be")
    assert provenance(store(encoded(picture(), "JPEG", exif=tags))) == [Fact("generator", _SETTINGS)]
    tags.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0a day at the sea"
    assert provenance(store(encoded(picture(), "JPEG", exif=tags))) == []


def test_content_credentials_and_declared_sources(store: Store) -> None:
    store_of_claims = b"\0\0\0\x28jumb\0\0\0\x20jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq\x03c2pa\0"
    xmp = b'<x xmp:CreatorTool="Adobe Firefly" d="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
    segment = b"JP\x00\x01\x00\x00\x00\x01" + store_of_claims
    plain = encoded(picture(), "JPEG", xmp=xmp)
    data = plain[:2] + b"\xff\xeb" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]
    assert provenance(store(data)) == [
        Fact("credentials", ""),
        Fact("source_type", "trainedAlgorithmicMedia"),
        Fact("software", "Adobe Firefly"),
    ]


def test_what_is_no_image_says_nothing(store: Store) -> None:
    with pytest.raises(Unreadable):
        provenance(store(b"text"))
