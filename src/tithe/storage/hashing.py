"""SHA-256 of values, byte strings and files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

_ITEMS = 1 << 16


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_bytes(*parts: bytes | memoryview) -> str:
    """Return the SHA-256 of byte strings and their lengths."""
    total = hashlib.sha256()
    for part in parts:
        total.update(memoryview(part).nbytes.to_bytes(8, "little"))
        total.update(part)
    return total.hexdigest()


def digest_items(items: memoryview, size: int, *parts: bytes) -> str:
    """Return what `digest_bytes` does, of byte strings of one size that lie one after another, and of further ones."""
    total, length = hashlib.sha256(), size.to_bytes(8, "little")
    for start in range(0, len(items), _ITEMS * size):
        some = bytes(items[start : start + _ITEMS * size])
        total.update(b"".join(length + some[at : at + size] for at in range(0, len(some), size)))
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.hexdigest()
