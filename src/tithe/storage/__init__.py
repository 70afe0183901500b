"""Atomic files, atomic folders with a manifest of hashes, append-only records, and the cache."""

from __future__ import annotations

from tithe.storage.cache import cache_dir
from tithe.storage.environment import describe_environment, dotenv, environment_variable, peak_memory
from tithe.storage.files import (
    atomic_file,
    copy_file,
    flatten,
    move_file,
    read_json,
    refuse_pointers,
    write_json,
    write_text,
)
from tithe.storage.folders import (
    MANIFEST,
    atomic_folder,
    broken_files,
    changed_files,
    files_in,
    link_tree,
    listed_files,
    read_manifest,
    unlisted_files,
    write_manifest,
)
from tithe.storage.hashing import digest, digest_bytes, digest_items, sha256_file
from tithe.storage.jsonl import Extent, JsonLines, begins_with, read_lines, write_lines
from tithe.storage.leftovers import beside, recover, remove
from tithe.storage.locks import is_locked, locked
from tithe.storage.paths import check_writable_file, check_writable_folder, expand_home
from tithe.storage.recording import recorded, recording
from tithe.storage.sealed import read_sealed, write_sealed
from tithe.storage.tables import csv_cell

__all__ = [
    "MANIFEST",
    "Extent",
    "JsonLines",
    "atomic_file",
    "atomic_folder",
    "begins_with",
    "beside",
    "broken_files",
    "cache_dir",
    "changed_files",
    "check_writable_file",
    "check_writable_folder",
    "copy_file",
    "csv_cell",
    "describe_environment",
    "digest",
    "digest_bytes",
    "digest_items",
    "dotenv",
    "environment_variable",
    "expand_home",
    "files_in",
    "flatten",
    "is_locked",
    "link_tree",
    "listed_files",
    "locked",
    "move_file",
    "peak_memory",
    "read_json",
    "read_lines",
    "read_manifest",
    "read_sealed",
    "recorded",
    "recording",
    "recover",
    "refuse_pointers",
    "remove",
    "sha256_file",
    "unlisted_files",
    "write_json",
    "write_lines",
    "write_manifest",
    "write_sealed",
    "write_text",
]
