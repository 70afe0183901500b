"""What a run leaves on disk: atomic files, hashes, JSON-lines history, a snapshot of the environment."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tithe.errors import InputError

MANIFEST = "manifest.json"
_ASIDE = ".partial-"


def cache_dir() -> Path:
    """Return the cache: `$TITHE_CACHE`, else `tithe` under `$XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("TITHE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tithe"


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_bytes(*parts: bytes | memoryview) -> str:
    """Return the SHA-256 of byte strings and of where one ends and the next begins."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(memoryview(part).nbytes.to_bytes(8, "little"))
        whole.update(part)
    return whole.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; when the block ends well, fsync and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{path.name}")
    try:
        yield aside
        _sync(aside)
        aside.replace(path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path`; when the block ends well it becomes `path`, whole, with a manifest.

    The manifest with every file's SHA-256 is written last, so a folder without one, or with one that does
    not match, was interrupted. An earlier folder at `path` stays until the new one stands complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{path.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        for file in _files(aside):
            _sync(file)
        write_manifest(aside)
        _sync(aside)
        old = path.with_name(f"{_ASIDE}old-{os.getpid()}-{path.name}")
        if path.exists():
            path.replace(old)
        try:
            aside.replace(path)
        except BaseException as error:
            if old.exists():
                old.replace(path)
            elif isinstance(error, OSError) and not broken_files(path):
                return  # another process has just put its own there
            raise
        _sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def link_tree(source: Path, target: Path) -> None:
    """Put a folder's files into another without a second copy of their bytes, where the disk can do that."""
    for file in sorted(p for p in source.rglob("*") if p.is_file()):
        there = target / file.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, there)
        except OSError:
            shutil.copyfile(file, there)


def recover(folder: Path) -> None:
    """Clear what a killed process left half-done; give back what it had moved aside and not yet replaced."""
    for left in folder.glob(f"{_ASIDE}*"):
        name = left.name.removeprefix(f"{_ASIDE}old-").partition("-")[2]
        if left.name.startswith(f"{_ASIDE}old-") and not (folder / name).exists():
            left.replace(folder / name)
        elif left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    found = [folder] if folder.is_file() else folder.rglob("*")
    return sorted(p for p in found if p.is_file())


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, readable by a person."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        It is missing, or not JSON; the message says where.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no file {path}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested sections, each with its key as `section.key`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def write_manifest(folder: Path, paths: Iterable[Path] | None = None) -> None:
    """Record the SHA-256 of every file under a folder, or under some paths in it, in its manifest."""
    files = {file for path in ([folder] if paths is None else paths) for file in _files(path)} - {folder / MANIFEST}
    write_json(folder / MANIFEST, {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(files)})


def broken_files(folder: Path) -> list[str]:
    """Return what is wrong with a folder against its manifest; an empty list means it is whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [MANIFEST]
    if not isinstance(manifest, dict):
        return [MANIFEST]
    return [
        name
        for name, expected in sorted(manifest.items())
        if not (folder / name).is_file() or sha256_file(folder / name) != expected
    ]


def _cut_broken_line(path: Path) -> None:
    """Cut what a crash left after the last whole line, so that the next record starts a line of its own."""
    if path.exists():
        whole = path.read_bytes().rfind(b"\n") + 1
        with path.open("rb+") as file:
            file.truncate(whole)


class JsonLines:
    """An append-only JSON-lines file, flushed after every record.

    A crash can at worst cut the last line; `read` leaves such a line out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_broken_line(path)
        self._file = path.open("a", encoding="utf-8")

    def append(self, record: Mapping[str, object]) -> None:
        """Write one record."""
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Fsync and close the file."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the whole records of a JSON-lines file; a missing file has none."""
    records: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):  # bad JSON or bad UTF-8: a line that a crash cut
                records.append(json.loads(line))
    return records


def write_lines(path: Path, records: Iterable[Mapping[str, object]]) -> int:
    """Write a JSON-lines file atomically; return the number of records."""
    count = 0
    with atomic_file(path) as aside, aside.open("w", encoding="utf-8") as file:
        for count, record in enumerate(records, start=1):  # noqa: B007
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count


def new_run_dir(pattern: str) -> Path:
    """Return the path of a fresh run directory, `{time}` being YYYYmmdd-HHMMSS; it is not made yet."""
    stem = pattern.replace("{time}", time.strftime("%Y%m%d-%H%M%S"))
    path, again = Path(stem), 1
    while path.exists():
        again += 1
        path = Path(f"{stem}-{again}")
    return path


_PACKAGES = ("tithe", "torch", "transformers", "accelerate", "numpy", "pyarrow", "scikit-learn")


def environment() -> dict[str, object]:
    """Return what a reader needs to know of the machine: versions, cores, the command. No secrets, no names."""
    return {
        "command": [Path(sys.argv[0]).name, *map(_masked, sys.argv[1:])],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "packages": {p: importlib.metadata.version(p) for p in _PACKAGES if _has(p)},
    }


def _masked(argument: str) -> str:
    """Hide the value of `--set some.api_token=...`, however it is written."""
    return re.sub(r"(?i)((?:token|secret|password|key)[^=:]*[=:]).+", r"\1***", argument, flags=re.DOTALL)


def _has(package: str) -> bool:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(package))
    return False
