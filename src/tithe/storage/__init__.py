"""Atomic files, atomic folders with a manifest of hashes, append-only records, and the cache."""

from __future__ import annotations

from tithe.storage.cache import cache_dir
from tithe.storage.environment import describe_environment, dotenv, environment_variable
from tithe.storage.files import atomic_file, flatten, read_json, write_json, write_text
from tithe.storage.folders import MANIFEST, atomic_folder, broken_files, link_tree, recover, write_manifest
from tithe.storage.hashing import digest, digest_bytes, sha256_file
from tithe.storage.jsonl import JsonLines, read_lines, write_lines

__all__ = [
    "MANIFEST",
    "JsonLines",
    "atomic_file",
    "atomic_folder",
    "broken_files",
    "cache_dir",
    "describe_environment",
    "digest",
    "digest_bytes",
    "dotenv",
    "environment_variable",
    "flatten",
    "link_tree",
    "read_json",
    "read_lines",
    "recover",
    "sha256_file",
    "write_json",
    "write_lines",
    "write_manifest",
    "write_text",
]
