"""Whether an image file is complete, determined from its structure without decoding.

Decoders differ in what they accept: some silently fill a missing part with grey. This module reads the marker segments
of JPEG (ITU-T T.81, annex B), the chunks and checksums of PNG (W3C Recommendation, clause 5) and the RIFF header of
WebP (RFC 9649). The decoders of other formats detect missing bytes themselves.
"""

from __future__ import annotations

import re
import struct
import zlib

_BEGINNING = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|II[*+]\0|MM\0[*+]|GIF8[79]a", re.DOTALL)
# A marker ends a scan's coded data, in which 0xFF 0x00 is a stuffed byte, 0xD0 to 0xD7 are restarts, 0xFF 0xFF is fill.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START, _END = 0xD8, 0xD9


def begins_as_image(data: bytes) -> bool:
    """Return whether these first bytes, 12 or more, are the signature of a known image format."""
    return _BEGINNING.match(data) is not None


def flaw(data: bytes) -> str | None:
    """Return `truncated` if a file ends too early, `damaged` if a checksum is wrong, None if neither is detected."""
    if data.startswith(b"\xff\xd8"):
        return None if _jpeg_ends(data) else "truncated"
    if data.startswith(b"\x89PNG"):
        return _png_flaw(data)
    if data.startswith(b"RIFF"):
        return "truncated" if len(data) < 8 + int.from_bytes(data[4:8], "little") else None
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
