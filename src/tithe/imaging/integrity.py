"""Whether an image file is complete, determined from its structure without decoding.

Decoders differ in what they accept: some silently fill a missing part with grey. This module reads the marker segments
of JPEG (ITU-T T.81, annex B), the chunks and checksums of PNG (W3C Recommendation, clause 5), the RIFF header of WebP
(RFC 9649), and the boxes of AVIF, HEIF and JPEG 2000. The decoders of other formats detect missing bytes themselves.
"""

from __future__ import annotations

import re
import struct
import zlib

# How files of each format begin; `other` are images that are never read, such as JPEG XL, Photoshop and icons.
_BEGINNINGS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF....WEBP",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "GIF": rb"GIF8[79]a",
    "AVIF": rb"....ftypavi[fs]",
    "HEIF": rb"....ftyp(?:he[iv][cmsx]|m[is]f1)",
    "JPEG2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "other": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n|8BPS|v/1\x01|P[1-7][ \t\r\n]|#\?RADIANCE|\0\0[\1\2]\0|FUJIFILMCCD"
    rb"|II\xbc|DDS |qoif|IIRO|IIU\0",
}
_BEGINNING = {name: re.compile(pattern, re.DOTALL) for name, pattern in _BEGINNINGS.items()}
# A marker ends a scan's coded data, in which 0xFF 0x00 is a stuffed byte, 0xD0 to 0xD7 are restarts, 0xFF 0xFF is fill.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START, _END = 0xD8, 0xD9


def format_of(head: bytes) -> str | None:
    """Return the format that these first bytes, 32 or more, are the signature of, by Pillow's name; None for no image.

    An image of a format that is never read is `other`; BMP has too short a signature to tell.
    """
    return next((name for name, beginning in _BEGINNING.items() if beginning.match(head)), None)


def flaw(data: bytes) -> str | None:
    """Return `truncated` if a file ends too early, `damaged` if a checksum is wrong, None if neither is detected."""
    if data.startswith(b"\xff\xd8"):
        return None if _jpeg_ends(data) else "truncated"
    if data.startswith(b"\x89PNG"):
        return _png_flaw(data)
    if data.startswith(b"RIFF"):
        return "truncated" if len(data) < 8 + int.from_bytes(data[4:8], "little") else None
    if data[4:8] in (b"ftyp", b"jP  "):
        return None if _boxes_end(data) else "truncated"
    return None


def _jpeg_ends(data: bytes) -> bool:
    """Walk from marker to marker, so that the end marker of an embedded thumbnail does not count."""
    at = 2
    while marker := _JPEG_MARKER.search(data, at):
        at = marker.end()
        code = data[at - 1]
        if code == _END:
            return True
        if code != _START:
            at += int.from_bytes(data[at : at + 2], "big")
    return False


def _boxes_end(data: bytes) -> bool:
    """Walk from box to box of AVIF, HEIF or JPEG 2000 (ISO/IEC 14496-12, 15444-1); 0 is a box up to the end."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return size == 0
        at += size
    return at <= len(data)


def _png_flaw(data: bytes) -> str | None:
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return "damaged"
        if kind == b"IEND":
            return None
        at = end
    return "truncated"
