"""What a file says about where its picture comes from: camera, software, content credentials, generators.

Anybody can write or remove such data: they are shown beside a score and never change it. Signatures of content
credentials (C2PA) are not verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tithe.imaging.files import open_image, quiet, read_all
from tithe.imaging.headers import tags_of

_LONGEST = 160  # characters of a value
_MAKE, _MODEL, _SOFTWARE, _DATE, _EXIF = 0x010F, 0x0110, 0x0131, 0x0132, 0x8769
_ORIGINAL_DATE, _COMMENT = 0x9003, 0x9286
# Names of text in PNG, and of comments, in which generators keep their prompt and settings.
_GENERATORS = ("parameters", "prompt", "workflow", "dream", "sd-metadata", "invokeai_metadata", "generation_data")
_REMARKS = ("comment", "Comment", "Description", "Title", "Software", "Source")
_SETTINGS = re.compile(r"Steps: *\d+|negative.?prompt|Sampler:|cfg.?scale|\"class_type\"", re.IGNORECASE)
# A box of JUMBF whose content is a store of C2PA manifests (C2PA 2.1, 11.1.4.2), and words of XMP and IPTC.
_C2PA = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"
_SOURCE_TYPE = re.compile(rb"digitalsourcetype/([A-Za-z]{4,40})")
_CREATOR = re.compile(rb"CreatorTool(?:=\"|>)([^\"<]{1,160})")


class Fact(NamedTuple):
    """Something that a file says of its origin.

    Attributes
    ----------
    kind
        `camera`, `taken`, `software`, `credentials`, `source_type` (of IPTC) or `generator` (its settings).
    text
        What it says, shortened; empty for credentials.
    """

    kind: str
    text: str


def provenance(path: Path) -> list[Fact]:
    """Return what a file says of its origin; nothing if it says nothing.

    Raises
    ------
    Unreadable
        The file does not exist or is not an image.
    """
    with open_image(path) as (file, image), quiet():
        data, tags, info = read_all(file), tags_of(image), dict(image.info)
        own = _of_exif(tags.get_ifd(_EXIF) if hasattr(tags, "get_ifd") else {}, tags)
        facts = [*own, *_of_text(info), *_of_bytes(data)]
    return [Fact(kind, _short(text)) for kind, text in dict.fromkeys(facts)]


def _of_exif(inner: Mapping[int, Any], tags: Mapping[int, Any]) -> Iterator[tuple[str, str]]:
    maker, model = _text(tags.get(_MAKE)), _text(tags.get(_MODEL))
    if camera := model if model.startswith(maker) else f"{maker} {model}".strip():
        yield "camera", camera
    if taken := _text(inner.get(_ORIGINAL_DATE)) or _text(tags.get(_DATE)):
        yield "taken", taken
    if software := _text(tags.get(_SOFTWARE)):
        yield "software", software
    if _SETTINGS.search(comment := _text(inner.get(_COMMENT))):
        yield "generator", comment


def _of_text(info: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in info.items():
        text = _text(value)
        if str(name).lower() in _GENERATORS and text:
            yield "generator", f"{name}: {text}"
        elif name in _REMARKS and text:
            yield ("generator", f"{name}: {text}") if _SETTINGS.search(text) else ("software", f"{name}: {text}")


def _of_bytes(data: bytes) -> Iterator[tuple[str, str]]:
    if _C2PA in data:
        yield "credentials", ""
    for source_type in dict.fromkeys(_SOURCE_TYPE.findall(data)):
        yield "source_type", source_type.decode()
    if creator := _CREATOR.search(data):
        yield "software", _text(creator[1])


def _text(value: object) -> str:
    """Return a value of a tag as text; of UserComment without its eight bytes of encoding."""
    if isinstance(value, bytes):
        wide = "utf-16-be" if value[:7] == b"UNICODE" else "utf-8"
        value = value.removeprefix(b"ASCII\0\0\0").removeprefix(b"UNICODE\0").decode(wide, "replace")
    return value.replace("\0", "").strip() if isinstance(value, str) else ""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
